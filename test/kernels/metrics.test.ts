import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeviceArray } from '../../src/kernels/array.ts';
import {
  accumulateLoss,
  binaryHits,
  classesOf,
  countConfusion,
  countHits,
  countTopK,
} from '../../src/kernels/metrics.ts';
import { Tensor, tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawnCases, FAST_CHECK_SEED } from '../support/operator-cases.ts';
import { random } from '../support/random.ts';

const NONE = 0xffffffff;
const rowsOf = (flat: ArrayLike<number>, width: number) =>
  Array.from({ length: flat.length / width }, (_, i) => Array.from({ length: width }, (_, c) => flat[i * width + c]!));

/** What the kernels compute, for one row on the host. */
const classOf = (row: number[], threshold: number) => {
  if (row.some(Number.isNaN)) return NONE;
  return row.length === 1 ? Number(row[0]! > threshold) : row.indexOf(Math.max(...row));
};
const inTopK = (row: number[], label: number, k: number) =>
  label < row.length && !row.some(Number.isNaN) && row.filter((value) => value > row[label]!).length < k;

describeOnDevice('metrics counted on the adapter', (device) => {
  const cases = fc.record({
    rows: fc.constantFrom(1, 2, 63, 64, 65, 130),
    classes: fc.constantFrom(1, 2, 3, 10, 33),
    models: fc.constantFrom(1, 2, 3),
    k: fc.constantFrom(1, 2, 5),
    seed: fc.nat(1e6),
  });

  test('classes, confusion matrix and top k are those of the host, ties, NaN and labels out of range included', async () => {
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
          const at = words * Math.floor(i / rows);
          const [a, b] = [labels[i]!, classesExpected[i]!];
          if (a < known && b < known) expected[at + first + a * known + b]! += 2;
          if (inTopK(row, a, k)) expected[at + 1]! += 2;
        }
        expect(Array.from(await predicted.data())).toEqual(classesExpected);
        expect(Array.from(await counts.data())).toEqual(Array.from(expected));
        for (const t of [y, actual, counts, predicted]) t.dispose();
      }),
      { numRuns: drawnCases(25), seed: FAST_CHECK_SEED },
    );
  });

  test('a row with NaN hits nothing, wherever the NaN is', async () => {
    const [x, nan] = [0.5, Number.NaN];
    const y = tensor(device, [1, x, x, x, 1, x, nan, x, x, x, nan, 1, nan, nan, nan], [5, 3]);
    const labels = tensor(device, [0, 1, 0, 2, 0], [5], { dtype: 'u32' });
    const hits = new Tensor(countHits(y.array, labels.array));
    expect(Array.from(await hits.data())).toEqual([1, 1, 0, 0, 0]);
    for (const t of [y, labels, hits]) t.dispose();
  });

  test('a unit is right above its threshold where its target is 1, and else where it is 0', async () => {
    const [up, down] = [0.5 + 2 ** -24, 0.5 - 2 ** -25];
    const y = tensor(device, [up, up, down, down, 0.5, 0.5, Number.NaN, Number.NaN, 1, 0.9], [10, 1]);
    const goal = tensor(device, [1, 0, 1, 0, 1, 0, 1, 0, 0.9, Number.NaN], [10, 1]);
    const hits = new Tensor(binaryHits(y.array, goal.array, 0.5));
    expect(Array.from(await hits.data())).toEqual([1, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    for (const t of [y, goal, hits]) t.dispose();
  });

  test('a loss without hits joins the totals by its samples', async () => {
    const loss = tensor(device, [0.5, 2], [], { models: 2 });
    const totals = new Tensor(DeviceArray.empty(device, [4], { models: 2 }));
    device.upload(totals.array.storage, Float32Array.of(1, 7, 2, 0, 0, 0, 0, 0));
    accumulateLoss(loss.array, 3, totals.array);
    expect(Array.from(await totals.data())).toEqual([2.5, 7, 5, 0, 6, 0, 3, 0]);
    for (const t of [loss, totals]) t.dispose();
  });
});
