import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  accumulateLoss,
  accumulateMetrics,
  binaryHits,
  classesOf,
  countConfusion,
  countHits,
  countLabels,
  countOutside,
  countTopK,
  labelWords,
  readOutside,
  readTotals,
  TOTALS_WORDS,
} from '../../../src/kernels/metrics/metrics.ts';
import { Tensor, tensor } from '../../../src/node.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawnCases, FAST_CHECK_SEED } from '../../support/operator-cases.ts';
import { random } from '../../support/random.ts';

const NONE = 0xffffffff;
const rowsOf = (flat: ArrayLike<number>, width: number) =>
  Array.from({ length: flat.length / width }, (_, i) => Array.from({ length: width }, (_, c) => flat[i * width + c]!));

/** The same on the host, for one row. */
const classOf = (row: number[], threshold: number) => {
  if (row.some(Number.isNaN)) return NONE;
  return row.length === 1 ? Number(row[0]! > threshold) : row.indexOf(Math.max(...row));
};
const inTopK = (row: number[], label: number, k: number) =>
  label < row.length && !row.some(Number.isNaN) && row.filter((value) => value > row[label]!).length < k;

describeOnDevice('metrics computed on the adapter', (device) => {
  const cases = fc.record({
    rows: fc.constantFrom(1, 2, 63, 64, 65, 130),
    classes: fc.constantFrom(1, 2, 3, 10, 33),
    models: fc.constantFrom(1, 2, 3),
    k: fc.constantFrom(1, 2, 5),
    seed: fc.nat(1e6),
  });

  test('classes, confusion matrix and top k are those of the host, with ties, NaN and labels out of range', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ rows, classes, models, k, seed }) => {
        const values = random(seed);
        // Few different values, so that ties are common; infinities are numbers.
        const draw = () => {
          const which = values.integer(0, 40);
          if (which === 0) return Number.NaN;
          return which === 1 ? Number.POSITIVE_INFINITY : values.integer(-3, 3) / 4;
        };
        const output = Float32Array.from({ length: models * rows * classes }, draw);
        const known = Math.max(2, classes);
        const labels = Uint32Array.from({ length: models * rows }, () => values.integer(0, known));
        const y = tensor(device, output, [rows, classes], { models });
        const actual = tensor(device, labels, [rows], { dtype: 'u32', models });
        const first = 3;
        const words = first + known * known + 2;
        const counts = tensor(device, new Uint32Array(models * words), [words], { dtype: 'u32', models });
        const predicted = new Tensor(classesOf(y.array, 0.25));
        for (let pass = 0; pass < 2; pass++) {
          countConfusion(actual.array, predicted.array, counts.array, { classes: known, first });
          countTopK(y.array, actual.array, counts.array, { k, at: 1 });
        }

        const expected = new Uint32Array(models * words);
        const classesExpected = rowsOf(output, classes).map((row) => classOf(row, 0.25));
        for (const [i, row] of rowsOf(output, classes).entries()) {
          const offset = words * Math.floor(i / rows);
          const [a, b] = [labels[i]!, classesExpected[i]!];
          if (a < known && b < known) expected[offset + first + a * known + b]! += 2;
          if (inTopK(row, a, k)) expected[offset + 1]! += 2;
        }
        expect(Array.from(await predicted.data())).toEqual(classesExpected);
        expect(Array.from(await counts.data())).toEqual(Array.from(expected));
        for (const t of [y, actual, counts, predicted]) t.dispose();
      }),
      { numRuns: drawnCases(25), seed: FAST_CHECK_SEED },
    );
  });

  test('a row with NaN is never a hit, wherever the NaN is', async () => {
    const [x, nan] = [0.5, Number.NaN];
    const y = tensor(device, [1, x, x, x, 1, x, nan, x, x, x, nan, 1, nan, nan, nan], [5, 3]);
    const labels = tensor(device, [0, 1, 0, 2, 0], [5], { dtype: 'u32' });
    const hits = new Tensor(countHits(y.array, labels.array));
    expect(Array.from(await hits.data())).toEqual([1, 1, 0, 0, 0]);
    for (const t of [y, labels, hits]) t.dispose();
  });

  test('binary accuracy: an output is right if it is above the threshold where the target is 1, and not above it where the target is 0', async () => {
    const [up, down] = [0.5 + 2 ** -24, 0.5 - 2 ** -25];
    const y = tensor(device, [up, up, down, down, 0.5, 0.5, Number.NaN, Number.NaN, 1, 0.9], [10, 1]);
    const goal = tensor(device, [1, 0, 1, 0, 1, 0, 1, 0, 0.9, Number.NaN], [10, 1]);
    const hits = new Tensor(binaryHits(y.array, goal.array, 0.5));
    expect(Array.from(await hits.data())).toEqual([1, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    for (const t of [y, goal, hits]) t.dispose();
  });

  test('independent labels are counted as on the host, with NaN, targets other than 0 and 1, and counts above 2^32', async () => {
    const labelCases = fc.record({
      shape: fc.constantFrom<number[]>([1, 2], [3, 1], [64, 3], [255, 2], [256, 2], [257, 5], [3, 2, 2], [2, 9, 30, 1]),
      models: fc.constantFrom(1, 2, 3),
      threshold: fc.constantFrom(0, 0.5),
      seed: fc.nat(1e6),
    });
    await fc.assert(
      fc.asyncProperty(labelCases, async ({ shape, models, threshold, seed }) => {
        const values = random(seed);
        const labels = shape.at(-1)!;
        const size = shape.reduce((product, n) => product * n, 1);
        const output = Float32Array.from({ length: models * size }, () => {
          const which = values.integer(0, 30);
          return which === 0 ? Number.NaN : which === 1 ? Number.NEGATIVE_INFINITY : values.integer(-4, 4) / 4;
        });
        const goal = Float32Array.from(output, () => [0, 1, 0, 1, 0.25, 0.5, 0.75][values.integer(0, 6)]!);
        const [first, words] = [3, 3 + labelWords(labels) + 1];
        const start = Uint32Array.from({ length: models * words }, () => values.integer(2 ** 32 - 3, 2 ** 32 - 1));
        const [y, target] = [output, goal].map((all) => tensor(device, all, shape, { models })) as [Tensor, Tensor];
        const counts = tensor(device, start, [words], { dtype: 'u32', models });
        countLabels(y.array, target.array, counts.array, { threshold, first });

        const expected = Array.from(start, BigInt);
        const add = (index: number) => {
          const sum = expected[index]! + (expected[index + 1]! << 32n) + 1n;
          expected[index] = sum & 0xffffffffn;
          expected[index + 1] = (sum >> 32n) & 0xffffffffn;
        };
        for (const [i, value] of output.entries()) {
          if (Number.isNaN(value)) continue;
          const begin = words * Math.floor(i / size) + first;
          const [actual, predicted] = [Number(goal[i]! > 0.5), Number(value > threshold)];
          if (goal[i] === predicted) add(begin);
          add(begin + 2 + 8 * (i % labels) + 2 * (2 * actual + predicted));
        }
        expect(Array.from(await counts.data(), BigInt)).toEqual(expected);
        for (const t of [y, target, counts]) t.dispose();
      }),
      { numRuns: drawnCases(25), seed: FAST_CHECK_SEED },
    );
  });

  test('targets outside a range are counted, with the smallest and the largest, with NaN and both zeros', async () => {
    const note = async (values: number[], range: [number, number], models = 1) => {
      const targets = tensor(device, values, [values.length / models], { models });
      const counts = tensor(device, new Uint32Array(5 * models), [5], { dtype: 'u32', models });
      for (let pass = 0; pass < 2; pass++) countOutside(targets.array, counts.array, { range, first: 1 });
      const all = (await counts.data()) as Uint32Array;
      for (const t of [targets, counts]) t.dispose();
      return Array.from({ length: models }, (_, r) => readOutside(all.subarray(5 * r + 1, 5 * r + 4)));
    };
    const inside = [0, -0, 1, 0.5, 1e-30, 2 ** -149];
    expect((await note(inside, [0, 1]))[0]!.count).toBe(0);
    const above = Math.fround(1 + 2 ** -23);
    expect(await note([...inside, above], [0, 1])).toEqual([{ count: 2, least: above, most: above }]);
    const below = -(2 ** -126);
    expect(await note([...inside, below, -7, 3e38, 2], [0, 1])).toEqual([
      { count: 8, least: -7, most: Math.fround(3e38) },
    ]);
    expect(await note([-2, -1, 1, -3, -2.5, 1.5], [-2, 1], 2)).toEqual([
      expect.objectContaining({ count: 0 }),
      { count: 6, least: -3, most: 1.5 },
    ]);
    const [{ count, most }] = (await note([0.5, Number.NaN, Number.NEGATIVE_INFINITY], [0, 1])) as [
      ReturnType<typeof readOutside>,
    ];
    expect([count, most]).toEqual([4, Number.NaN]);
    const many = Array.from({ length: 70_000 }, (_, i) => (i % 7 === 0 ? i : 0));
    expect(await note(many, [0, 1])).toEqual([{ count: 2 * 9_999, least: 7, most: 69_993 }]);
  });

  describe('running totals', () => {
    const words = (totals: { samples: number; hits: number; batches: number; losses: number[] }) => {
      const all = new Uint32Array(TOTALS_WORDS);
      const pair = (count: number) => [count % 2 ** 32, Math.floor(count / 2 ** 32)];
      all.set([...pair(totals.samples), ...pair(totals.hits), totals.batches]);
      new Float32Array(all.buffer, 20).set(totals.losses);
      return all;
    };
    const read = async ({ array }: Tensor, models: number) => {
      const bytes = await device.read(array.storage);
      return Array.from({ length: models }, (_, r) => new Uint32Array(bytes, 4 * TOTALS_WORDS * r, TOTALS_WORDS));
    };
    const make = (...starts: Uint32Array[]) =>
      tensor(device, Uint32Array.from(starts.flatMap((start) => [...start])), [TOTALS_WORDS], {
        ...{ dtype: 'u32', models: starts.length },
      });

    test('a loss is weighted by its samples, with and without hits; counts exceed 2^32', async () => {
      const loss = tensor(device, [0.5, 2], [], { models: 2 });
      const hit = tensor(device, [1, 0, 1, 1, 1, 1], [3], { models: 2 });
      const large = 2 ** 32 - 1;
      const totals = make(
        words({ samples: 2, hits: 1, batches: 1, losses: [1, 0, 0, 0, 0] }),
        words({ samples: large, hits: large - 1, batches: 7, losses: [0, 4, 0, 0, 0] }),
      );
      accumulateLoss(loss.array, 3, totals.array);
      accumulateMetrics(loss.array, hit.array, totals.array);
      expect((await read(totals, 2)).map(readTotals)).toEqual([
        { samples: 8, hits: 3, loss: 4 },
        { samples: large + 6, hits: large + 2, loss: 16 },
      ]);
      for (const t of [loss, hit, totals]) t.dispose();
    });

    test.each([1, 255, 256, 257, 10_001])('hits of %i rows are counted exactly', async (rows) => {
      const values = random(rows);
      const hits = Array.from({ length: 2 * rows }, () => values.integer(0, 1));
      const loss = tensor(device, [0, 0], [], { models: 2 });
      const hit = tensor(device, hits, [rows], { models: 2 });
      const none = words({ samples: 0, hits: 0, batches: 0, losses: [0, 0, 0, 0, 0] });
      const totals = make(none, none);
      for (let i = 0; i < 2; i++) accumulateMetrics(loss.array, hit.array, totals.array);
      const counted = [0, 1].map((r) => hits.slice(r * rows, (r + 1) * rows).reduce((a, b) => a + b));
      expect((await read(totals, 2)).map(readTotals)).toEqual(
        counted.map((count) => ({ samples: 2 * rows, hits: 2 * count, loss: 0 })),
      );
      for (const t of [loss, hit, totals]) t.dispose();
    });

    test('32 sums of a level are added to the next, also if several levels are full at once', async () => {
      const loss = tensor(device, [1], []);
      const full = words({ samples: 0, hits: 0, batches: 32 ** 4 - 1, losses: [31, 992, 31744, 1015808, 5] });
      const totals = make(full);
      accumulateLoss(loss.array, 1, totals.array);
      const [after] = await read(totals, 1);
      expect(Array.from(new Float32Array(after!.buffer, after!.byteOffset + 20, 5))).toEqual([0, 0, 0, 0, 1048581]);
      for (const t of [loss, totals]) t.dispose();
    });

    // 0.1 in f32; one f32 sum of 60,000 is off by 6e-4.
    test('60,000 batches: the mean loss of each replica is within 1e-5, and the count exact', async () => {
      const losses = [0.1, 3.3, 7e-9];
      const loss = tensor(device, losses, [], { models: 3 });
      const none = words({ samples: 2 ** 24 - 5, hits: 0, batches: 0, losses: [0, 0, 0, 0, 0] });
      const totals = make(none, none, none);
      const program = device.record(() => {
        for (let i = 0; i < 1000; i++) accumulateLoss(loss.array, 3, totals.array);
      });
      for (let i = 0; i < 60; i++) program.run();
      for (const [r, all] of (await read(totals, 3)).entries()) {
        const { samples, loss: sum } = readTotals(all);
        expect(samples).toBe(2 ** 24 - 5 + 180_000);
        expectClose([sum], [180_000 * Math.fround(losses[r]!)], { rtol: 1e-5 });
      }
      program.dispose();
      for (const t of [loss, totals]) t.dispose();
    });

    // The same additions as the kernel, a million times as fast. The test above compares the kernel itself.
    test('10,000,000 batches: the scheme of sums is within 1e-5', () => {
      for (const value of [0.1, 1 / 3, 0.7, 5e-20].map(Math.fround)) {
        const levels = new Float32Array(5);
        for (let n = 1; n <= 1e7; n++) {
          levels[0]! += value;
          for (let level = 0, every = 32; level < 4 && n % every === 0; level++, every *= 32) {
            levels[level + 1]! += levels[level]!;
            levels[level] = 0;
          }
        }
        expectClose([levels.reduce((a, b) => a + b, 0)], [1e7 * value], { rtol: 1e-5 });
      }
    });
  });
});
