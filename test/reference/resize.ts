import { type NdArray, ndarray, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';

export interface ResizeAttrs {
  size: readonly [number, number];
  method?: 'bilinear' | 'nearest';
}

/** The input pixels of output pixel o along one axis, with their weights, without those of weight 0. */
function taps(o: number, length: number, size: number, method = 'bilinear'): [pixel: number, weight: number][] {
  if (method === 'nearest') return [[Math.floor(((o + 0.5) * length) / size), 1]];
  const place = ((o + 0.5) * length) / size - 0.5;
  const inside = Math.min(Math.max(place, 0), length - 1);
  const low = Math.floor(inside);
  const part = inside - low;
  return part === 0
    ? [[low, 1]]
    : [
        [low, 1 - part],
        [low + 1, part],
      ];
}

/** Calls f for each pair of an element of y and one of its inputs in x. */
function forEachTap(
  x: NdArray,
  { size, method }: ResizeAttrs,
  f: (to: number, from: number, weight: number) => void,
): void {
  const [n = 0, h = 0, w = 0, channels = 0] = x.shape;
  for (let image = 0; image < n; image++) {
    for (let oy = 0; oy < size[0]; oy++) {
      for (let ox = 0; ox < size[1]; ox++) {
        for (const [iy, down] of taps(oy, h, size[0], method)) {
          for (const [ix, across] of taps(ox, w, size[1], method)) {
            for (let c = 0; c < channels; c++) {
              const to = ((image * size[0] + oy) * size[1] + ox) * channels + c;
              f(to, ((image * h + iy) * w + ix) * channels + c, down * across);
            }
          }
        }
      }
    }
  }
}

/** y = weighted sum of the pixels around the position, with half-pixel centers; dx uses the transposed weights. */
export const resize: Reference<[x: NdArray], ResizeAttrs> = {
  forward([x], attrs) {
    const y = ndarray([x.shape[0]!, ...attrs.size, x.shape[3]!]);
    forEachTap(x, attrs, (to, from, weight) => {
      y.data[to]! += weight * x.data[from]!;
    });
    return y;
  },
  backward([x], _output, dout, attrs) {
    const dx = zerosLike(x);
    forEachTap(x, attrs, (to, from, weight) => {
      dx.data[from]! += weight * dout.data[to]!;
    });
    return [dx];
  },
};
