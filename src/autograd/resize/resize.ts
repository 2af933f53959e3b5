import { checkOptions } from '../../base/check.ts';
import * as kernels from '../../kernels/resize/resize.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

/**
 * Resizes images: x [N,H,W,C] -> [N,size[0],size[1],C], as `tf.image.resize` and Keras's Resizing: with half-pixel
 * centers, and without antialiasing when images get smaller. `bilinear` (the default) weights the four
 * nearest pixels; `nearest` takes the pixel that contains the position.
 *
 *     y[o] = (1 - t) x[k] + t x[k + 1], k + t = (o + 1/2) H / OH - 1/2 within 0 .. H - 1, along both axes
 *     dx[i] = sum of dy over the output pixels that read pixel i, with the same weights
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
