import { map, type NdArray, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';

/** db[c] = sum of dout[..., c] over everything but the channels. */
export function biasGrad(dout: NdArray, bias: NdArray): NdArray {
  const dbias = zerosLike(bias);
  const channels = bias.data.length;
  for (let i = 0; i < dout.data.length; i++) dbias.data[i % channels]! += dout.data[i]!;
  return dbias;
}

/** y[..., c] = x[..., c] + bias[c] */
export const biasAdd: Reference<[x: NdArray, bias: NdArray]> = {
  forward: ([x, bias]) => map(x, (value, i) => value + bias.data[i % bias.data.length]!),
  /** dx = dout, dbias = sum of dout over everything but the channels. */
  backward: ([, bias], _output, dout) => [dout, biasGrad(dout, bias)],
};
