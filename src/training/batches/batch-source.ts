import type { Tensor } from '../../autograd/tensor.ts';
import type { Device } from '../../gpu/device.ts';
import type { DeviceArray, Shape } from '../../kernels/array.ts';
import type { StepState } from '../../kernels/optimizers/step-state.ts';
import type { PlacedTarget } from './targets.ts';

/** Samples that live on the GPU and are gathered into batches there. `ImageLoader` is one; a user may write others. */
export interface BatchSource {
  /** The device that holds the samples: that of the model. */
  readonly device: Device;
  /** Number of samples. */
  readonly size: number;
  /** Shape of one sample, without the batch. */
  readonly sampleShape: Shape;
  /** Number of classes where targets are labels, which are below it; null where they are numbers. */
  readonly classes: number | null;
  /** Shape of one sample's target where targets are numbers. */
  readonly targetShape?: Shape | null;
  /** The labels as the host knows them, if it does: what makes a class that a split leaves out an error. */
  readonly labels?: ArrayLike<number> | null;
  /** Where targets are one-hot rows: the class of each, for the same. */
  readonly oneHotClasses?: ArrayLike<number> | null;
  /**
   * The smallest and the largest target as the host knows them, if it does: with them, targets that a loss cannot have are an error before
   * anything is trained; without, the adapter looks at each batch and the epoch ends with that error.
   */
  readonly targetExtremes?: readonly PlacedTarget[] | null;
  /** Samples from the first of one replica to the first of the next, where each replica has samples of its own. Default 0: all share them. */
  readonly replicaStride?: number;
  /**
   * Called before each run of a recorded batch, by a source that sends the batch's samples from the host.
   * @param rows which samples these are, of one replica after another
   */
  send?(rows: () => Uint32Array, batch: number): void;
  /** Whether a sample may differ from pass to pass, as augmented images do: then no features of it are kept. Default false. */
  readonly augmented?: boolean;
  /**
   * Dispatches what fills a batch: samples `order[state.batchStart ..]`, `batch` of them, and their targets, u32 [batch] for
   * labels, f32 [batch, ...targetShape] for numbers, null where there are none. Called once for each recorded step; nothing in
   * it may depend on the values in `order` or `state`, which change between runs.
   */
  batch(
    order: DeviceArray,
    state: StepState,
    batch: number,
  ): {
    /** The samples, f32 [batch, ...sampleShape]. */
    x: Tensor;
    /** Their targets; null where there are none. */
    targets: Tensor | null;
  };
}
