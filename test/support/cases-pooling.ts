import fc from 'fast-check';
import { pair, windowAxis } from '../reference/window.ts';
import type { CaseSize, OperatorCase } from './operator-cases.ts';

const one = (values: readonly number[]): fc.Arbitrary<number> => fc.constantFrom(...values);
const either = (values: readonly number[]) => fc.oneof(one(values), fc.tuple(one(values), one(values)));

const SIZES = { small: [1, 2, 3, 5], full: [1, 2, 3, 5, 7, 9, 13, 16, 17, 31] };
const CHANNELS = { small: [1, 2, 3], full: [1, 2, 3, 4, 5, 8, 17] };
/** The courseworks pool by 9x9, and by 5x5 with stride 5. */
const POOLS = { small: [1, 2, 3], full: [1, 2, 3, 5, 9] };

/** Pooling windows of any size and stride, also with gaps between them and larger than the image ('same'). */
export function poolCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return fc
    .record({
      batch: one([1, 2, 3]),
      image: fc.tuple(one(SIZES[size]), one(SIZES[size])),
      channels: one(CHANNELS[size]),
      poolSize: either(POOLS[size]),
      strides: fc.option(either(POOLS[size]), { nil: undefined }),
      padding: fc.constantFrom('valid' as const, 'same' as const),
      seed: fc.integer({ min: 0, max: 2 ** 31 }),
    })
    .filter(({ image, poolSize, padding }) => {
      const pool = pair(poolSize);
      return [0, 1].every((k) => windowAxis(image[k]!, pool[k]!, 1, 1, padding).output > 0);
    })
    .map(({ batch, image, channels, seed, ...attrs }) => ({
      inputs: [{ shape: [batch, ...image, channels] }],
      attrs,
      seed,
    }));
}

/** Images alone. */
export function imageCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return poolCase(size).map((c) => ({ ...c, attrs: {} }));
}
