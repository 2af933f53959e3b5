import fc from 'fast-check';
import { sizeOf } from '../reference/ndarray.ts';
import type { CaseSize, OperatorCase } from './operator-cases.ts';

const SIZES = { small: [1, 2, 3, 5], full: [1, 2, 3, 5, 7, 8, 16, 17, 31, 64, 65] };

export function dropoutCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  return fc
    .record({
      shape: fc
        .array(fc.constantFrom(...SIZES[size]), { minLength: 1, maxLength: 4 })
        .filter((shape) => sizeOf(shape) <= (size === 'small' ? 60 : 20_000)),
      rate: fc.constantFrom(0, 0.1, 0.25, 0.5, 0.9),
      layer: u32,
      step: u32,
      drawSeed: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      seed: fc.integer({ min: 0, max: 2 ** 31 }),
    })
    .map(({ shape, drawSeed, seed, ...attrs }) => ({ inputs: [{ shape }], attrs: { ...attrs, seed: drawSeed }, seed }));
}
