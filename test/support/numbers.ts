import { Flatten, type Numbers, Sequential } from '../../src/node.ts';

/** Nested lists of this shape, with the numbers from 0 on in row-major order. */
export function nested(shape: readonly number[], from = 0): Numbers {
  const [length = 0, ...rest] = shape;
  const size = rest.reduce((product, n) => product * n, 1);
  return Array.from({ length }, (_, i) => (rest.length > 0 ? nested(rest, from + i * size) : from + i)) as Numbers;
}
export const row = (size: number) => Float32Array.from({ length: size }, (_, i) => i);

/** A model that returns its samples unchanged. */
export const identityModel = (inputShape: number[]) => new Sequential([new Flatten({ inputShape })]);
