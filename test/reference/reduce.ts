import { map, type NdArray, ndarray } from './ndarray.ts';
import type { Reference } from './reference.ts';

function total(x: NdArray): number {
  let sum = 0;
  for (const value of x.data) sum += value;
  return sum;
}

/** y = sum of all x_i; dx_i = dout */
export const sum: Reference<[x: NdArray]> = {
  forward: ([x]) => ndarray([], [total(x)]),
  backward: ([x], _output, dout) => [map(x, () => dout.data[0]!)],
};

/** y = (1/n) sum of all x_i; dx_i = dout / n */
export const mean: Reference<[x: NdArray]> = {
  forward: ([x]) => ndarray([], [total(x) / x.data.length]),
  backward: ([x], _output, dout) => [map(x, () => dout.data[0]! / x.data.length)],
};
