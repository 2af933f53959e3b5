import { ShapeError } from '../errors.ts';
import { showShape } from '../kernels/array.ts';
import { spread } from '../kernels/pointwise.ts';
import { sumAll } from '../kernels/reduce.ts';
import { arrayOf } from './arguments.ts';
import { taped } from './tape.ts';
import type { Tensor } from './tensor.ts';

/** Sum of all elements -> []. `dx = dy` everywhere. @throws ArgumentError */
export function sum(x: Tensor): Tensor {
  return taped(sumAll('sum', arrayOf('sum', 'the input', x)), [x], (dy, { into }) => [spread(dy, x.shape, 1, into(0))]);
}

/** Mean of all elements -> []. `dx = dy / n` everywhere. @throws ShapeError for an empty tensor, ArgumentError */
export function mean(x: Tensor): Tensor {
  const input = arrayOf('mean', 'the input', x);
  if (x.size === 0) throw new ShapeError(`mean: an empty tensor has no mean (shape ${showShape(x.shape)})`);
  return taped(sumAll('mean', input, 1 / x.size), [x], (dy, { into }) => [spread(dy, x.shape, 1 / x.size, into(0))]);
}
