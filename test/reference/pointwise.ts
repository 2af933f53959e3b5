import {
  type BinaryName,
  type BinaryRow,
  binaryTable,
  type UnaryName,
  type UnaryRow,
  unaryTable,
} from '../../src/kernels/pointwise/pointwise-table.ts';
import { map, type NdArray, ndarray, sizeOf } from './ndarray.ts';
import { type BinaryReference, binaryReferences, type UnaryReference, unaryReferences } from './pointwise-table.ts';
import type { Reference } from './reference.ts';

/** For each element of `shape`, the index of its broadcast value in an array of shape `from`. */
export function places(shape: readonly number[], from: readonly number[]): number[] {
  const missing = shape.length - from.length;
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    let rest = i;
    let index = 0;
    let step = 1;
    for (let d = shape.length - 1; d >= 0; d--) {
      const place = rest % shape[d]!;
      rest = Math.floor(rest / shape[d]!);
      if (d < missing) continue;
      const size = from[d - missing]!;
      if (size !== 1) index += place * step;
      step *= size;
    }
    return index;
  });
}

export function broadcastShape(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, d) =>
    shapes.map((shape) => shape[d - rank + shape.length] ?? 1).reduce((m, n) => (m === 1 ? n : m)),
  );
}

/** Sums the gradients of each element of an array of `shape`. */
function sumByIndex(shape: readonly number[], indices: number[], values: (i: number) => number): NdArray {
  const sum = ndarray(shape, new Array(sizeOf(shape)).fill(0));
  for (let i = 0; i < indices.length; i++) sum.data[indices[i]!]! += values(i);
  return sum;
}

/** dy times the slope. Rows that mask give 0 if the slope is 0, even if dy is not finite. */
const chainRule = ({ masks }: UnaryRow | BinaryRow, dy: number, slope: number) =>
  masks && slope === 0 ? 0 : dy * slope;

/** A row with one input and its options, from the table's float64 functions. */
export function unary(name: UnaryName): Reference<[x: NdArray], Record<string, number>> {
  const row = unaryTable[name] as UnaryRow;
  const { options = {} } = row;
  const reference: UnaryReference = unaryReferences[name];
  const values = (attrs: Record<string, number>) => Object.entries(options).map(([k, normal]) => attrs[k] ?? normal);
  return {
    forward([x], attrs) {
      const [p = 0, q = 0] = values(attrs);
      return map(x, (value) => reference.forward(value, p, q));
    },
    backward([x], y, dout, attrs) {
      const [p = 0, q = 0] = values(attrs);
      return [map(dout, (d, i) => chainRule(row, d, reference.derivative(x.data[i]!, y.data[i]!, p, q)))];
    },
  };
}

export function binary(name: BinaryName): Reference<[a: NdArray, b: NdArray]> {
  const row = binaryTable[name] as BinaryRow;
  const reference: BinaryReference = binaryReferences[name];
  return {
    forward([a, b]) {
      const shape = broadcastShape(a.shape, b.shape);
      const [atA, atB] = [places(shape, a.shape), places(shape, b.shape)];
      return ndarray(
        shape,
        atA.map((i, k) => reference.forward(a.data[i]!, b.data[atB[k]!]!)),
      );
    },
    backward([a, b], y, dout) {
      const [atA, atB] = [places(y.shape, a.shape), places(y.shape, b.shape)];
      const slopes = atA.map((i, k) => reference.derivatives(a.data[i]!, b.data[atB[k]!]!, y.data[k]!));
      return [
        sumByIndex(a.shape, atA, (i) => chainRule(row, dout.data[i]!, slopes[i]![0])),
        sumByIndex(b.shape, atB, (i) => chainRule(row, dout.data[i]!, slopes[i]![1])),
      ];
    },
  };
}

/** A number as the exponent is a separate row. */
export const pow: Reference<[a: NdArray, b?: NdArray], Record<string, number>> = {
  forward: ([a, b], attrs) => (b ? binary('pow').forward([a, b], {}) : unary('power').forward([a], attrs)),
  backward: ([a, b], y, dout, attrs) =>
    b ? binary('pow').backward([a, b], y, dout, {}) : unary('power').backward([a], y, dout, attrs),
};

/** The two forms of gelu are two rows. */
export const gelu: Reference<[x: NdArray], { approximate?: boolean }> = {
  forward: (inputs, { approximate }) => unary(approximate ? 'geluTanh' : 'gelu').forward(inputs, {}),
  backward: (inputs, y, dout, { approximate }) =>
    unary(approximate ? 'geluTanh' : 'gelu').backward(inputs, y, dout, {}),
};

/** y = a if the condition is not 0, else b. */
export const where: Reference<[condition: NdArray, a: NdArray, b: NdArray]> = {
  forward([condition, a, b]) {
    const shape = broadcastShape(condition.shape, a.shape, b.shape);
    const [atC, atA, atB] = [condition, a, b].map((input) => places(shape, input.shape)) as [
      number[],
      number[],
      number[],
    ];
    return ndarray(
      shape,
      atC.map((i, k) => (condition.data[i] !== 0 ? a.data[atA[k]!]! : b.data[atB[k]!]!)),
    );
  },
  /** Each element of dout belongs to the operand from which y was taken. */
  backward([condition, a, b], y, dout) {
    const atC = places(y.shape, condition.shape);
    const isSelected = (i: number) => condition.data[atC[i]!] !== 0;
    return [
      null,
      sumByIndex(a.shape, places(y.shape, a.shape), (i) => (isSelected(i) ? dout.data[i]! : 0)),
      sumByIndex(b.shape, places(y.shape, b.shape), (i) => (isSelected(i) ? 0 : dout.data[i]!)),
    ];
  },
};
