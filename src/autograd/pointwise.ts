import * as kernels from '../kernels/pointwise.ts';
import { arrayOf } from './arguments.ts';
import { taped } from './tape.ts';
import type { Tensor } from './tensor.ts';

/** a + b of one shape. `da = db = dy`. @throws ShapeError, ArgumentError */
export function add(a: Tensor, b: Tensor): Tensor {
  const y = kernels.add(arrayOf('add', 'the left tensor', a), arrayOf('add', 'the right tensor', b));
  return taped(y, [a, b], (dy) => [dy, dy]);
}

/** max(x, 0). `dx = dy where x > 0`: at 0 the gradient is 0, as in every framework. @throws ArgumentError */
export function relu(x: Tensor): Tensor {
  const y = kernels.relu(arrayOf('relu', 'the input', x));
  return taped(y, [x], (dy, { into }) => [kernels.reluGrad(y, dy, into(0))]);
}
