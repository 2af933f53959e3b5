import { map, type NdArray } from './ndarray.ts';

/** What may be fused into the store of `linear` and `conv2d`. */
export type Activation = 'relu';

/** y = max(x, 0); NaN stays NaN. */
export function activate(x: NdArray, activation: Activation | undefined): NdArray {
  return activation === 'relu' ? map(x, (value) => Math.max(value, 0)) : x;
}

/** dx = 0 where y <= 0, else dout: the gradient at 0 is 0, and a NaN does not hide behind a zero. */
export function activationGrad(output: NdArray, dout: NdArray, activation: Activation | undefined): NdArray {
  return activation === 'relu' ? map(dout, (value, i) => (output.data[i]! <= 0 ? 0 : value)) : dout;
}
