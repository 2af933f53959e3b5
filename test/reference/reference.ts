import type { NdArray } from './ndarray.ts';

/** Undefined stands for an optional input that was left out (a bias). */
type AnyInputs = readonly (NdArray | undefined)[];

/**
 * What an operator computes, in float64 and in the plainest loops: the yardstick for the kernels, so no trick is welcome
 * here. `backward` returns one gradient an input, null for an input that has none (labels).
 *
 * `output` is handed to `backward` because some gradients are written in terms of it (ReLU's mask, softmax).
 */
export interface Reference<Inputs extends AnyInputs = AnyInputs, Attrs = object> {
  forward(inputs: Inputs, attrs: Attrs): NdArray;
  backward(inputs: Inputs, output: NdArray, dout: NdArray, attrs: Attrs): (NdArray | null)[];
}
