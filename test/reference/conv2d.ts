import { type Activation, activate, activationGrad } from './activation.ts';
import { biasAdd, biasGrad } from './elementwise.ts';
import { type NdArray, ndarray, zerosLike } from './ndarray.ts';
import type { Reference } from './reference.ts';
import { type Padding, type Pair, pair, windowAxis } from './window.ts';

export interface Conv2dAttrs {
  strides?: Pair;
  padding?: Padding;
  dilation?: Pair;
  activation?: Activation;
  negativeSlope?: number;
}

type Inputs = [x: NdArray, filter: NdArray, bias?: NdArray];

function geometry(x: NdArray, filter: NdArray, attrs: Conv2dAttrs) {
  const [n = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [kernelHeight = 0, kernelWidth = 0, , units = 0] = filter.shape;
  const [strideY, strideX] = pair(attrs.strides ?? 1);
  const [dilationY, dilationX] = pair(attrs.dilation ?? 1);
  const padding = attrs.padding ?? 'valid';
  const y = windowAxis(height, kernelHeight, strideY, dilationY, padding);
  const x_ = windowAxis(width, kernelWidth, strideX, dilationX, padding);
  return {
    n,
    height,
    width,
    channels,
    kernelHeight,
    kernelWidth,
    units,
    strideY,
    strideX,
    dilationY,
    dilationX,
    y,
    x: x_,
  };
}

/**
 * Calls `visit` for every (output pixel, filter tap) pair whose input pixel is inside the image, with three offsets: of the input pixel's
 * channels, of the filter's [channels, units] plane, and of the output pixel's units.
 */
function eachTap(g: ReturnType<typeof geometry>, visit: (xAt: number, filterAt: number, outAt: number) => void): void {
  for (let n = 0; n < g.n; n++) {
    for (let oy = 0; oy < g.y.output; oy++) {
      for (let ox = 0; ox < g.x.output; ox++) {
        const outAt = ((n * g.y.output + oy) * g.x.output + ox) * g.units;
        for (let ky = 0; ky < g.kernelHeight; ky++) {
          const iy = oy * g.strideY + ky * g.dilationY - g.y.before;
          if (iy < 0 || iy >= g.height) continue;
          for (let kx = 0; kx < g.kernelWidth; kx++) {
            const ix = ox * g.strideX + kx * g.dilationX - g.x.before;
            if (ix < 0 || ix >= g.width) continue;
            const xAt = ((n * g.height + iy) * g.width + ix) * g.channels;
            visit(xAt, (ky * g.kernelWidth + kx) * g.channels * g.units, outAt);
          }
        }
      }
    }
  }
}

/** y without the activation. */
function beforeActivation([x, filter, bias]: Inputs, attrs: Conv2dAttrs): NdArray {
  const g = geometry(x, filter, attrs);
  const z = ndarray([g.n, g.y.output, g.x.output, g.units]);
  eachTap(g, (xAt, filterAt, outAt) => {
    for (let c = 0; c < g.channels; c++) {
      const value = x.data[xAt + c]!;
      for (let u = 0; u < g.units; u++) z.data[outAt + u]! += value * filter.data[filterAt + c * g.units + u]!;
    }
  });
  return bias ? biasAdd.forward([z, bias], {}) : z;
}

/** y[n,oy,ox,u] = activation(bias[u] + sum_{ky,kx,c} x[n, oy*s + ky*d - pad, ox*s + kx*d - pad, c] filter[ky,kx,c,u]) */
export const conv2d: Reference<Inputs, Conv2dAttrs> = {
  forward: (inputs, attrs) => activate(beforeActivation(inputs, attrs), attrs.activation, attrs.negativeSlope),

  /**
   * dz = activation'(z) dy. Every product x * filter in z adds filter * dz to dx and x * dz to dfilter; dbias = sum of dz over images and
   * pixels.
   */
  backward(inputs, output, dout, attrs) {
    const [x, filter, bias] = inputs;
    const g = geometry(x, filter, attrs);
    const z = attrs.activation ? beforeActivation(inputs, attrs) : output;
    const dz = activationGrad(z, output, dout, attrs.activation, attrs.negativeSlope);
    const dx = zerosLike(x);
    const dfilter = zerosLike(filter);
    eachTap(g, (xAt, filterAt, outAt) => {
      for (let c = 0; c < g.channels; c++) {
        for (let u = 0; u < g.units; u++) {
          const weightAt = filterAt + c * g.units + u;
          dx.data[xAt + c]! += filter.data[weightAt]! * dz.data[outAt + u]!;
          dfilter.data[weightAt]! += x.data[xAt + c]! * dz.data[outAt + u]!;
        }
      }
    });
    return bias ? [dx, dfilter, biasGrad(dz, bias)] : [dx, dfilter];
  },
};
