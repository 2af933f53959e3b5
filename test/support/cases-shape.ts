import fc from 'fast-check';
import { type CaseSize, type OperatorCase, one, SIZES, unary } from './operator-cases.ts';

/** Cases of one input with attributes that depend on its shape. */
function withAttrs(size: CaseSize, attrs: (shape: number[]) => fc.Arbitrary<object>): fc.Arbitrary<OperatorCase> {
  return unary(size).chain((c) => attrs(c.inputs[0]!.shape).map((drawn) => ({ ...c, attrs: drawn })));
}

const rankOf = (shape: number[]) => shape.length;
const each = <T>(shape: number[], draw: (n: number) => fc.Arbitrary<T>) => fc.tuple(...shape.map(draw));
const anyAxis = (rank: number) => fc.integer({ min: -rank, max: rank - 1 });

/** An axis of size 1 somewhere, which `squeeze` then takes away. */
const squeezeCase = (size: CaseSize) =>
  withAttrs(size, (shape) =>
    fc.constantFrom(undefined, ...shape.flatMap((n, d) => (n === 1 ? [d, [d]] : []))).map((axis) => ({ axis })),
  );

/** One to three inputs that agree in all axes but one. */
function concatCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return unary(size).chain((c) => {
    const [{ shape }] = c.inputs as [{ shape: number[] }];
    return fc
      .record({ axis: anyAxis(rankOf(shape)), more: fc.array(one([1, 2, 3, 5]), { maxLength: 2 }) })
      .map(({ axis, more }) => ({
        ...c,
        inputs: [{ shape }, ...more.map((n) => ({ shape: shape.with(axis, n) }))],
        attrs: { axis },
      }));
  });
}

function stackCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return unary(size).chain((c) => {
    const [{ shape }] = c.inputs as [{ shape: number[] }];
    return fc.record({ axis: anyAxis(rankOf(shape) + 1), count: one([1, 2, 3]) }).map(({ axis, count }) => ({
      ...c,
      inputs: Array.from({ length: count }, () => ({ shape })),
      attrs: { axis },
    }));
  });
}

function gatherCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  const indices = fc
    .array(one(SIZES[size]), { maxLength: 2 })
    .filter((shape) => shape.reduce((a, b) => a * b, 1) <= 64);
  return fc.record({ c: unary(size), indices }).chain(({ c, indices }) => {
    const [{ shape }] = c.inputs as [{ shape: number[] }];
    return anyAxis(rankOf(shape)).map((axis) => ({
      ...c,
      inputs: [{ shape }, { shape: indices, classes: shape.at(axis)! }],
      attrs: { axis },
    }));
  });
}

export function shapeCases(size: CaseSize) {
  return {
    transpose: withAttrs(size, (shape) =>
      fc
        .option(
          fc.shuffledSubarray(
            shape.map((_, d) => d),
            { minLength: rankOf(shape) },
          ),
          { nil: undefined },
        )
        .map((axes) => ({ axes })),
    ),
    expandDims: withAttrs(size, (shape) => anyAxis(rankOf(shape) + 1).map((axis) => ({ axis }))),
    squeeze: squeezeCase(size),
    pad: withAttrs(size, (shape) =>
      fc.record({ paddings: each(shape, () => fc.tuple(fc.nat(2), fc.nat(2))), value: fc.constantFrom(undefined, -3) }),
    ),
    slice: withAttrs(size, (shape) =>
      each(shape, (n) =>
        fc.nat(n).chain((begin) => fc.tuple(fc.constant(begin), fc.oneof(fc.nat(n - begin), fc.constant(-1)))),
      ).map((parts) => ({ begin: parts.map(([begin]) => begin), size: parts.map(([, n]) => n) })),
    ),
    concat: concatCase(size),
    stack: stackCase(size),
    gather: gatherCase(size),
  };
}
