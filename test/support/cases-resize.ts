import fc from 'fast-check';
import { type CaseSize, type OperatorCase, one, SIZES, seed } from './operator-cases.ts';

export function resizeCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  const n = one(SIZES[size]);
  return fc
    .record({
      image: fc.tuple(one([1, 2]), n, n, one([1, 2, 3])),
      size: fc.tuple(n, n),
      method: fc.constantFrom(undefined, 'bilinear', 'nearest'),
      seed,
    })
    .map(({ image, seed, ...attrs }) => ({ inputs: [{ shape: image }], attrs, seed }));
}
