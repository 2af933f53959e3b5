import { checkOptions, formatValue, type OptionNames } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type DeviceArray, type Shape, showShape, sizeOf } from '../../kernels/array.ts';
import { type Axes, checkAxes, checkAxis } from '../../kernels/axes.ts';
import * as kernels from '../../kernels/reduce/reduce.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, Tensor } from '../tensor.ts';

/** Options of the reductions: `sum`, `mean`, `variance`, `max`, `min`, `argmax` and `argmin`. */
export interface ReduceOptions {
  /** One axis or several, negative ones from the end. Default: all. */
  axis?: Axes;
  /** Whether to keep the reduced axes in the shape, with size 1. Default: false. */
  keepDims?: boolean;
}
const names: OptionNames<ReduceOptions> = { axis: true, keepDims: true };

interface Reduction {
  input: DeviceArray;
  axes: number[];
  shape: Shape;
  /** Number of elements reduced to one. */
  count: number;
}

function reduction(operator: string, x: Tensor, options: ReduceOptions, needsElements: boolean): Reduction {
  const input = arrayOf(operator, 'the input', x);
  checkOptions(operator, options, names);
  const { keepDims = false } = options;
  if (typeof keepDims !== 'boolean')
    throw new ArgumentError(`${operator}: keepDims must be true or false, but is ${formatValue(keepDims)}`);
  const axes = checkAxes(operator, options.axis, input.shape);
  const count = sizeOf(axes.map((d) => input.shape[d]!));
  if (needsElements && count === 0) {
    throw new ShapeError(
      `${operator}: an empty tensor has no ${operator} (shape ${showShape(input.shape)}, axes ${showShape(axes)})`,
    );
  }
  return { input, axes, shape: kernels.reducedShape(input.shape, axes, keepDims), count };
}

/** Sum over some or all axes. `dx = dy`, broadcast along them. @throws ShapeError, ArgumentError */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { input, axes, shape } = reduction('sum', x, options, false);
  return recordOperator(kernels.sumAxes('sum', input, axes, shape), [x], (dy, { into }) => [
    kernels.sumAxesGrad('sum', input, dy, axes, 1, into(0)),
  ]);
}

/** Mean over some or all axes. `dx = dy / n`, broadcast along them. @throws ShapeError for a mean of no elements, ArgumentError */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { input, axes, shape, count } = reduction('mean', x, options, true);
  return recordOperator(kernels.sumAxes('mean', input, axes, shape, 1 / count), [x], (dy, { into }) => [
    kernels.sumAxesGrad('mean', input, dy, axes, 1 / count, into(0)),
  ]);
}

function extreme(operator: 'max' | 'min', sign: 1 | -1, x: Tensor, options: ReduceOptions): Tensor {
  const { input, axes, shape } = reduction(operator, x, options, true);
  const y = kernels.extreme(operator, input, axes, shape, sign);
  return recordOperator(y, [x], (dy, { into }) => [kernels.extremeGrad(operator, input, y, dy, axes, into(0))]);
}

/**
 * Maximum over some or all axes. NaN if any element is NaN; the gradient is then NaN too.
 *
 *     dx = dy / k for each of the k elements that equal the maximum, 0 elsewhere: as PyTorch's amax
 * @throws ShapeError for a maximum of no elements, ArgumentError
 */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme('max', 1, x, options);
}

/**
 * Minimum over some or all axes. NaN if any element is NaN; the gradient is then NaN too.
 *
 *     dx = dy / k for each of the k elements that equal the minimum, 0 elsewhere: as PyTorch's amin
 * @throws ShapeError for a minimum of no elements, ArgumentError
 */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme('min', -1, x, options);
}

/**
 * Variance over some or all axes: the mean squared deviation, with `ddof` subtracted from the divisor. The default 0 is NumPy's
 * and Keras's; PyTorch's default is 1.
 *
 *     y = sum of (x - mean)^2 / (n - ddof)      dx = 2 dy (x - mean) / (n - ddof)
 * @param options.ddof number to subtract from the divisor; default 0
 * @throws ShapeError unless there are more than `ddof` elements, ArgumentError
 */
export function variance(x: Tensor, options: ReduceOptions & { ddof?: number } = {}): Tensor {
  const { ddof = 0, ...reduced } = checkOptions('variance', options, { ...names, ddof: true });
  const { input, axes, shape, count } = reduction('variance', x, reduced, true);
  if (typeof ddof !== 'number' || !(ddof >= 0))
    throw new ArgumentError(`variance: ddof must be a number from 0 up, but is ${formatValue(ddof)}`);
  if (ddof >= count) {
    throw new ShapeError(
      `variance: ddof ${ddof} needs more than ${count} elements (shape ${showShape(input.shape)}, axes ${showShape(axes)})`,
    );
  }
  const { y, mean } = kernels.variance(input, axes, shape, ddof);
  return recordOperator(y, [x], (dy, { into }) => [kernels.varianceGrad(input, mean, dy, axes, ddof, into(0))], {
    saved: Object.values(mean),
  });
}

/**
 * Index of the maximum along an axis, or in the flattened tensor if no axis is given: u32, the first of equal elements; the first
 * NaN if there is one. It has no gradient.
 * @param options.axis negative ones count from the end. Default: the flattened tensor
 * @param options.keepDims whether to keep the axis in the shape, with size 1; default false
 * @throws ShapeError for a maximum of no elements, ArgumentError
 */
export function argmax(x: Tensor, options: { axis?: number; keepDims?: boolean } = {}): Tensor {
  return argExtreme('argmax', 1, x, options);
}

/**
 * Index of the minimum; everything else as in `argmax`, also for NaN.
 * @param options.axis negative ones count from the end. Default: the flattened tensor
 * @param options.keepDims whether to keep the axis in the shape, with size 1; default false
 * @throws ShapeError, ArgumentError
 */
export function argmin(x: Tensor, options: { axis?: number; keepDims?: boolean } = {}): Tensor {
  return argExtreme('argmin', -1, x, options);
}

function argExtreme(
  operator: 'argmax' | 'argmin',
  sign: 1 | -1,
  x: Tensor,
  options: { axis?: number; keepDims?: boolean },
): Tensor {
  const array = arrayOf(operator, 'the input', x);
  checkOptions(operator, options, names);
  if (options.axis !== undefined) checkAxis(operator, options.axis, array.shape);
  const { input, axes, shape } = reduction(operator, x, options, true);
  return new Tensor(kernels.argExtreme(operator, input, axes, shape, sign));
}
