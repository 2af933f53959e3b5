import avgPoolCode from '../../shaders/avg_pool2d.wgsl';
import avgPoolGradCode from '../../shaders/avg_pool2d_grad.wgsl';
import maxPoolCode from '../../shaders/max_pool2d.wgsl';
import maxPoolGradCode from '../../shaders/max_pool2d_grad.wgsl';
import maxPoolGradDisjointCode from '../../shaders/max_pool2d_grad_disjoint.wgsl';
import { ShapeError } from '../errors.ts';
import { DeviceArray, type Shape, showShape } from './array.ts';
import { checkDType, checkRank, elementwise, output, runKernel } from './run.ts';
import { type Padding, type Pair, pair, slide } from './window.ts';

export interface PoolOptions {
  poolSize: Pair;
  /** Default: `poolSize`, so that windows do not overlap. */
  strides?: Pair;
  padding?: Padding;
}

const NO_DILATION = [1, 1] as const;

/** What the backward pass needs of a max pooling. */
export interface MaxPool {
  y: DeviceArray;
  /** For each output element, where in its image the maximum stood. */
  argmax: DeviceArray;
  params: number[];
  inputShape: Shape;
  /** Windows that neither overlap nor leave gaps between them, which a faster kernel serves. */
  disjoint: boolean;
  pool: [number, number];
}

/** Checked sizes of a pooling, `params` in the order of the shaders' `Params`. @throws ShapeError, ArgumentError */
function plan(operator: string, x: DeviceArray, options: PoolOptions) {
  checkDType(operator, 'the input', x, 'f32');
  checkRank(operator, 'the input', x, 4, 'batch, height, width, channels');
  const [batch, h, w, channels] = x.shape as [number, number, number, number];
  const pool = pair(operator, 'poolSize', options.poolSize);
  const strides = pair(operator, 'strides', options.strides ?? pool);
  const shapes = `input ${showShape(x.shape)}`;
  const { size, pad } = slide(operator, [h, w], pool, strides, NO_DILATION, options.padding ?? 'valid', shapes);
  const params = [batch * x.models, h, w, channels, ...size, ...pool, ...strides, ...pad];
  const columns = batch * x.models * size[1] * channels;
  return { shape: [batch, ...size, channels], params, columns, pool, strides, pad };
}

/**
 * Maximum of each window; the first in row-major order wins a tie, padding takes no part. Memory-bound.
 * @param x [N,H,W,C]
 * @returns y [N,OH,OW,C] with what `maxPool2dGrad` needs
 * @throws ShapeError, ArgumentError
 */
export function maxPool2d(x: DeviceArray, options: PoolOptions): MaxPool {
  const { shape, params, columns, pool, strides, pad } = plan('maxPool2d', x, options);
  const y = output(x.device, shape, x.models);
  const argmax = DeviceArray.empty(x.device, shape, { dtype: 'u32', models: x.models });
  runKernel(x.device, { name: 'max_pool2d', code: maxPoolCode }, params, [x, y, argmax], elementwise(columns));
  const disjoint = pool.every((n, i) => n === strides[i]) && pad.every((n) => n === 0) && options.padding !== 'same';
  return { y, argmax, params, inputShape: x.shape, disjoint, pool };
}

/** Gradient of `maxPool2d`: dy [N,OH,OW,C] -> dx [N,H,W,C], all of it to the element that was the maximum. Memory-bound. */
export function maxPool2dGrad(
  dy: DeviceArray,
  { argmax, params, inputShape, disjoint, pool }: MaxPool,
  into?: DeviceArray,
): DeviceArray {
  const dx = output(dy.device, inputShape, dy.models, into);
  const [batch, h, w, channels] = inputShape as [number, number, number, number];
  const bindings = [dy, argmax, dx];
  if (disjoint) {
    const cells = [Math.ceil(h / pool[0]), Math.ceil(w / pool[1])] as const;
    runKernel(
      dy.device,
      { name: 'max_pool2d_grad_disjoint', code: maxPoolGradDisjointCode },
      [...params.slice(0, 8), ...cells],
      bindings,
      elementwise(batch * dy.models * cells[1] * channels),
    );
  } else {
    const columns = batch * dy.models * w * channels;
    const source = { name: 'max_pool2d_grad', code: maxPoolGradCode };
    runKernel(dy.device, source, params, bindings, elementwise(columns));
  }
  return dx;
}

/** What the backward pass needs of an average pooling. */
export interface AvgPool {
  y: DeviceArray;
  params: number[];
  inputShape: Shape;
}

/**
 * Mean of each window; padding is not counted, as in TensorFlow. Memory-bound.
 * @param x [N,H,W,C]
 * @returns y [N,OH,OW,C] with what `avgPool2dGrad` needs
 * @throws ShapeError, ArgumentError
 */
export function avgPool2d(x: DeviceArray, options: PoolOptions, operator = 'avgPool2d'): AvgPool {
  const { shape, params, columns } = plan(operator, x, options);
  const y = output(x.device, shape, x.models);
  runKernel(x.device, { name: 'avg_pool2d', code: avgPoolCode }, params, [x, y], elementwise(columns));
  return { y, params, inputShape: x.shape };
}

/** Gradient of `avgPool2d`: dy [N,OH,OW,C] -> dx [N,H,W,C], a share to every pixel of the window. Memory-bound. */
export function avgPool2dGrad(dy: DeviceArray, { params, inputShape }: AvgPool, into?: DeviceArray): DeviceArray {
  const dx = output(dy.device, inputShape, dy.models, into);
  const [batch, , w, channels] = inputShape as [number, number, number, number];
  const source = { name: 'avg_pool2d_grad', code: avgPoolGradCode };
  runKernel(dy.device, source, params, [dy, dx], elementwise(batch * dy.models * w * channels));
  return dx;
}

/**
 * Mean over all pixels, as one window of the image's size. Memory-bound.
 * @param x [N,H,W,C]
 * @returns y [N,C]
 * @throws ShapeError also for an image without pixels
 */
export function globalAveragePool2d(x: DeviceArray): AvgPool {
  const operator = 'globalAveragePool2d';
  checkRank(operator, 'the input', x, 4, 'batch, height, width, channels');
  const [batch, h, w, channels] = x.shape as [number, number, number, number];
  if (h === 0 || w === 0) {
    throw new ShapeError(`${operator}: an image without pixels has no mean (input ${showShape(x.shape)})`);
  }
  const pool = avgPool2d(x, { poolSize: [h, w] }, operator);
  const y = pool.y.reshaped([batch, channels]);
  pool.y.dispose();
  return { ...pool, y };
}
