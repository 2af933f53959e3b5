import { formatValue, readList } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type DeviceArray, sameShape, showShape } from '../../kernels/array.ts';
import { checkAxis } from '../../kernels/axes.ts';
import * as kernels from '../../kernels/shape/concat.ts';
import { padOrSlice } from '../../kernels/view.ts';
import { compose } from '../compose.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';
import { expandDims, slice } from './shape.ts';

function arraysOf(operator: string, tensors: readonly Tensor[]): DeviceArray[] {
  const all = readList(operator, tensors) as Tensor[] | null;
  if (!all || all.length === 0) {
    throw new ArgumentError(`${operator}: needs a list of at least one tensor, but is given ${formatValue(tensors)}`);
  }
  return all.map((t, i) => arrayOf(operator, `tensor ${i}`, t));
}

/**
 * Concatenates tensors along an axis (default the first); their other sizes must agree.
 *
 *     dx_i = the slice of dy at the position of x_i
 * @throws ShapeError, ArgumentError
 */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const arrays = arraysOf('concat', tensors);
  const { y, begins, axis: d } = kernels.concat(arrays, axis);
  return recordOperator(y, [...tensors], (dy, { needsGrad, into }) =>
    arrays.map((array, i) => {
      if (!needsGrad(i)) return null;
      const before = array.shape.map((_, k) => (k === d ? -begins[i]! : 0));
      return padOrSlice('concat', dy, before, array.shape, { into: into(i) });
    }),
  );
}

/** Stacks tensors of one shape along a new axis (default the first). `dx_i = dy at i`. @throws ShapeError, ArgumentError */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  const arrays = arraysOf('stack', tensors);
  const [{ shape }] = arrays as [DeviceArray];
  if (arrays.some((array) => !sameShape(array.shape, shape))) {
    throw new ShapeError(`stack: shapes differ (${arrays.map((array) => showShape(array.shape)).join(', ')})`);
  }
  const place = checkAxis('stack', axis, shape, shape.length + 1);
  return compose(arrays[0]!.device, () =>
    concat(
      tensors.map((t) => expandDims(t, place)),
      place,
    ),
  );
}

/**
 * Splits x along an axis (default the first), into `sections` equal parts or into parts of the listed sizes.
 * The reverse of `concat`. @throws ShapeError if the parts do not add up to x, ArgumentError
 */
export function split(x: Tensor, sections: number | readonly number[], axis = 0): Tensor[] {
  const { shape } = arrayOf('split', 'the input', x);
  const d = checkAxis('split', axis, shape);
  const isCount = (n: unknown) => Number.isInteger(n) && (n as number) >= 0;
  const listed = readList('split', sections);
  const legal = listed ? listed.every(isCount) : isCount(sections) && sections !== 0;
  if (!legal)
    throw new ArgumentError(`split: sections must be a count or a list of sizes, but is ${formatValue(sections)}`);
  const fits =
    typeof sections === 'number' ? shape[d]! % sections === 0 : sections.reduce((sum, n) => sum + n, 0) === shape[d];
  if (!fits) {
    throw new ShapeError(
      `split: ${formatValue(sections)} does not make up axis ${axis} of the input ${showShape(shape)}`,
    );
  }
  const sizes = typeof sections === 'number' ? Array<number>(sections).fill(shape[d]! / sections) : sections;
  let begin = 0;
  return sizes.map((n) => {
    const part = slice(
      x,
      shape.map((_, k) => (k === d ? begin : 0)),
      shape.with(d, n),
    );
    begin += n;
    return part;
  });
}
