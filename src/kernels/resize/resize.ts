import resizeCode from '../../../shaders/resize/resize.wgsl';
import resizeAxisCode from '../../../shaders/resize/resize_axis.wgsl';
import resizeGradCode from '../../../shaders/resize/resize_grad.wgsl';
import { formatValue, readList } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type DeviceArray, type Shape, showShape } from '../array.ts';
import { withLongSums } from '../reduce/long-sums.ts';
import { checkDType, checkRank, elementwiseWorkgroups, output, runKernel, vectorized } from '../run.ts';

const METHODS = ['bilinear', 'nearest'] as const;
export type ResizeMethod = (typeof METHODS)[number];

/** Most source times target pixels along an axis: positions beyond do not fit into the kernels' integers. */
const MAX_POSITIONS = 2 ** 30;

/**
 * Resizes images, with half-pixel centers as in TensorFlow 2 and Keras. Memory-bound.
 * @param x [N,H,W,C]
 * @returns y [N,size[0],size[1],C] with the parameters that `resizeGrad` needs
 * @throws ShapeError, ArgumentError
 */
export function resize(
  x: DeviceArray,
  size: readonly [height: number, width: number],
  method: ResizeMethod,
): { y: DeviceArray; params: number[] } {
  const operator = 'resize';
  checkDType(operator, 'the input', x, 'f32');
  checkRank(operator, 'the input', x, 4, 'batch, height, width, channels');
  const isSize = (n: unknown) => Number.isInteger(n) && (n as number) > 0;
  const sizes = readList(operator, size);
  if (sizes?.length !== 2 || !sizes.every(isSize)) {
    throw new ArgumentError(
      `${operator}: size must be [height, width], both positive integers, but is ${formatValue(size)}`,
    );
  }
  if (!METHODS.includes(method)) {
    throw new ArgumentError(`${operator}: method must be one of ${METHODS.join(', ')}, but is ${formatValue(method)}`);
  }
  const [batch, h, w, channels] = x.shape as [number, number, number, number];
  const [toH, toW] = sizes as [number, number];
  if (h === 0 || w === 0 || h * toH > MAX_POSITIONS || w * toW > MAX_POSITIONS) {
    throw new ShapeError(`${operator}: cannot resize images of ${showShape(x.shape)} to ${showShape([toH, toW])}`);
  }
  const y = output(x.device, [batch, toH, toW, channels], x.replicas);
  const params = [batch * x.replicas, h, w, channels, toH, toW, method === 'nearest' ? 1 : 0];
  const source = { name: 'resize', code: resizeAxisCode + resizeCode };
  runKernel(x.device, source, params, [x, y], elementwiseWorkgroups(batch * x.replicas * toW * channels));
  return { y, params };
}

/** Gradient of `resize`: each pixel sums the gradients of the output pixels that it contributed to. Memory-bound. */
export function resizeGrad(dy: DeviceArray, params: readonly number[], shape: Shape, into?: DeviceArray): DeviceArray {
  const dx = output(dy.device, shape, dy.replicas, into);
  const [batch, height, width, channels, toHeight, toWidth] = params as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  // Most output pixels along an axis that one pixel contributes to.
  const maxTerms = Math.max((2 * toHeight) / height, (2 * toWidth) / width);
  const source = withLongSums(vectorized('resize_grad', resizeAxisCode + resizeGradCode, 1), maxTerms);
  runKernel(dy.device, source, params, [dy, dx], elementwiseWorkgroups(batch * width * channels));
  return dx;
}
