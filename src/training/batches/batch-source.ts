import type { Tensor } from '../../autograd/tensor.ts';
import type { Device } from '../../gpu/device.ts';
import type { DeviceArray, Shape } from '../../kernels/array.ts';
import type { StepState } from '../../kernels/optimizers/step-state.ts';
import type { PlacedTarget } from './targets.ts';

/** Samples on the GPU, gathered into batches there. `ImageLoader` and `ArrayLoader` implement it; users may write others. */
export interface BatchSource {
  /** The device that holds the samples; the model must be on the same one. */
  readonly device: Device;
  /** Number of samples. */
  readonly size: number;
  /** Shape of one sample, without the batch. */
  readonly sampleShape: Shape;
  /** Number of classes if targets are labels from 0 to `classes - 1`; null if they are numbers. */
  readonly classes: number | null;
  /** Shape of one sample's target if targets are numbers. */
  readonly targetShape?: Shape | null;
  /** The labels, if the host has them. With them, `validationSplit` throws if training would have no sample of a class. */
  readonly labels?: ArrayLike<number> | null;
  /** The class of each target if targets are one-hot rows and the host has them; used like `labels`. */
  readonly oneHotClasses?: ArrayLike<number> | null;
  /**
   * The smallest and the largest target, if the host knows them. With them, targets outside the range of the loss are an error before
   * training. Without them, each batch is checked on the GPU and the error comes at the end of the epoch.
   */
  readonly targetExtremes?: readonly PlacedTarget[] | null;
  /** Number of samples between the first samples of two replicas, if each replica has separate samples. Default 0: all share them. */
  readonly replicaStride?: number;
  /**
   * Uploads the samples of a batch. Called before each run of a recorded batch; for sources that keep samples on the host.
   * @param rows returns the indices of the samples, one replica after another
   */
  send?(rows: () => Uint32Array, batch: number): void;
  /** Whether a sample may differ from pass to pass, as augmented images do: then `cacheFeatures` throws. Default false. */
  readonly augmented?: boolean;
  /**
   * Dispatches the kernels that gather a batch: the samples `order[state.batchStart]` to `order[state.batchStart + batch - 1]`. Called once
   * for each recorded step, so it must not depend on the values in `order` and `state`, which change between runs.
   */
  batch(
    order: DeviceArray,
    state: StepState,
    batch: number,
  ): {
    /** The samples, f32 [batch, ...sampleShape]. */
    x: Tensor;
    /** Their targets: u32 [batch] for labels, f32 [batch, ...targetShape] for numbers; null without targets. */
    targets: Tensor | null;
  };
}
