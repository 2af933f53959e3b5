import { checkOptions } from '../check.ts';
import * as kernels from '../kernels/pooling.ts';
import { arrayOf } from './arguments.ts';
import { taped } from './tape.ts';
import type { Tensor } from './tensor.ts';

/**
 * Maximum of each window: x [N,H,W,C] -> [N,OH,OW,C].
 *
 *     dx = dy at the window's maximum, 0 elsewhere; of equal maxima the first in row-major order gets all, as in TensorFlow
 * @throws ShapeError, ArgumentError
 */
export function maxPool2d(x: Tensor, options: kernels.PoolOptions): Tensor {
  checkOptions('maxPool2d', options);
  const pool = kernels.maxPool2d(arrayOf('maxPool2d', 'the input', x), options);
  return taped(pool.y, [x], (dy, { into }) => [kernels.maxPool2dGrad(dy, pool, into(0))]);
}
