import fc from 'fast-check';
import type { BinaryName, UnaryName } from '../../src/kernels/pointwise/pointwise-table.ts';
import { type OperatorName, references } from '../reference/index.ts';
import { map, type NdArray, ndarray, sizeOf } from '../reference/ndarray.ts';
import { broadcastShape } from '../reference/pointwise.ts';
import {
  type BinaryReference,
  binaryReferences,
  type UnaryReference,
  unaryReferences,
} from '../reference/pointwise-table.ts';
import { type CaseSize, type OperatorCase, unary } from './operator-cases.ts';

/** Makes a normal draw an input of a row at which it is smooth: input k of the row. */
export function domainOf(row: UnaryName | BinaryName | undefined, k: number): (value: number) => number {
  if (row !== undefined && row in binaryReferences)
    return (binaryReferences[row as BinaryName] as BinaryReference).domain?.[k as 0 | 1] ?? ((x) => x);
  if (row !== undefined) return (unaryReferences[row as UnaryName] as UnaryReference).domain ?? ((x) => x);
  return (x) => x;
}

const of = (
  size: CaseSize,
  row: UnaryName,
  attrs: fc.Arbitrary<object> = fc.constant({}),
): fc.Arbitrary<OperatorCase> => fc.record({ c: unary(size), attrs }).map(({ c, attrs }) => ({ ...c, attrs, row }));

/** Two shapes that broadcast: axes of the second left out at the front, and axes of either set to 1. */
function pairOfShapes(size: CaseSize): fc.Arbitrary<{ a: number[]; b: number[]; seed: number }> {
  const bits = fc.array(fc.constantFrom('both', 'both', 'a', 'b'), { minLength: 4, maxLength: 4 });
  return fc
    .record({ c: unary(size), bits, missing: fc.constantFrom(0, 0, 1, 2), flip: fc.boolean() })
    .map(({ c, bits, missing, flip }) => {
      const shape = c.inputs[0]!.shape;
      const a = shape.map((n, d) => (bits[d] === 'b' ? 1 : n));
      const b = shape.map((n, d) => (bits[d] === 'a' ? 1 : n)).slice(Math.min(missing, shape.length - 1));
      return flip ? { a: b, b: a, seed: c.seed } : { a, b, seed: c.seed };
    });
}

const two = (size: CaseSize, row: BinaryName): fc.Arbitrary<OperatorCase> =>
  pairOfShapes(size).map(({ a, b, seed }) => ({ inputs: [{ shape: a }, { shape: b }], attrs: {}, seed, row }));

export function pointwiseCases(size: CaseSize) {
  const option = (name: string, values: number[]) => fc.constantFrom({}, ...values.map((value) => ({ [name]: value })));
  return {
    neg: of(size, 'neg'),
    exp: of(size, 'exp'),
    log: of(size, 'log'),
    sqrt: of(size, 'sqrt'),
    rsqrt: of(size, 'rsqrt'),
    square: of(size, 'square'),
    reciprocal: of(size, 'reciprocal'),
    abs: of(size, 'abs'),
    sign: of(size, 'sign'),
    relu: of(size, 'relu'),
    relu6: of(size, 'relu6'),
    sigmoid: of(size, 'sigmoid'),
    tanh: of(size, 'tanh'),
    softplus: of(size, 'softplus'),
    leakyRelu: of(size, 'leakyRelu', option('negativeSlope', [0.3])),
    elu: of(size, 'elu', option('alpha', [0.5])),
    gelu: of(size, 'gelu', fc.constantFrom({}, { approximate: true })),
    // Bounds that no draw rounded to f32 meets, so that central differences do not straddle them unless they hit by 1e-6.
    clip: of(size, 'clip', fc.constantFrom({}, { min: -0.5123456 }, { min: -0.7123456, max: 0.6123456 })),
    pow: fc.oneof(
      two(size, 'pow'),
      of(
        size,
        'power',
        option('exponent', [2, 3, -1]).map((o) => ({ exponent: 2, ...o })),
      ),
    ),
    add: two(size, 'add'),
    sub: two(size, 'sub'),
    mul: two(size, 'mul'),
    div: two(size, 'div'),
    maximum: two(size, 'maximum'),
    minimum: two(size, 'minimum'),
    where: pairOfShapes(size).map(({ a, b, seed }) => ({
      inputs: [{ shape: a, classes: 2 }, { shape: b }, { shape: a }],
      attrs: {},
      seed,
    })),
  };
}

/**
 * Scale of the rounding errors: the sizes of the operands, because a difference or a saturating function has the error of its
 * operands; gradients summed over broadcast axes have one such term per element.
 */
export function pointwiseMagnitudes(
  name: OperatorName,
  inputs: NdArray[],
  attrs: object,
  output: NdArray,
  dout: NdArray,
) {
  if (name in binaryReferences && inputs.length === 2) {
    const absolute = inputs.map((input) => map(input, Math.abs));
    const shape = broadcastShape(...inputs.map((input) => input.shape));
    const sizes = references.add.forward(absolute, {});
    // |dout| times a bound of the slope at each element, summed as the gradients are.
    const row: BinaryReference = binaryReferences[name as BinaryName];
    const repeat = (input: NdArray) =>
      references.add.forward([input, ndarray(shape, new Array(sizeOf(shape)).fill(0))], {});
    const [a, b] = inputs.map(repeat) as [NdArray, NdArray];
    const slope = (which: 0 | 1) =>
      map(dout, (d, i) => {
        const [y, slopes] = [output.data[i]!, row.derivatives(a.data[i]!, b.data[i]!, output.data[i]!)];
        // log(a) is as uncertain as 1 is where a is near 1.
        return d * (Math.abs(slopes[which]) + (name === 'pow' && which === 1 ? Math.abs(y) : 0));
      });
    const grads = ([0, 1] as const).map((which) => references.add.backward(inputs, output, slope(which), {})[which]!);
    const scale = name === 'mul' || name === 'div' || name === 'pow' ? map(output, Math.abs) : sizes;
    return { output: scale, grads };
  }
  if (name === 'where') return { grads: references.where.backward(inputs, output, dout, {}) };
  if (name in unaryReferences || name === 'pow') {
    const size = map(inputs[0]!, (x, i) => Math.abs(output.data[i]!) + (SATURATING.has(name) ? Math.abs(x) : 0));
    const [slope] = references[name].backward(inputs, output, dout, attrs);
    return { output: size, grads: [map(slope!, (g, i) => Math.abs(g) + (SATURATING.has(name) ? dout.data[i]! : 0))] };
  }
  return undefined;
}

/** Their slopes are sums that cancel around the slope's zero, where they are as uncertain as 1 is. */
const SATURATING: ReadonlySet<string> = new Set(['gelu']);
