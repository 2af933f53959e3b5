import avgPoolCode from '../../../shaders/pool/avg_pool2d.wgsl';
import avgPoolGradCode from '../../../shaders/pool/avg_pool2d_grad.wgsl';
import maxPoolCode from '../../../shaders/pool/max_pool2d.wgsl';
import maxPoolGradCode from '../../../shaders/pool/max_pool2d_grad.wgsl';
import maxPoolGradDisjointCode from '../../../shaders/pool/max_pool2d_grad_disjoint.wgsl';
import { ShapeError } from '../../base/errors.ts';
import { DeviceArray, type Shape, showShape } from '../array.ts';
import { withFloatBits } from '../float-bits.ts';
import { withLongSums } from '../reduce/long-sums.ts';
import { reduceMiddle } from '../reduce/reduce-variants.ts';
import {
  checkDType,
  checkRank,
  elementwiseWorkgroups,
  output,
  runKernel,
  type VectorWidth,
  vectorized,
  vectorWidthFor,
} from '../run.ts';
import { checkPair, type Padding, type Pair, slideWindow } from '../window.ts';

// Pooling needs no variant with workgroup memory or subgroups. Disjoint windows share no value, and if windows overlap, the cache holds
// the few rows that neighbors share. Neighboring invocations compute neighboring channels, which are contiguous in memory. Only the mean
// of a whole image is a long sum for few invocations; it is computed as a reduction (reduce.ts).

/**
 * How a window moves over an image.
 * @inline
 */
export interface PoolOptions {
  /** Size of the window in pixels. */
  poolSize: Pair;
  /** Default: `poolSize`, so that windows do not overlap. */
  strides?: Pair;
  /** 'same' as TensorFlow has it: extra padding at the end. Default 'valid'. */
  padding?: Padding;
}

const NO_DILATION = [1, 1] as const;

/** The result of a max pooling, with the values that its gradient needs. */
export interface MaxPool {
  y: DeviceArray;
  /** u32, for each output element: index of the maximum in its image. */
  argmax: DeviceArray;
  params: number[];
  vectorWidth: VectorWidth;
  inputShape: Shape;
  /** Whether windows neither overlap nor leave gaps; a faster gradient kernel requires it. */
  disjoint: boolean;
  pool: [number, number];
  /** Most windows that contain one pixel. */
  overlap: number;
  /** Floating-point operations of the pooling, and of its gradient. */
  flops: number;
}

/** Checked sizes of a pooling, `params` in the order of the shaders' `Params`. @throws ShapeError, ArgumentError */
function plan(operator: string, x: DeviceArray, options: PoolOptions) {
  checkDType(operator, 'the input', x, 'f32');
  checkRank(operator, 'the input', x, 4, 'batch, height, width, channels');
  const [batch, h, w, channels] = x.shape as [number, number, number, number];
  const pool = checkPair(operator, 'poolSize', options.poolSize);
  const strides = checkPair(operator, 'strides', options.strides ?? pool);
  const shapes = `input ${showShape(x.shape)}`;
  const { size, pad } = slideWindow(operator, [h, w], pool, strides, NO_DILATION, options.padding ?? 'valid', shapes);
  const vectorWidth = vectorWidthFor(channels);
  const params = [batch * x.replicas, h, w, channels / vectorWidth, ...size, ...pool, ...strides, ...pad];
  const columns = (batch * x.replicas * size[1] * channels) / vectorWidth;
  // One comparison or addition for each element of each window; the gradient needs about as many.
  const flops = columns * vectorWidth * size[0] * pool[0] * pool[1];
  // Most windows that contain one pixel.
  const overlap = Math.ceil(pool[0] / strides[0]) * Math.ceil(pool[1] / strides[1]);
  return { shape: [batch, ...size, channels], params, columns, vectorWidth, pool, strides, pad, overlap, flops };
}

/**
 * Maximum of each window; of equal values, the first in row-major order. Padding is ignored. Memory-bound.
 * @param x [N,H,W,C]
 * @returns y [N,OH,OW,C] with what `maxPool2dGrad` needs
 * @throws ShapeError, ArgumentError
 */
export function maxPool2d(x: DeviceArray, options: PoolOptions): MaxPool {
  const { shape, params, columns, vectorWidth, pool, strides, pad, overlap, flops } = plan('maxPool2d', x, options);
  const y = output(x.device, shape, x.replicas);
  const argmax = DeviceArray.empty(x.device, shape, { dtype: 'u32', replicas: x.replicas });
  const inside = (d: 0 | 1) => pad[d] === 0 && (shape[d + 1]! - 1) * strides[d] + pool[d] <= x.shape[d + 1]!;
  const twoByTwo = pool[0] === 2 && pool[1] === 2 && inside(0) && inside(1);
  const source = {
    ...withFloatBits(vectorized('max_pool2d', maxPoolCode, vectorWidth), 'Value'),
    constants: { TWO_BY_TWO: twoByTwo ? 1 : 0 },
  };
  runKernel(x.device, source, params, [x, y, argmax], elementwiseWorkgroups(columns), { flops });
  const disjoint = pool.every((n, i) => n === strides[i]) && pad.every((n) => n === 0) && options.padding !== 'same';
  return { y, argmax, params, vectorWidth, inputShape: x.shape, disjoint, pool, overlap, flops };
}

/**
 * Gradient of `maxPool2d`: dy [N,OH,OW,C] -> dx [N,H,W,C], dy goes to the element that was the maximum. If `inputIsRelu`, the
 * input of the pooling was the output of a ReLU, and dx is the gradient before that ReLU. Memory-bound.
 */
export function maxPool2dGrad(
  dy: DeviceArray,
  { y, argmax, params, vectorWidth, inputShape, disjoint, pool, overlap, flops }: MaxPool,
  { into, inputIsRelu = false }: { into?: DeviceArray; inputIsRelu?: boolean } = {},
): DeviceArray {
  const dx = output(dy.device, inputShape, dy.replicas, into);
  const [batch, h, w, channels] = inputShape as [number, number, number, number];
  const bindings = [dy, argmax, y, dx];
  const flags = [inputIsRelu ? 1 : 0];
  // If the input is not from a ReLU, y is bound but not read.
  const cost = { flops, bytes: 4 * dy.replicas * ((inputIsRelu ? 3 : 2) * dy.size + dx.size) };
  if (disjoint) {
    const cells = [Math.ceil(h / pool[0]), Math.ceil(w / pool[1])] as const;
    const even = pool[0] === 2 && pool[1] === 2 && h % 2 === 0 && w % 2 === 0;
    runKernel(
      dy.device,
      {
        ...withFloatBits(vectorized('max_pool2d_grad_disjoint', maxPoolGradDisjointCode, vectorWidth), 'Value'),
        constants: { TWO_BY_TWO: even ? 1 : 0 },
      },
      [...params.slice(0, 8), ...cells, ...flags],
      bindings,
      elementwiseWorkgroups((batch * dy.replicas * cells[1] * channels) / vectorWidth),
      cost,
    );
  } else {
    const columns = (batch * dy.replicas * w * channels) / vectorWidth;
    const source = withFloatBits(
      withLongSums(vectorized('max_pool2d_grad', maxPoolGradCode, vectorWidth), overlap),
      'Value',
    );
    runKernel(dy.device, source, [...params, ...flags], bindings, elementwiseWorkgroups(columns), cost);
  }
  return dx;
}

/** The result of an average pooling, with the values that its gradient needs. */
export interface AvgPool {
  y: DeviceArray;
  params: number[];
  vectorWidth: VectorWidth;
  inputShape: Shape;
  /** Most windows that contain one pixel. */
  overlap: number;
  /** Floating-point operations of the pooling, and of its gradient. */
  flops: number;
}

/**
 * Mean of each window; padding is not counted, as in TensorFlow. Memory-bound.
 * @param x [N,H,W,C]
 * @returns y [N,OH,OW,C] with what `avgPool2dGrad` needs
 * @throws ShapeError, ArgumentError
 */
export function avgPool2d(x: DeviceArray, options: PoolOptions): AvgPool {
  const { shape, params, columns, vectorWidth, pool, overlap, flops } = plan('avgPool2d', x, options);
  const y = output(x.device, shape, x.replicas);
  const source = withLongSums(vectorized('avg_pool2d', avgPoolCode, vectorWidth), pool[0] * pool[1]);
  runKernel(x.device, source, params, [x, y], elementwiseWorkgroups(columns), { flops });
  return { y, params, vectorWidth, inputShape: x.shape, overlap, flops };
}

/** Gradient of `avgPool2d`: dy [N,OH,OW,C] -> dx [N,H,W,C], spread evenly over the pixels of each window. Memory-bound. */
export function avgPool2dGrad(dy: DeviceArray, pool: AvgPool, into?: DeviceArray): DeviceArray {
  const { params, vectorWidth, inputShape, overlap, flops } = pool;
  const dx = output(dy.device, inputShape, dy.replicas, into);
  const [batch, , w, channels] = inputShape as [number, number, number, number];
  const source = withLongSums(vectorized('avg_pool2d_grad', avgPoolGradCode, vectorWidth), overlap);
  const workgroups = elementwiseWorkgroups((batch * dy.replicas * w * channels) / vectorWidth);
  runKernel(dy.device, source, params, [dy, dx], workgroups, { flops });
  return dx;
}

/**
 * Mean over all pixels. Its gradient is that of one window of the image's size. Memory-bound.
 * @param x [N,H,W,C]
 * @returns y [N,C]
 * @throws ShapeError, also for an image without pixels
 */
export function globalAveragePool2d(x: DeviceArray): AvgPool {
  const operator = 'globalAveragePool2d';
  checkRank(operator, 'the input', x, 4, 'batch, height, width, channels');
  const [batch, h, w, channels] = x.shape as [number, number, number, number];
  if (h === 0 || w === 0) {
    throw new ShapeError(`${operator}: an image without pixels has no mean (input ${showShape(x.shape)})`);
  }
  const { params, vectorWidth, overlap, flops } = plan(operator, x, { poolSize: [h, w] });
  const y = output(x.device, [batch, channels], x.replicas);
  const layout = { outer: x.replicas * batch, rows: h * w, channels };
  reduceMiddle('reduceSum', x, layout, y, { factor: 1 / (h * w) });
  return { y, params, vectorWidth, inputShape: x.shape, overlap, flops };
}
