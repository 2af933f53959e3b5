import { expect, test } from 'vitest';
import { batchNormParameterGrads, batchNormVariants, batchStatistics } from '../../src/kernels/norm/batch-norm.ts';
import {
  BatchNormalization,
  batchNorm,
  mean,
  Sequential,
  scope,
  standardization,
  Tensor,
  tensor,
} from '../../src/node.ts';
import { runOperator } from '../support/adapter.ts';
import { describeOnDevice } from '../support/device.ts';
import { random } from '../support/random.ts';

// Statistics of f32 values whose mean is so far from 0 that f32 cannot represent it: at 1e7, adjacent numbers are 1 apart. Expected
// values are computed in float64 from the same f32 values.

const average = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;
const squaresOf = (values: readonly number[]) => {
  const m = average(values);
  return values.reduce((sum, value) => sum + (value - m) ** 2, 0);
};

function expectNear(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, scale: number, rtol = 1e-5) {
  expect(actual.length).toBe(expected.length);
  const worst = Array.from(actual, (value, i) => Math.abs(value - expected[i]!) / scale).reduce(
    (a, b) => (b <= a ? a : b),
    0,
  );
  expect(worst <= rtol ? '' : `${what}: off by ${worst} of ${scale}; first ${actual[0]}, expected ${expected[0]}`).toBe(
    '',
  );
}

/** Means around which the deviations are the same. */
const middles = [0, 1000, -1e5, 1e6, 1e7, -1.2345e7];
const whole = (n: number, middle: number) =>
  Array.from({ length: n }, (_, i) => Math.fround(middle + ((i * 7) % 3) - 1));
const drawValues = (n: number, middle: number, seed = 3) => {
  const values = random(seed);
  return Array.from({ length: n }, () => Math.fround(middle + 2 * values.normal()));
};
/** Columns of one array, [rows, columns]. */
const side = (columns: readonly number[][]) => columns[0]!.flatMap((_, row) => columns.map((column) => column[row]!));
const column = (values: ArrayLike<number>, c: number, of: number) => Array.from(values).filter((_, i) => i % of === c);

describeOnDevice('statistics far from 0', (device) => {
  test('variance: is 2/3 for 8192 values of 1e7 - 1, 1e7 and 1e7 + 1', async () => {
    const { output } = await runOperator(device, 'variance', [{ shape: [8192], data: whole(8192, 1e7) }], {}, [1]);
    expectNear('variance', output, [2 / 3], 2 / 3, 1e-4); // 8192 is no multiple of 3
    expectNear('variance', output, [squaresOf(whole(8192, 1e7)) / 8192], 2 / 3, 1e-6);
  });

  test.each([
    [8192, 0],
    [8192, 1],
    [5, 1],
    [30_011, 0],
  ])('variance: values and gradients, %d rows, ddof %d', async (rows, ddof) => {
    const columns = middles.map((middle, k) => (k % 2 === 0 ? whole(rows, middle) : drawValues(rows, middle, k)));
    columns.push([0, ...drawValues(rows - 1, 1e6)]); // the first value far from all others
    const n = columns.length;
    const dout = columns.map((_, c) => 1 + c);
    const { output, grads } = await runOperator(
      device,
      'variance',
      [{ shape: [rows, n], data: side(columns) }],
      { axis: 0, ddof },
      dout,
    );
    for (const [c, values] of columns.entries()) {
      const expected = squaresOf(values) / (rows - ddof);
      expectNear(`variance ${c}`, [output[c]!], [expected], expected);
      const m = average(values);
      const slopes = values.map((value) => (2 * (1 + c) * (value - m)) / (rows - ddof));
      const largest = Math.max(...slopes.map(Math.abs));
      expectNear(`gradient ${c}`, column(grads[0]!, c, n), slopes, largest);
    }
  });

  test('mean: exact over values far from 0, also over the last axis', async () => {
    const values = drawValues(8192, 1e7);
    const y = scope(device, () => mean(tensor(device, values, [2, 4096]), { axis: 1 }));
    expectNear('mean', await y.data(), [average(values.slice(0, 4096)), average(values.slice(4096))], 1e7, 1e-7);
    y.dispose();
  });

  for (const variant of batchNormVariants) {
    test.each([
      [8192, 6],
      [70_001, 1],
      [33, 4],
    ])(`batchNorm: statistics and gradient sums of %d rows, %d channels: ${variant}`, async (rows, channels) => {
      const columns = middles
        .slice(-channels)
        .map((middle, k) => (k % 2 === 0 ? whole(rows, middle) : drawValues(rows, middle, k)));
      const values = random(9);
      const dy = Array.from({ length: rows * channels }, () => Math.fround(values.normal() + 0.5));
      const results = scope(device, () => {
        const [x, dout] = [side(columns), dy].map((data) => tensor(device, data, [rows, channels]).array);
        const batch = batchStatistics('batchNorm', x!, null, { variant });
        const sums = batchNormParameterGrads(x!, dout!, batch, 0.5, { variant });
        return [new Tensor(batch.variance), new Tensor(sums.dscale), new Tensor(sums.doffset)] as const;
      });
      const [spread, dscale, doffset] = await Promise.all(results.map((t) => t.data()));
      for (const t of results) t.dispose();
      for (const [c, column_] of columns.entries()) {
        const m = average(column_);
        const expected = squaresOf(column_) / rows;
        expectNear(`variance ${c}`, [spread![c]!], [expected], expected);
        const z = column_.map((value) => (value - m) / Math.sqrt(expected + 0.5));
        const terms = column(dy, c, channels).map((g, i) => g * z[i]!);
        const sum = (list: number[]) => list.reduce((a, b) => a + b, 0);
        expectNear(`dscale ${c}`, [dscale![c]!], [sum(terms)], sum(terms.map(Math.abs)));
        expectNear(`doffset ${c}`, [doffset![c]!], [sum(column(dy, c, channels))], rows);
      }
    });
  }

  test('batchNorm: results, all gradients and the update of the running statistics', async () => {
    const rows = 4096;
    const columns = middles.map((middle, k) => (k % 2 === 0 ? whole(rows, middle) : drawValues(rows, middle, k)));
    columns.push([0, ...drawValues(rows - 1, 1e6)]); // the first value far from all others
    const channels = columns.length;
    const dy = drawValues(rows * channels, 0.5, 11);
    const [scale, offset] = [1.5, 0.25];
    const epsilon = 1e-3;
    const x = tensor(device, side(columns), [rows, channels], { requiresGrad: true });
    const per = (value: number) => tensor(device, Array(channels).fill(value), [channels], { requiresGrad: true });
    const [factor, shift, runningMean, runningVariance] = [per(scale), per(offset), per(0), per(0)];
    const y = scope(device, () => {
      const running = { mean: runningMean!, variance: runningVariance! };
      const result = batchNorm(x, factor!, shift!, { epsilon, running, momentum: 0 });
      result.backward(tensor(device, dy, [rows, channels]));
      return result;
    });
    const [got, dx] = [await y.data(), await x.grad!.data()];
    const [keptMean, keptVariance] = [await runningMean!.data(), await runningVariance!.data()];
    for (const [c, values] of columns.entries()) {
      const m = average(values);
      const spread = squaresOf(values) / rows;
      const root = Math.sqrt(spread + epsilon);
      const z = values.map((value) => (value - m) / root);
      const largest = Math.max(...z.map(Math.abs)) * scale + offset;
      const expected = z.map((value) => scale * value + offset);
      expectNear(`y ${c}`, column(got, c, channels), expected, largest);
      const channelDy = column(dy, c, channels);
      const [doffset, dscale] = [average(channelDy), average(channelDy.map((g, i) => g * z[i]!))];
      const slopes = channelDy.map((g, i) => (scale / root) * (g - doffset - z[i]! * dscale));
      expectNear(`dx ${c}`, column(dx, c, channels), slopes, Math.max(...slopes.map(Math.abs)));
      expectNear(`running mean ${c}`, [keptMean[c]!], [m], Math.max(1, Math.abs(m)), 1e-7);
      expectNear(`running variance ${c}`, [keptVariance[c]!], [spread], spread);
    }
    for (const t of [y, x, factor!, shift!, runningMean!, runningVariance!]) t.dispose();
  });

  test('BatchNormalization: normalizes a channel of 1e7 and a little more to mean 0 and variance 1', async () => {
    const model = new Sequential([new BatchNormalization({ inputShape: [1], epsilon: 1e-6 })]).build(device);
    const values = Array.from({ length: 6000 }, (_, i) => 1e7 + (i % 4)); // the mean lies between two f32
    const x = tensor(device, values, [6000, 1]);
    const y = scope(device, () => model.call(x, { training: true }));
    const got = Array.from(await y.data());
    expect(Math.abs(average(got))).toBeLessThan(1e-5);
    expect(Math.abs(squaresOf(got) / 6000 - 1)).toBeLessThan(1e-5);
    for (const t of [y, x, model]) t.dispose();
  });
});

test('standardization: computes mean and deviation of numbers far from 0 in float64 on the host', () => {
  for (const middle of [1e7, 1e12, -1e15]) {
    const values = Float64Array.from({ length: 3000 }, (_, i) => middle + (i % 3) - 1);
    const { mean, deviation, scale } = standardization(values);
    expect(mean[0]).toBe(middle);
    expect(deviation[0]).toBeCloseTo(Math.sqrt(2 / 3), 12);
    expect(scale[0]).toBeCloseTo(Math.sqrt(3 / 2), 12);
  }
});
