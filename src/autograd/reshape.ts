import { show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import type { Shape } from '../kernels/array.ts';
import { arrayOf } from './arguments.ts';
import { taped } from './tape.ts';
import type { Tensor } from './tensor.ts';

/** The same elements in row-major order under another shape; no copy. `dx = dy` reshaped back. @throws ShapeError, ArgumentError */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const array = arrayOf('reshape', 'the input', x);
  if (!Array.isArray(shape) || !shape.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ArgumentError(`reshape: a shape is a list of integers from 0 up, but ${show(shape)} was given`);
  }
  return taped(array.reshaped(shape), [x], (dy) => [dy.reshaped(x.shape)]);
}
