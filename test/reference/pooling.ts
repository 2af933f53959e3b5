import { type NdArray, ndarray, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';
import { type Padding, type Pair, pair, windowAxis } from './window.ts';

export interface MaxPool2dAttrs {
  poolSize: Pair;
  strides?: Pair;
  padding?: Padding;
}

/**
 * For each output cell, the offset in `x` of its maximum: the first in row-major order among equals, and the first NaN
 * before anything else. Cells outside the image do not take part.
 */
function argmax(x: NdArray, attrs: MaxPool2dAttrs): { shape: number[]; at: Int32Array } {
  const [n = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [poolHeight, poolWidth] = pair(attrs.poolSize);
  const [strideY, strideX] = pair(attrs.strides ?? attrs.poolSize);
  const padding = attrs.padding ?? 'valid';
  const y = windowAxis(height, poolHeight, strideY, 1, padding);
  const x_ = windowAxis(width, poolWidth, strideX, 1, padding);
  const shape = [n, y.output, x_.output, channels];
  const at = new Int32Array(n * y.output * x_.output * channels);
  let cell = 0;
  for (let image = 0; image < n; image++) {
    for (let oy = 0; oy < y.output; oy++) {
      for (let ox = 0; ox < x_.output; ox++) {
        for (let c = 0; c < channels; c++) {
          let best = -1;
          for (let ky = 0; ky < poolHeight; ky++) {
            for (let kx = 0; kx < poolWidth; kx++) {
              const iy = oy * strideY + ky - y.before;
              const ix = ox * strideX + kx - x_.before;
              if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
              const here = ((image * height + iy) * width + ix) * channels + c;
              const value = x.data[here]!;
              const isFirstNaN = Number.isNaN(value) && !Number.isNaN(x.data[best]);
              if (best < 0 || value > x.data[best]! || isFirstNaN) best = here;
            }
          }
          at[cell++] = best;
        }
      }
    }
  }
  return { shape, at };
}

/** y[n,oy,ox,c] = max over the window of x[n, oy*s + ky - pad, ox*s + kx - pad, c]; NaN in the window gives NaN. */
export const maxPool2d: Reference<[x: NdArray], MaxPool2dAttrs> = {
  forward([x], attrs) {
    const { shape, at } = argmax(x, attrs);
    return ndarray(
      shape,
      Array.from(at, (i) => x.data[i]!),
    );
  },

  /** dx[i] = sum of dout over the windows whose (first) maximum is x[i]. */
  backward([x], _output, dout, attrs) {
    const dx = zerosLike(x);
    argmax(x, attrs).at.forEach((i, cell) => {
      dx.data[i]! += dout.data[cell]!;
    });
    return [dx];
  },
};
