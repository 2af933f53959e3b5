import { checkShape } from '../check.ts';
import type { Shape } from '../kernels/array.ts';
import { arrayOf } from './arguments.ts';
import { taped } from './tape.ts';
import type { Tensor } from './tensor.ts';

/** The same elements in row-major order under another shape; no copy. `dx = dy` reshaped back. @throws ShapeError, ArgumentError */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const array = arrayOf('reshape', 'the input', x);
  checkShape('reshape', shape);
  return taped(array.reshaped(shape), [x], (dy) => [dy.reshaped(x.shape)]);
}
