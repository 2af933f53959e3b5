import { map, type NdArray, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';

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

export const relu: Reference<[x: NdArray]> = {
  forward: ([x]) => activate(x, 'relu'),
  backward: (_inputs, output, dout) => [activationGrad(output, dout, 'relu')],
};

/** y_j = exp(x_j - m) / sum_k exp(x_k - m) over the last axis, m the row's maximum. */
export const softmax: Reference<[x: NdArray]> = {
  forward([x]) {
    const y = zerosLike(x);
    const width = x.shape.at(-1) ?? 1;
    for (let row = 0; row < x.data.length; row += width) {
      let max = -Infinity;
      for (let j = 0; j < width; j++) max = Math.max(max, x.data[row + j]!);
      let sum = 0;
      for (let j = 0; j < width; j++) sum += Math.exp(x.data[row + j]! - max);
      for (let j = 0; j < width; j++) y.data[row + j] = Math.exp(x.data[row + j]! - max) / sum;
    }
    return y;
  },

  /** dx_j = y_j (dout_j - sum_k dout_k y_k) */
  backward([x], output, dout) {
    const dx = zerosLike(x);
    const width = x.shape.at(-1) ?? 1;
    for (let row = 0; row < x.data.length; row += width) {
      let inner = 0;
      for (let j = 0; j < width; j++) inner += dout.data[row + j]! * output.data[row + j]!;
      for (let j = 0; j < width; j++) dx.data[row + j] = output.data[row + j]! * (dout.data[row + j]! - inner);
    }
    return [dx];
  },
};
