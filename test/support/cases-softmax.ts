import fc from 'fast-check';
import { type CaseSize, type OperatorCase, unary } from './operator-cases.ts';

export function softmaxCases(size: CaseSize) {
  const anyAxis: fc.Arbitrary<OperatorCase> = fc
    .record({ c: unary(size), axis: fc.constantFrom(undefined, -1, 0, 1, -2) })
    .filter(({ c, axis = -1 }) => axis < c.inputs[0]!.shape.length && -axis <= c.inputs[0]!.shape.length)
    .map(({ c, axis }) => ({ ...c, attrs: { axis } }));
  return { softmax: anyAxis, logSoftmax: anyAxis };
}
