import { expect, test } from 'vitest';
import { ArgumentError } from '../../src/base/errors.ts';
import { philox, RandomStream } from '../../src/base/random.ts';

const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');

// The known answers that the generator's authors publish with it (Random123, kat_vectors, philox4x32-10).
test.each([
  [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
  [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
] as const)('philox: has the published result of counter %j and key %j', (counter, key, expected) => {
  expect(hex(philox(counter, key))).toBe(expected);
});

test('RandomStream: depends on seed (all 53 bits), purpose and index, and repeats if they are the same', () => {
  const seeds = [0, 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
  const starts = seeds.flatMap((seed) =>
    (['initializer', 'shuffle'] as const).flatMap((purpose) =>
      [0, 1, 2].map((index) => {
        const stream = new RandomStream(seed, purpose, index);
        return hex([stream.bits(), stream.bits(), stream.bits(), stream.bits(), stream.bits()]);
      }),
    ),
  );
  expect(new Set(starts).size).toBe(starts.length);
  expect(hex(philox([0, 2, 1, 0], [1, 1]))).toBe(starts[3 * 6 + 2]!.slice(0, 35));
});

test('RandomStream: `word` selects another stream; 0 is the default', () => {
  const four = (stream: RandomStream) => hex([stream.bits(), stream.bits(), stream.bits(), stream.bits()]);
  expect(four(new RandomStream(7, 'search', 3, 0xdeadbeef))).toBe(hex(philox([0, 3, 5, 0xdeadbeef], [7, 0])));
  expect(four(new RandomStream(7, 'search', 3))).toBe(hex(philox([0, 3, 5, 0], [7, 0])));
});

test('uniform64: in [0, 1), with 53 bits from two words, the first the higher', () => {
  const [high, low] = philox([0, 0, 5, 0], [1, 0]);
  const expected = ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  expect(new RandomStream(1, 'search', 0).uniform64()).toBe(expected);
  const stream = new RandomStream(2, 'search', 0);
  const values = Array.from({ length: 20_000 }, () => stream.uniform64());
  expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(Math.abs(mean - 1 / 2)).toBeLessThan(4 * Math.sqrt(1 / 12 / values.length));
});

test.each([-1, 0.5, 2 ** 53, Number.NaN, '1'])('checkSeed: throws ArgumentError for %s', (seed) => {
  expect(() => new RandomStream(seed as number, 'shuffle', 0)).toThrow(ArgumentError);
});

test('uniform: in [0, 1), exact in f32, with the mean and variance of a uniform variable', () => {
  const stream = new RandomStream(7, 'initializer', 0);
  const values = Float64Array.from({ length: 100_000 }, () => stream.uniform());
  expect(values.every((value) => value >= 0 && value < 1 && Math.fround(value) === value)).toBe(true);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  // Four standard errors: sqrt(1/12/n) and sqrt(1/180/n).
  expect(Math.abs(mean - 1 / 2)).toBeLessThan(4 * Math.sqrt(1 / 12 / values.length));
  expect(Math.abs(variance - 1 / 12)).toBeLessThan(4 * Math.sqrt(1 / 180 / values.length));
});

test.each([0, 1, 2, 7, 1000])('permutation: has each of %i numbers once', (n) => {
  const order = new RandomStream(3, 'shuffle', 1).permutation(n);
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
});

test('permutation: each of the 24 orders of four is equally frequent', () => {
  const counts = new Map<string, number>();
  const draws = 24_000;
  for (let epoch = 0; epoch < draws; epoch++) {
    const order = new RandomStream(11, 'shuffle', epoch).permutation(4).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(24);
  const expected = draws / 24;
  const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  expect(chiSquare).toBeLessThan(49.7); // 99.9% quantile at 23 degrees of freedom
});
