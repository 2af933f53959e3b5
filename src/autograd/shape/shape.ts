import { checkOptions, formatValue, readList, tryRead } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type DeviceArray, showShape } from '../../kernels/array.ts';
import { type Axes, checkAxes, checkAxis } from '../../kernels/axes.ts';
import * as kernels from '../../kernels/view.ts';
import { checkFits } from '../arguments.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, type Tensor } from '../tensor.ts';

/**
 * Permutes the axes: axis d of the result is axis `axes[d]` of x. The default reverses them, as in NumPy.
 * `dx = dy` with the axes moved back. @throws ShapeError, ArgumentError
 */
export function transpose(x: Tensor, axes?: readonly number[]): Tensor {
  const input = arrayOf('transpose', 'the input', x);
  const rank = input.shape.length;
  const reversed = Array.from({ length: rank }, (_, d) => rank - 1 - d);
  const list = axes === undefined ? reversed : readList('transpose', axes);
  if (!list) {
    throw new ArgumentError(`transpose: axes must be a list of integers, but is ${formatValue(axes)}`);
  }
  const order = list.map((axis) => checkAxis('transpose', axis as number, input.shape));
  if (order.length !== rank || new Set(order).size !== rank) {
    throw new ArgumentError(
      `transpose: each axis must be named once, but ${formatValue(axes)} was given (input ${showShape(input.shape)})`,
    );
  }
  return recordOperator(kernels.transpose('transpose', input, order), [x], (dy, { into }) => [
    kernels.transpose('transpose', dy, kernels.invertOrder(order), into(0)),
  ]);
}

const view = (x: Tensor, array: DeviceArray, shape: readonly number[]) =>
  recordOperator(array.reshape(shape), [x], (dy) => [dy.reshape(array.shape)]);

/** Inserts an axis of size 1 at `axis` of the result; no copy. `dx = dy` without it. @throws ShapeError, ArgumentError */
export function expandDims(x: Tensor, axis: number): Tensor {
  const input = arrayOf('expandDims', 'the input', x);
  const place = checkAxis('expandDims', axis, input.shape, input.shape.length + 1);
  return view(x, input, input.shape.toSpliced(place, 0, 1));
}

/** Removes `axis`, which must have size 1 (default all axes of size 1); no copy. `dx = dy` with it. @throws ShapeError, ArgumentError */
export function squeeze(x: Tensor, axis?: Axes): Tensor {
  const input = arrayOf('squeeze', 'the input', x);
  const axes = checkAxes('squeeze', axis, input.shape).filter((d) => axis !== undefined || input.shape[d] === 1);
  const wide = axes.find((d) => input.shape[d] !== 1);
  if (wide !== undefined) {
    throw new ShapeError(
      `squeeze: axis ${wide} has size ${input.shape[wide]}, not 1 (input ${showShape(input.shape)})`,
    );
  }
  return view(
    x,
    input,
    input.shape.filter((_, d) => !axes.includes(d)),
  );
}

const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

/** @throws ArgumentError unless there is one entry for each axis, and `legal` accepts each */
function checkEach(
  operator: string,
  rule: string,
  list: unknown,
  input: DeviceArray,
  legal: (one: unknown) => boolean,
) {
  const all = readList(operator, list);
  if (all?.length !== input.shape.length || !tryRead(operator, () => all.every(legal))) {
    throw new ArgumentError(
      `${operator}: ${rule}, but ${formatValue(list)} was given (input ${showShape(input.shape)})`,
    );
  }
}

/**
 * Pads x with `value`: `paddings` has [before, after] for each axis, as in NumPy.
 *
 *     dx = dy without the padding
 * @param options.value value of the padding; default 0
 * @throws ArgumentError
 */
export function pad(
  x: Tensor,
  paddings: readonly (readonly [before: number, after: number])[],
  options: { value?: number } = {},
): Tensor {
  const input = arrayOf('pad', 'the input', x);
  checkOptions('pad', options, { value: true });
  const { value = 0 } = options;
  checkEach('pad', 'paddings must hold [before, after] for each axis, none negative', paddings, input, (one) => {
    return Array.isArray(one) && one.length === 2 && Array.from(one).every(isCount);
  });
  if (typeof value !== 'number') {
    throw new ArgumentError(`pad: value must be a number of type ${input.dtype}, but is ${formatValue(value)}`);
  }
  checkFits('pad', value, input.dtype);
  const shape = input.shape.map((n, d) => n + paddings[d]![0] + paddings[d]![1]);
  const before = paddings.map(([n]) => n);
  return recordOperator(kernels.padOrSlice('pad', input, before, shape, { fill: value }), [x], (dy, { into }) => [
    kernels.padOrSlice(
      'pad',
      dy,
      before.map((n) => -n),
      input.shape,
      { into: into(0) },
    ),
  ]);
}

/**
 * The slice of x that starts at `begin` and has shape `size`, one number for each axis; a size of -1 extends to the end.
 *
 *     dx = dy in the slice, 0 elsewhere
 * @throws ShapeError if the slice exceeds x, ArgumentError
 */
export function slice(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor {
  const input = arrayOf('slice', 'the input', x);
  checkEach('slice', 'begin must hold a place for each axis, none negative', begin, input, isCount);
  checkEach('slice', 'size must hold a size (or -1) for each axis', size, input, (one) => one === -1 || isCount(one));
  const shape = size.map((n, d) => (n === -1 ? input.shape[d]! - begin[d]! : n));
  if (shape.some((n, d) => n < 0 || begin[d]! + n > input.shape[d]!)) {
    throw new ShapeError(
      `slice: ${showShape(size)} from ${showShape(begin)} reaches beyond the input ${showShape(input.shape)}`,
    );
  }
  const back = [...begin];
  const y = kernels.padOrSlice(
    'slice',
    input,
    back.map((n) => -n),
    shape,
  );
  return recordOperator(y, [x], (dy, { into }) => [
    kernels.padOrSlice('slice', dy, back, input.shape, { into: into(0) }),
  ]);
}
