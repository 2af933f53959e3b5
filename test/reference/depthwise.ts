import { biasAdd, biasGrad } from './elementwise.ts';
import { type NdArray, ndarray, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';
import { type Padding, type Pair, pair, windowAxis } from './window.ts';

export interface DepthwiseAttrs {
  strides?: Pair;
  padding?: Padding;
  dilation?: Pair;
}

type Inputs = [x: NdArray, filter: NdArray, bias?: NdArray];

/** Returns the output shape, and calls `visit` with the three offsets of every product in the sums. */
function eachProduct(
  x: NdArray,
  filter: NdArray,
  attrs: DepthwiseAttrs,
  visit: (xAt: number, filterAt: number, outAt: number) => void,
): number[] {
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [kernelHeight = 0, kernelWidth = 0, , multiplier = 0] = filter.shape;
  const [strideY, strideX] = pair(attrs.strides ?? 1);
  const [dilationY, dilationX] = pair(attrs.dilation ?? 1);
  const rows = windowAxis(height, kernelHeight, strideY, dilationY, attrs.padding ?? 'valid');
  const columns = windowAxis(width, kernelWidth, strideX, dilationX, attrs.padding ?? 'valid');
  const shape = [batch, rows.output, columns.output, channels * multiplier];
  for (let n = 0; n < batch; n++) {
    for (let oy = 0; oy < rows.output; oy++) {
      for (let ox = 0; ox < columns.output; ox++) {
        const out = ((n * rows.output + oy) * columns.output + ox) * channels * multiplier;
        for (let ky = 0; ky < kernelHeight; ky++) {
          const iy = oy * strideY + ky * dilationY - rows.before;
          if (iy < 0 || iy >= height) continue;
          for (let kx = 0; kx < kernelWidth; kx++) {
            const ix = ox * strideX + kx * dilationX - columns.before;
            if (ix < 0 || ix >= width) continue;
            for (let c = 0; c < channels; c++) {
              for (let m = 0; m < multiplier; m++) {
                visit(
                  ((n * height + iy) * width + ix) * channels + c,
                  ((ky * kernelWidth + kx) * channels + c) * multiplier + m,
                  out + c * multiplier + m,
                );
              }
            }
          }
        }
      }
    }
  }
  return shape;
}

/** y[n,oy,ox,c*M+m] = bias[c*M+m] + sum_{ky,kx} x[n, oy*s + ky*d - pad, ox*s + kx*d - pad, c] filter[ky,kx,c,m] */
export const depthwiseConv2d: Reference<Inputs, DepthwiseAttrs> = {
  forward([x, filter, bias], attrs) {
    const y = ndarray(eachProduct(x, filter, attrs, () => {}));
    eachProduct(x, filter, attrs, (xAt, filterAt, outAt) => {
      y.data[outAt]! += x.data[xAt]! * filter.data[filterAt]!;
    });
    return bias ? biasAdd.forward([y, bias], {}) : y;
  },

  /** Every product x * filter in y adds filter * dy to dx and x * dy to dfilter. */
  backward([x, filter, bias], _output, dout, attrs) {
    const dx = zerosLike(x);
    const dfilter = zerosLike(filter);
    eachProduct(x, filter, attrs, (xAt, filterAt, outAt) => {
      dx.data[xAt]! += filter.data[filterAt]! * dout.data[outAt]!;
      dfilter.data[filterAt]! += x.data[xAt]! * dout.data[outAt]!;
    });
    return bias ? [dx, dfilter, biasGrad(dout, bias)] : [dx, dfilter];
  },
};
