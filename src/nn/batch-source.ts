import type { Tensor } from '../autograd/tensor.ts';
import type { Device } from '../gpu/device.ts';
import type { DeviceArray, Shape } from '../kernels/array.ts';
import type { StepState } from '../kernels/step-state.ts';

/** Samples that live on the GPU and are gathered into batches there. `ImageLoader` is one; a user may write others. */
export interface BatchSource {
  readonly device: Device;
  /** Number of samples. */
  readonly size: number;
  /** Shape of one sample, without the batch. */
  readonly sampleShape: Shape;
  /** Number of classes: labels are below it. */
  readonly classes: number;
  /**
   * Dispatches what fills a batch: samples `order[state.batchStart ..]`, `batch` of them. Called once for each recorded step;
   * nothing in it may depend on the values in `order` or `state`, which change between runs.
   */
  batch(order: DeviceArray, state: StepState, batch: number): { x: Tensor; labels: Tensor };
}
