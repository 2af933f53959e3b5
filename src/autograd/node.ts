import type { Device } from '../gpu/device.ts';
import type { DeviceArray, DType, Shape } from '../kernels/array.ts';

/** The members of `Tensor` that the tape uses; `Tensor` documents them. */
export interface TapeTensor {
  readonly array: DeviceArray;
  readonly requiresGrad: boolean;
  readonly node: Node | null;
  readonly grad: TapeTensor | null;
  readonly gradBuffer: DeviceArray | null;
  readonly intermediates: readonly DeviceArray[] | null;
  readonly serial: number;
  readonly device: Device;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly replicas: number;
  setGrad(gradient: DeviceArray): void;
  clearGrad(): void;
}

/** What an operator's backward pass is requested to compute, and where to write it. */
export interface GradRequest {
  /** Whether input `i` requires a gradient. */
  needsGrad(i: number): boolean;
  /** Array that the gradient of input `i` may be written to; undefined for a new array. Its use is optional. */
  into(i: number): DeviceArray | undefined;
}

/**
 * Returns the gradients of an operator's inputs, in their order; null if none is required or none exists (integer inputs).
 * The tape owns `dout`: read it or return it unchanged, but do not dispose it.
 */
export type Backward = (dout: DeviceArray, request: GradRequest) => (DeviceArray | null)[];

/** One operator application on the tape. */
export interface Node {
  inputs: readonly TapeTensor[];
  backward: Backward;
  /**
   * Returns the input gradients for an output gradient of 1. Losses provide it, so that neither the 1 nor the product with it is
   * computed. The tape owns the returned arrays.
   */
  backwardOfOne?: (request: GradRequest) => (DeviceArray | null)[];
  /** Arrays, other than inputs and output, that only `backward` and `backwardOfOne` read. */
  saved?: readonly DeviceArray[];
  /** Versions of the inputs' arrays when the operator ran. */
  versions: readonly number[];
  /** Layer of the operator and of its backward pass (see `Origin`); null outside of layers. */
  layer: string | null;
  /** Whether a backward pass has released the arrays that another pass would need. */
  released: boolean;
}
