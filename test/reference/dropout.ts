import { philox } from '../../src/base/random.ts';
import { map, type NdArray } from './ndarray.ts';
import type { Reference } from './reference.ts';

export interface DropoutAttrs {
  rate: number;
  seed: number;
  layer: number;
  step: number;
}

/** Whether element i is kept, from the seed. The generator has separate tests, with its authors' vectors. */
export function isKept(i: number, { rate, seed, layer, step }: DropoutAttrs): boolean {
  const counter = [Math.floor(i / 4), layer, 3, step] as const;
  const key = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)] as const;
  return philox(counter, key)[i % 4]! / 2 ** 32 >= rate;
}

const applyMask = (a: NdArray, attrs: DropoutAttrs) =>
  map(a, (value, i) => (isKept(i, attrs) ? value / (1 - attrs.rate) : 0));

/** y = x / (1 - rate) if kept, else 0. */
export const dropout: Reference<[x: NdArray], DropoutAttrs> = {
  forward: ([x], attrs) => applyMask(x, attrs),
  backward: (_inputs, _output, dout, attrs) => [applyMask(dout, attrs)],
};
