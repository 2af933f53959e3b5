import { checkOptions } from '../../base/check.ts';
import * as kernels from '../../kernels/resize/resize.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

/**
 * Images in another size: x [N,H,W,C] -> [N,size[0],size[1],C], as `tf.image.resize` and Keras's Resizing do it: pixel
 * centres lie half a pixel in, and nothing is smoothed when images get smaller. `bilinear` (the default) weighs the four
 * pixels around a place, `nearest` takes the one that the place lies in.
 *
 *     y[o] = (1 - t) x[k] + t x[k + 1], k + t = (o + 1/2) H / OH - 1/2 within 0 .. H - 1, along both axes
 *     dx[i] = sum of dy over the places that took from pixel i, by the same weights
 * @param size [height, width] of the result
 * @param options.method `bilinear` (default) or `nearest`
 * @throws ShapeError, ArgumentError
 */
export function resize(
  x: Tensor,
  size: readonly [height: number, width: number],
  options: { method?: kernels.ResizeMethod } = {},
): Tensor {
  const input = arrayOf('resize', 'the input', x);
  checkOptions('resize', options, { method: true });
  const { y, params } = kernels.resize(input, size, options.method ?? 'bilinear');
  return recordOperator(y, [x], (dy, { into }) => [kernels.resizeGrad(dy, params, input.shape, into(0))]);
}
