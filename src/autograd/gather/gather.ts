import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import * as kernels from '../../kernels/gather/gather-rows.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, Tensor } from '../tensor.ts';

/**
 * Takes the slices of x at `indices` (u32 or i32, any shape) along an axis, as NumPy's take; the axes of `indices` replace
 * `axis`. An embedding is `gather(table, tokens)`. Indices are not checked, as that would wait for the GPU: an index
 * outside of x gives NaN (0 for integers) and does not contribute to the gradient.
 *
 *     y[o, j, c] = x[o, indices_j, c]      dx[o, i, c] = sum over indices_j = i of dy[o, j, c]
 * @throws ShapeError, ArgumentError
 */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  const input = arrayOf('gather', 'the input', x);
  const which = arrayOf('gather', 'the indices', indices);
  return recordOperator(kernels.gatherRows(input, which, axis), [x, indices], (dy, { needsGrad, into }) => [
    needsGrad(0) ? kernels.gatherRowsGrad(dy, which, axis, input.shape, into(0)) : null,
    null,
  ]);
}

/**
 * labels (u32 or i32) [...] -> f32 [..., classes]: 1 at the label and 0 elsewhere. It has no gradient. Labels are not checked,
 * as that would wait for the GPU: a label outside of 0 .. classes - 1 gives a row of NaN, so that a loss of it is NaN, not 0.
 * @throws ArgumentError
 */
export function oneHot(labels: Tensor, classes: number): Tensor {
  const array = arrayOf('oneHot', 'labels', labels);
  if (!Number.isInteger(classes) || classes < 1) {
    throw new ArgumentError(`oneHot: classes must be a positive integer, but is ${formatValue(classes)}`);
  }
  return new Tensor(kernels.oneHot(array, classes));
}
