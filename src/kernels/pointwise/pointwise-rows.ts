import binaryCode from '../../../shaders/pointwise/pointwise_binary.wgsl';
import binaryGradCode from '../../../shaders/pointwise/pointwise_binary_grad.wgsl';
import operandsCode from '../../../shaders/pointwise/pointwise_operands.wgsl';
import unaryCode from '../../../shaders/pointwise/pointwise_unary.wgsl';
import unaryGradCode from '../../../shaders/pointwise/pointwise_unary_grad.wgsl';
import whereCode from '../../../shaders/pointwise/where.wgsl';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import type { KernelSource } from '../../gpu/pipelines.ts';
import { type DeviceArray, type DType, type Shape, sameShape, showShape } from '../array.ts';
import { sumAxes } from '../reduce/reduce.ts';
import {
  checkDType,
  commonReplicas,
  f32Bits,
  gridStrideVec4Workgroups,
  gridStrideWorkgroups,
  output,
  runKernel,
} from '../run.ts';
import { broadcastTo } from '../view.ts';
import { pointwiseFunctions } from './pointwise-functions.ts';
import {
  type BinaryName,
  type BinaryRow,
  binaryTable,
  type ComparisonName,
  type ComparisonRow,
  comparisonTable,
  type PredicateName,
  predicateTable,
  type UnaryName,
  type UnaryRow,
  unaryTable,
} from './pointwise-table.ts';

/** The two options of a row; unused ones are 0. */
export type RowOptions = readonly [p: number, q: number];

const totalSize = (x: DeviceArray) => x.replicas * x.size;
/** One operation an element, whatever the function. */
const costOf = (x: DeviceArray) => ({ flops: totalSize(x) });

/** The types that the templates use for an input, and for a vec4 of inputs. */
const operandTypes = (dtype: DType) => `alias Operand = ${dtype};\nalias Operands = vec4<${dtype}>;\n`;

/** The template's shader with a row's expression in it, for inputs of that type. */
function source(name: string, template: string, expression: string, dtype: DType = 'f32'): KernelSource {
  const label = dtype === 'f32' ? name : `${name}_${dtype}`;
  return { name: label, code: operandTypes(dtype) + pointwiseFunctions + template.replace('FORWARD', expression) };
}

/** The same for a gradient. */
function gradSource(name: string, template: string, slope: string, { masks }: UnaryRow | BinaryRow): KernelSource {
  const product = masks ? 'select(dy * slope, 0.0, is_zero(slope))' : 'dy * slope';
  return {
    name: `${name}_grad`,
    code: operandTypes('f32') + pointwiseFunctions + template.replace('DERIVATIVE', slope).replace('PRODUCT', product),
  };
}

/** Dispatches f(x) -> f32. */
function apply(operator: string, expression: string, x: DeviceArray, [p, q]: RowOptions): DeviceArray {
  const y = output(x.device, x.shape, x.replicas);
  const kernel = source(operator, unaryCode, expression, x.dtype);
  runKernel(
    x.device,
    kernel,
    [totalSize(x), f32Bits(p), f32Bits(q)],
    [x, y],
    gridStrideVec4Workgroups(totalSize(x)),
    costOf(x),
  );
  return y;
}

/** f(x), a row of the table. Memory-bound. @throws ArgumentError */
export function unary(name: UnaryName, x: DeviceArray, options: RowOptions): DeviceArray {
  checkDType(name, 'the input', x, 'f32');
  return apply(name, unaryTable[name].forward, x, options);
}

/** 1 where the predicate holds for x, else 0. Memory-bound. @throws ArgumentError */
export function predicate(name: PredicateName, x: DeviceArray): DeviceArray {
  const row: { forward: string; integers?: string } = predicateTable[name];
  if (!row.integers) checkDType(name, 'the input', x, 'f32');
  return apply(name, `select(0.0, 1.0, ${x.dtype === 'f32' ? row.forward : row.integers})`, x, [0, 0]);
}

/** dy f'(x). Memory-bound. */
export function unaryGrad(
  name: UnaryName,
  x: DeviceArray,
  y: DeviceArray,
  dy: DeviceArray,
  [p, q]: RowOptions,
  into?: DeviceArray,
): DeviceArray {
  const dx = output(x.device, x.shape, x.replicas, into);
  const kernel = gradSource(name, unaryGradCode, unaryTable[name].derivative, unaryTable[name]);
  runKernel(
    x.device,
    kernel,
    [totalSize(x), f32Bits(p), f32Bits(q)],
    [x, y, dy, dx],
    gridStrideVec4Workgroups(totalSize(x)),
    costOf(x),
  );
  return dx;
}

/** The shape that NumPy's broadcasting gives: aligned at the end, 1 stretches. @throws ShapeError */
export function broadcastShape(operator: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const at = (shape: Shape, d: number) => shape[d - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, d) => {
    const [m, n] = [at(a, d), at(b, d)];
    if (m !== n && m !== 1 && n !== 1) {
      throw new ShapeError(
        `${operator}: shapes ${showShape(a)} and ${showShape(b)} do not broadcast: ${m} and ${n} differ`,
      );
    }
    return m === 1 ? n : m;
  });
}

/** x repeated to `shape`, or x itself; the caller disposes a copy. */
export function repeatTo(operator: string, x: DeviceArray, shape: Shape): DeviceArray {
  return sameShape(x.shape, shape) ? x : broadcastTo(operator, x, shape);
}

/** The gradient of `repeatTo`: sums over the axes along which x was repeated. May return `d` itself. */
export function sumTo(d: DeviceArray, shape: Shape): DeviceArray {
  if (sameShape(d.shape, shape)) return d;
  const added = d.shape.length - shape.length;
  const axes = d.shape.map((_, k) => k).filter((k) => k < added || (shape[k - added] === 1 && d.shape[k] !== 1));
  return sumAxes('broadcast', d, axes, shape);
}

/**
 * Elements after which x repeats in an array of `shape`. 0 if x has that shape; null if it does not repeat in stored order, or if it has
 * several replicas.
 */
function periodOf(x: DeviceArray, shape: Shape): number | null {
  if (sameShape(x.shape, shape)) return 0;
  const core = x.shape.slice(x.shape.findIndex((n) => n !== 1));
  const simply = x.size === 1 || sameShape(core, shape.slice(shape.length - core.length));
  return simply && x.replicas === 1 ? x.size : null;
}

/** Runs `body` with both operands: in place if they repeat in stored order, else as copies of the full shape. */
function withOperands(
  operator: string,
  arrays: [DeviceArray, DeviceArray],
  shape: Shape,
  body: (operands: DeviceArray[], periods: number[]) => void,
): void {
  const periods = arrays.map((x) => periodOf(x, shape));
  const operands = arrays.map((x, i) => (periods[i] === null ? repeatTo(operator, x, shape) : x));
  body(
    operands,
    periods.map((period) => period ?? 0),
  );
  operands.forEach((operand, i) => {
    if (operand !== arrays[i]) operand.dispose();
  });
}

/** Dispatches f(a, b) -> f32 with both operands, of one type, repeated to the common shape. */
function combine(operator: string, expression: string, a: DeviceArray, b: DeviceArray): DeviceArray {
  const replicas = commonReplicas(operator, [a, b]);
  const shape = broadcastShape(operator, a.shape, b.shape);
  const y = output(a.device, shape, replicas);
  const kernel = source(operator, operandsCode + binaryCode, expression, a.dtype);
  withOperands(operator, [a, b], shape, (operands, periods) =>
    runKernel(
      a.device,
      kernel,
      [totalSize(y), ...periods],
      [...operands, y],
      gridStrideVec4Workgroups(totalSize(y)),
      costOf(y),
    ),
  );
  return y;
}

/** f(a, b) with broadcasting, a row of the table. Memory-bound. @throws ShapeError, ArgumentError */
export function binary(name: BinaryName, a: DeviceArray, b: DeviceArray): DeviceArray {
  checkDType(name, 'the left tensor', a, 'f32');
  checkDType(name, 'the right tensor', b, 'f32');
  return combine(name, binaryTable[name].forward, a, b);
}

/**
 * 1 where the comparison holds, else 0, with broadcasting; exact for integers of any size. Memory-bound.
 * @throws ShapeError, ArgumentError where the types differ
 */
export function compare(name: ComparisonName, a: DeviceArray, b: DeviceArray): DeviceArray {
  if (a.dtype !== b.dtype) {
    throw new ArgumentError(
      `${name}: both tensors must have one type, but the left is ${a.dtype} ${showShape(a.shape)} and the right ${b.dtype} ` +
        `${showShape(b.shape)}; use cast(x, '${b.dtype}') on the left one, or the other way round`,
    );
  }
  const { forward, integers }: ComparisonRow = comparisonTable[name];
  return combine(name, `select(0.0, 1.0, ${a.dtype === 'f32' ? forward : integers})`, a, b);
}

/** dy times the derivative for operand `which`, summed to its shape. Memory-bound. */
export function binaryGrad(
  name: BinaryName,
  which: 0 | 1,
  { a, b, y, dy }: { a: DeviceArray; b: DeviceArray; y: DeviceArray; dy: DeviceArray },
): DeviceArray {
  const full = output(y.device, y.shape, y.replicas);
  const { derivatives } = binaryTable[name];
  const kernel = gradSource(name, operandsCode + binaryGradCode, derivatives[which], binaryTable[name]);
  withOperands(name, [a, b], y.shape, (operands, periods) =>
    runKernel(
      y.device,
      kernel,
      [totalSize(y), ...periods],
      [...operands, y, dy, full],
      gridStrideVec4Workgroups(totalSize(y)),
      costOf(y),
    ),
  );
  const d = sumTo(full, which === 0 ? a.shape : b.shape);
  if (d !== full) full.dispose();
  return d;
}

/** a where the condition is not 0, else b; all three of one shape. Memory-bound. */
export function where(condition: DeviceArray, a: DeviceArray, b: DeviceArray): DeviceArray {
  const y = output(a.device, a.shape, a.replicas);
  const bits = condition.dtype === 'f32' ? 0x7fffffff : 0xffffffff;
  runKernel(
    a.device,
    { name: 'where', code: whereCode },
    [totalSize(y), bits],
    [condition, a, b, y],
    gridStrideWorkgroups(totalSize(y)),
  );
  return y;
}
