import fc from 'fast-check';
import { pair, windowAxis } from '../reference/window.ts';
import type { CaseSize, OperatorCase } from './operator-cases.ts';

const one = (values: readonly number[]): fc.Arbitrary<number> => fc.constantFrom(...values);
const either = (values: readonly number[]) => fc.oneof(one(values), fc.tuple(one(values), one(values)));

const SIZES = { small: [1, 2, 3, 5], full: [1, 2, 3, 5, 7, 8, 13, 16, 17, 28] };
const CHANNELS = { small: [1, 2, 3], full: [1, 2, 3, 5, 8, 16, 17] };

export function depthwiseCase(size: CaseSize): fc.Arbitrary<OperatorCase> {
  return fc
    .record({
      batch: one([1, 2, 3]),
      image: fc.tuple(one(SIZES[size]), one(SIZES[size])),
      channels: one(CHANNELS[size]),
      multiplier: one([1, 1, 2, 3]),
      kernel: fc.tuple(one([1, 2, 3, 5]), one([1, 2, 3, 5])),
      strides: either([1, 2, 3]),
      dilation: either([1, 1, 2, 3]),
      padding: fc.constantFrom('valid' as const, 'same' as const),
      bias: fc.boolean(),
      seed: fc.integer({ min: 0, max: 2 ** 31 }),
    })
    .filter(({ image, kernel, dilation, padding }) => {
      const apart = pair(dilation);
      return [0, 1].every((k) => windowAxis(image[k]!, kernel[k]!, 1, apart[k]!, padding).output > 0);
    })
    .map(({ batch, image, channels, multiplier, kernel, bias, seed, ...attrs }) => ({
      inputs: [
        { shape: [batch, ...image, channels] },
        { shape: [...kernel, channels, multiplier] },
        ...(bias ? [{ shape: [channels * multiplier] }] : []),
      ],
      attrs,
      seed,
    }));
}
