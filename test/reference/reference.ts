import type { NdArray } from './ndarray.ts';

/** Undefined means a missing optional input (a bias). */
type AnyInputs = readonly (NdArray | undefined)[];

/**
 * An operator in float64, in the simplest loops and without tricks: kernels are compared with it. `backward` returns one gradient for
 * each input; null for an input without a gradient (labels).
 *
 * `backward` gets `output` because some gradients are formulas of it (ReLU's mask, softmax).
 */
export interface Reference<Inputs extends AnyInputs = AnyInputs, Attrs = object> {
  forward(inputs: Inputs, attrs: Attrs): NdArray;
  backward(inputs: Inputs, output: NdArray, dout: NdArray, attrs: Attrs): (NdArray | null)[];
}
