import { type NdArray, ndarray, sizeOf, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';
import { type Padding, type Pair, pair, windowAxis } from './window.ts';

export interface PoolAttrs {
  poolSize: Pair;
  strides?: Pair;
  padding?: Padding;
}

/**
 * For each output cell, the offset in `x` of its maximum: the first NaN if there is one, else the first of equal maxima in row-major
 * order. Cells outside the image are ignored.
 */
function argmax(x: NdArray, attrs: PoolAttrs): { shape: number[]; at: Int32Array } {
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
export const maxPool2d: Reference<[x: NdArray], PoolAttrs> = {
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

/** Calls `visit` with each output cell and the offsets in `x` of the pixels of its window that are inside the image. */
function eachWindow(x: NdArray, attrs: PoolAttrs, visit: (cell: number, pixels: number[]) => void): number[] {
  const [n = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [poolHeight, poolWidth] = pair(attrs.poolSize);
  const [strideY, strideX] = pair(attrs.strides ?? attrs.poolSize);
  const padding = attrs.padding ?? 'valid';
  const y = windowAxis(height, poolHeight, strideY, 1, padding);
  const x_ = windowAxis(width, poolWidth, strideX, 1, padding);
  const shape = [n, y.output, x_.output, channels];
  for (let cell = 0; cell < sizeOf(shape); cell++) {
    const c = cell % channels;
    const ox = Math.floor(cell / channels) % x_.output;
    const oy = Math.floor(cell / (channels * x_.output)) % y.output;
    const image = Math.floor(cell / (channels * x_.output * y.output));
    const pixels: number[] = [];
    for (let ky = 0; ky < poolHeight; ky++) {
      for (let kx = 0; kx < poolWidth; kx++) {
        const iy = oy * strideY + ky - y.before;
        const ix = ox * strideX + kx - x_.before;
        if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
        pixels.push(((image * height + iy) * width + ix) * channels + c);
      }
    }
    visit(cell, pixels);
  }
  return shape;
}

/** y[n,oy,ox,c] = mean of x over the pixels of the window that are inside the image; padding does not count. */
export const avgPool2d: Reference<[x: NdArray], PoolAttrs> = {
  forward([x], attrs) {
    const means: number[] = [];
    const shape = eachWindow(x, attrs, (_cell, pixels) => {
      means.push(pixels.reduce((sum, i) => sum + x.data[i]!, 0) / pixels.length);
    });
    return ndarray(shape, means);
  },

  /** dx of each pixel of a window of k pixels: dout / k. */
  backward([x], _output, dout, attrs) {
    const dx = zerosLike(x);
    eachWindow(x, attrs, (cell, pixels) => {
      for (const i of pixels) dx.data[i]! += dout.data[cell]! / pixels.length;
    });
    return [dx];
  },
};

/** y[n,c] = mean of x[n,h,w,c] over h and w. */
export const globalAveragePool2d: Reference<[x: NdArray]> = {
  forward([x]) {
    const [n = 0, height = 0, width = 0, channels = 0] = x.shape;
    const y = ndarray([n, channels]);
    x.data.forEach((value, i) => {
      const image = Math.floor(i / (height * width * channels));
      y.data[image * channels + (i % channels)]! += value / (height * width);
    });
    return y;
  },

  /** dx = dout / (H W). */
  backward([x], _output, dout) {
    const [, height = 0, width = 0, channels = 0] = x.shape;
    const resultIndex = (i: number) => Math.floor(i / (height * width * channels)) * channels + (i % channels);
    return [
      ndarray(
        x.shape,
        x.data.map((_, i) => dout.data[resultIndex(i)]! / (height * width)),
      ),
    ];
  },
};
