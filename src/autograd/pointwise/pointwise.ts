import { checkF32, checkOptions, formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import { fill } from '../../kernels/pointwise/pointwise.ts';
import * as kernels from '../../kernels/pointwise/pointwise-rows.ts';
import {
  type BinaryName,
  binaryTable,
  type ComparisonName,
  type PredicateName,
  type UnaryName,
  type UnaryRow,
  unaryTable,
} from '../../kernels/pointwise/pointwise-table.ts';
import { checkDType, commonReplicas } from '../../kernels/run.ts';
import { checkFits } from '../arguments.ts';
import type { Backward } from '../node.ts';
import { recordOperator } from '../record-operator.ts';
import { arrayOf, Tensor } from '../tensor.ts';

/** Applies a row of the table, which has formula and derivative. */
function unary(name: UnaryName, x: Tensor, options: Record<string, unknown> = {}): Tensor {
  const known = (unaryTable[name] as UnaryRow).options ?? {};
  checkOptions<Record<string, unknown>>(name, options, known);
  const array = arrayOf(name, 'the input', x);
  const [p = 0, q = 0] = Object.entries(known).map(([option, normal]) => {
    const value = options[option] ?? normal;
    if (typeof value !== 'number' || Number.isNaN(value)) {
      throw new ArgumentError(`${name}: ${option} must be a number, but is ${formatValue(value)}`);
    }
    return checkF32(`${name}: ${option}`, value);
  });
  const y = kernels.unary(name, array, [p, q]);
  return recordOperator(y, [x], (dy, { into }) => [kernels.unaryGrad(name, array, y, dy, [p, q], into(0))]);
}

/** Operand of a binary operator: a tensor, or a number if the other operand is a tensor. */
export type Operand = Tensor | number;

/**
 * Converts a number operand to a new scalar tensor of the other operand's type. Returns other values unchanged; the operator checks them.
 * @throws ArgumentError for a number that does not fit the type
 */
function toTensors(operator: string, a: Operand, b: Operand): [Tensor, Tensor] {
  const scalar = (value: number, { array }: Tensor) => {
    const { device, dtype, replicas } = array;
    checkFits(operator, value, dtype);
    return new Tensor(fill(device, [], value, { replicas, dtype }));
  };
  if (typeof a === 'number' && b instanceof Tensor) return [scalar(a, b), b];
  if (typeof b === 'number' && a instanceof Tensor) return [a, scalar(b, a)];
  return [a, b] as [Tensor, Tensor];
}

/** The arrays that `toTensors` created from numbers. */
const createdArrays = (given: readonly Operand[], [a, b]: readonly [Tensor, Tensor]): DeviceArray[] =>
  [a, b].filter((one, i) => one !== given[i]).map(({ array }) => array);

/** Applies a row of the table with NumPy's broadcasting; gradients are summed back to the operands' shapes. */
function binary(name: BinaryName, x1: Operand, x2: Operand): Tensor {
  const [a, b] = toTensors(name, x1, x2);
  const left = arrayOf(name, 'the left tensor', a);
  const right = arrayOf(name, 'the right tensor', b);
  const y = kernels.binary(name, left, right);
  const { derivatives } = binaryTable[name];
  const backward: Backward = (dy, { needsGrad }) => {
    const grad = (which: 0 | 1) =>
      derivatives[which] === '1.0'
        ? kernels.sumTo(dy, (which === 0 ? left : right).shape)
        : kernels.binaryGrad(name, which, { a: left, b: right, y, dy });
    return [needsGrad(0) ? grad(0) : null, needsGrad(1) ? grad(1) : null];
  };
  return recordOperator(y, [a, b], backward, { saved: createdArrays([x1, x2], [a, b]) });
}

function comparison(name: ComparisonName, x: Operand, y: Operand): Tensor {
  const [a, b] = toTensors(name, x, y);
  const result = kernels.compare(name, arrayOf(name, 'the left tensor', a), arrayOf(name, 'the right tensor', b));
  for (const array of createdArrays([x, y], [a, b])) array.dispose();
  return new Tensor(result);
}

function predicate(name: PredicateName, x: Tensor): Tensor {
  return new Tensor(kernels.predicate(name, arrayOf(name, 'the input', x)));
}

// Formulas and derivatives are in the rows of src/kernels/pointwise/pointwise-table.ts. All operators throw
// ArgumentError for anything but f32 tensors, and those with two operands ShapeError if the shapes do not broadcast.
// Gradients at kinks and at NaN are PyTorch's (test/autograd/kinks.test.ts). Where the derivative of relu, relu6, clip, sign, maximum or
// minimum is 0, infinite and NaN gradients become 0 too; for other operators, 0 times infinity is NaN.

/** -x */
export const neg = (x: Tensor): Tensor => unary('neg', x);
/** e^x */
export const exp = (x: Tensor): Tensor => unary('exp', x);
/** The natural logarithm; -inf at 0, NaN below. */
export const log = (x: Tensor): Tensor => unary('log', x);
/** The square root; NaN below 0. */
export const sqrt = (x: Tensor): Tensor => unary('sqrt', x);
/** 1 / sqrt(x); infinity at 0, NaN below. */
export const rsqrt = (x: Tensor): Tensor => unary('rsqrt', x);
/** x^2 */
export const square = (x: Tensor): Tensor => unary('square', x);
/** 1 / x */
export const reciprocal = (x: Tensor): Tensor => unary('reciprocal', x);
/** |x|; the gradient is 0 at 0, and at NaN, as in PyTorch. */
export const abs = (x: Tensor): Tensor => unary('abs', x);
/** -1, 0 or 1; NaN stays NaN, as in NumPy (PyTorch: 0). The gradient is 0 everywhere, as in PyTorch. */
export const sign = (x: Tensor): Tensor => unary('sign', x);
/** max(x, 0); the gradient is 0 at 0, as in every framework, and 1 at NaN, as in PyTorch. */
export const relu = (x: Tensor): Tensor => unary('relu', x);
/** min(max(x, 0), 6); the gradient is 0 at 0 and at 6, as in PyTorch. */
export const relu6 = (x: Tensor): Tensor => unary('relu6', x);
/**
 * x above 0, negativeSlope x from 0 down; the default slope 0.01 is PyTorch's (Keras's layer: 0.3). At 0 it is the gradient.
 * @param options.negativeSlope factor on values from 0 down; default 0.01
 */
export const leakyRelu = (x: Tensor, options: { negativeSlope?: number } = {}): Tensor =>
  unary('leakyRelu', x, options);
/**
 * x above 0, alpha (e^x - 1) from 0 down; alpha is 1 by default. At 0 it is the gradient.
 * @param options.alpha the result approaches -alpha for large negative x; default 1
 */
export const elu = (x: Tensor, options: { alpha?: number } = {}): Tensor => unary('elu', x, options);
/** 1 / (1 + e^-x) */
export const sigmoid = (x: Tensor): Tensor => unary('sigmoid', x);
/** The hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => unary('tanh', x);
/** log(1 + e^x), without overflow. */
export const softplus = (x: Tensor): Tensor => unary('softplus', x);
/**
 * x times the normal distribution function at x: exact, as Keras has by default, or the tanh approximation. As in PyTorch it is
 * NaN at -infinity, and so is the gradient at both infinities.
 * @param options.approximate whether it is the tanh approximation; default false
 */
export function gelu(x: Tensor, options: { approximate?: boolean } = {}): Tensor {
  checkOptions('gelu', options, { approximate: true });
  return unary(options.approximate ? 'geluTanh' : 'gelu', x);
}
/**
 * x kept within min .. max, either of which may be left out; the gradient passes where min <= x <= max, as in PyTorch.
 * @param options.min lower bound; default none
 * @param options.max upper bound; default none
 * @throws ArgumentError if min is above max (NumPy and PyTorch then return max)
 */
export function clip(x: Tensor, options: { min?: number; max?: number }): Tensor {
  const { min, max } = checkOptions('clip', options, { min: true, max: true });
  if (typeof min === 'number' && typeof max === 'number' && min > max) {
    throw new ArgumentError(
      `clip: min must be at most max, but min is ${formatValue(min)} and max ${formatValue(max)}; swap them`,
    );
  }
  return unary('clip', x, options);
}
/** a^b, NaN where a < 0 and b is not whole. The gradient of a tensor b is a^b log(a), NaN where a < 0, as in PyTorch. */
export function pow(a: Tensor, b: Tensor | number): Tensor {
  if (typeof b !== 'number') return binary('pow', a, b);
  if (Number.isNaN(b)) throw new ArgumentError('pow: the exponent must be a number or a tensor, but is NaN');
  return unary('power', a, { exponent: b });
}

/** a + b */
export const add = (a: Operand, b: Operand): Tensor => binary('add', a, b);
/** a - b */
export const sub = (a: Operand, b: Operand): Tensor => binary('sub', a, b);
/** a b, element by element */
export const mul = (a: Operand, b: Operand): Tensor => binary('mul', a, b);
/** a / b */
export const div = (a: Operand, b: Operand): Tensor => binary('div', a, b);
/** The larger of a and b; equal ones share the gradient, and where one is NaN both get all of it, as in PyTorch. */
export const maximum = (a: Operand, b: Operand): Tensor => binary('maximum', a, b);
/** The smaller of a and b; equal ones share the gradient, and where one is NaN both get all of it, as in PyTorch. */
export const minimum = (a: Operand, b: Operand): Tensor => binary('minimum', a, b);

// Comparisons and logic take f32 or integers, exact at any size; both tensors must have one type (see `cast`).

/** 1 where a = b, else 0. Comparisons have no gradient. */
export const equal = (a: Operand, b: Operand): Tensor => comparison('equal', a, b);
/** 1 where a and b differ, else 0. */
export const notEqual = (a: Operand, b: Operand): Tensor => comparison('notEqual', a, b);
/** 1 where a < b, else 0. */
export const less = (a: Operand, b: Operand): Tensor => comparison('less', a, b);
/** 1 where a <= b, else 0. */
export const lessEqual = (a: Operand, b: Operand): Tensor => comparison('lessEqual', a, b);
/** 1 where a > b, else 0. */
export const greater = (a: Operand, b: Operand): Tensor => comparison('greater', a, b);
/** 1 where a >= b, else 0. */
export const greaterEqual = (a: Operand, b: Operand): Tensor => comparison('greaterEqual', a, b);

// Logic takes 0 as false and everything else as true, NaN too, as NumPy and PyTorch do. It has no gradient.

/** 1 where both are true, else 0. */
export const logicalAnd = (a: Operand, b: Operand): Tensor => comparison('logicalAnd', a, b);
/** 1 where either is true, else 0. */
export const logicalOr = (a: Operand, b: Operand): Tensor => comparison('logicalOr', a, b);
/** 1 where x is 0, else 0. */
export const logicalNot = (x: Tensor): Tensor => predicate('logicalNot', x);
/** 1 where x is NaN, else 0. */
export const isNan = (x: Tensor): Tensor => predicate('isNan', x);

/**
 * a where the condition is not 0, else b, with NumPy's broadcasting of all three. The condition may have any type; it has no gradient.
 * `da = dy` where the condition is not 0, `db = dy` where it is 0.
 * @throws ShapeError, ArgumentError
 */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  const [mask, left, right] = [
    arrayOf('where', 'the condition', condition),
    arrayOf('where', 'the left tensor', a),
    arrayOf('where', 'the right tensor', b),
  ];
  checkDType('where', 'the left tensor', left, 'f32');
  checkDType('where', 'the right tensor', right, 'f32');
  commonReplicas('where', [mask, left, right]);
  const shape = kernels.broadcastShape('where', kernels.broadcastShape('where', left.shape, right.shape), mask.shape);
  const [m, l, r] = [mask, left, right].map((array) => kernels.repeatTo('where', array, shape)) as [
    typeof mask,
    typeof mask,
    typeof mask,
  ];
  const y = kernels.where(m, l, r);
  if (l !== left) l.dispose();
  if (r !== right) r.dispose();
  const backward: Backward = (dy, { needsGrad }) => {
    const zeros = fill(y.device, shape, 0, { replicas: y.replicas });
    return [
      null,
      needsGrad(1) ? kernels.sumTo(kernels.where(m, dy, zeros), left.shape) : null,
      needsGrad(2) ? kernels.sumTo(kernels.where(m, zeros, dy), right.shape) : null,
    ];
  };
  return recordOperator(y, [condition, a, b], backward, { saved: m === mask ? [] : [m] });
}
