import type { Device } from '../gpu/device.ts';
import type { DeviceArray, DType, Shape } from '../kernels/array.ts';

/** What the tape needs of a tensor; `Tensor` documents each member. */
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
  readonly models: number;
  setGrad(gradient: DeviceArray): void;
  clearGrad(): void;
}

/** What an operator's backward pass may ask about its inputs. */
export interface GradRequest {
  /** Whether input `i` needs a gradient at all. */
  needsGrad(i: number): boolean;
  /** Where the gradient of input `i` may be written directly; undefined means a new array. Using it is optional. */
  into(i: number): DeviceArray | undefined;
}

/**
 * Gradients for an operator's inputs, in their order; null where none is wanted or none exists (integer inputs).
 * `dout` belongs to the tape: read it, or hand it on unchanged, but do not dispose it.
 */
export type Backward = (dout: DeviceArray, request: GradRequest) => (DeviceArray | null)[];

/** One operator application on the tape. */
export interface Node {
  inputs: readonly TapeTensor[];
  backward: Backward;
  /**
   * What `backward` gives for a gradient of 1, for operators that have it at hand: a loss is where backward passes begin, and
   * then neither the 1 nor the product with it is computed. What it returns belongs to the tape.
   */
  backwardOfOne?: (request: GradRequest) => (DeviceArray | null)[];
  /** Arrays besides inputs and output that these read, and nobody else. */
  saved?: readonly DeviceArray[];
  /** Versions of the inputs' arrays when the operator read them. */
  versions: readonly number[];
  /** The layer that it belongs to, which its backward pass does too (see `Origin`). */
  layer: string | null;
  /** Whether a backward pass has gone through it and released what another one would need. */
  released: boolean;
}
