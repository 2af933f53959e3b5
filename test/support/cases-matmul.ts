import fc from 'fast-check';
import { type CaseSize, type OperatorCase, one, SIZES, seed } from './operator-cases.ts';

/** Batch axes of both sides: none, equal, one side's alone, broadcast from 1 in one or both. */
const BATCHES: [number[], number[]][] = [
  [[], []],
  [[], []],
  [[3], []],
  [[], [2]],
  [[2], [2]],
  [[1], [3]],
  [[2, 3], [3]],
  [
    [2, 1],
    [1, 3],
  ],
  [[2, 1], [2]],
];

export function matmulCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  const n = one(SIZES[size]);
  return fc
    .record({
      m: n,
      k: n,
      n,
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
      batch: fc.constantFrom(...BATCHES),
      seed,
    })
    .map(({ m, k, n, batch, seed, ...attrs }) => ({
      inputs: [
        { shape: [...batch[0], ...(attrs.transposeA ? [k, m] : [m, k])] },
        { shape: [...batch[1], ...(attrs.transposeB ? [n, k] : [k, n])] },
      ],
      attrs,
      seed,
    }));
}
