import { formatValue, readList } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type DeviceArray, type Shape, showShape, sizeOf } from '../../kernels/array.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

/**
 * The same elements in row-major order under another shape; no copy. `dx = dy` reshaped back.
 * @param shape one size may be -1 and follows from the others, as in NumPy and PyTorch
 * @throws ShapeError, ArgumentError
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const array = arrayOf('reshape', 'the input', x);
  if (!readList('reshape', shape)?.every((n) => Number.isInteger(n) && (n as number) >= -1)) {
    throw new ArgumentError(
      `reshape: a shape is a list of integers from 0 up, one of which may be -1, but ${formatValue(shape)} was given`,
    );
  }
  return recordOperator(array.reshape(inferShape(array, shape)), [x], (dy) => [dy.reshape(x.shape)]);
}

/** Replaces -1 in a shape by the size it stands for. @throws ArgumentError for more than one -1, ShapeError if no size fits */
function inferShape(x: DeviceArray, shape: Shape): Shape {
  const unknown = shape.filter((n) => n === -1).length;
  if (unknown === 0) return shape;
  if (unknown > 1) {
    throw new ArgumentError(`reshape: only one size may be -1, but ${formatValue(shape)} was given; name the others`);
  }
  const known = -sizeOf(shape);
  if (known === 0 || x.size % known !== 0) {
    throw new ShapeError(
      `reshape: ${showShape(x.shape)} has ${x.size} elements, which ${known} (the other sizes of ${showShape(shape)}) ` +
        `${known === 0 ? 'leave undetermined; name every size' : 'do not divide'}`,
    );
  }
  return shape.map((n) => (n === -1 ? x.size / known : n));
}
