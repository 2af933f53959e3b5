import * as kernels from '../kernels/pointwise.ts';
import { taped } from './tape.ts';
import type { Tensor } from './tensor.ts';

/** a + b of one shape. `da = db = dy`. @throws ShapeError, ArgumentError */
export function add(a: Tensor, b: Tensor): Tensor {
  return taped(kernels.add(a.array, b.array), [a, b], (dy) => [dy, dy]);
}

/** max(x, 0). `dx = dy where x > 0`: at 0 the gradient is 0, as in every framework. @throws ArgumentError */
export function relu(x: Tensor): Tensor {
  const y = kernels.relu(x.array);
  return taped(y, [x], (dy, { into }) => [kernels.reluGrad(y, dy, into(0))]);
}
