import fc from 'fast-check';
import { type CaseSize, type OperatorCase, unary } from './operator-cases.ts';

const AXES = [undefined, 0, -1, 1, [0, 1], [0, 2], [1, 3], [2, 0], [-1, 0], [1, 2], []] as const;

/** Any axes of the shape, adjacent or not. */
export function reduceCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return fc
    .record({ c: unary(size), axis: fc.constantFrom(...AXES), keepDims: fc.boolean() })
    .filter(({ c, axis }) => {
      const rank = c.inputs[0]!.shape.length;
      const places = [axis ?? []].flat().map((d) => (d < 0 ? d + rank : d));
      return places.every((d) => d >= 0 && d < rank) && new Set(places).size === places.length;
    })
    .map(({ c, axis, keepDims }) => ({ ...c, attrs: { axis, keepDims } }));
}

export function reduceCases(size: CaseSize) {
  return {
    sum: reduceCase(size),
    mean: reduceCase(size),
    max: reduceCase(size),
    min: reduceCase(size),
    // A fraction of an element off the divisor is legal, and fits however few elements there are.
    variance: fc
      .record({ c: reduceCase(size), ddof: fc.constantFrom(undefined, 0, 0.5) })
      .map(({ c, ddof }) => ({ ...c, attrs: { ...c.attrs, ddof } })),
  };
}
