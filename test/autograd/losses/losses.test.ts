import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as tg from '../../../src/autograd/index.ts';
import { ArgumentError } from '../../../src/base/errors.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawnCases, FAST_CHECK_SEED, one, seed } from '../../support/operator-cases.ts';
import { random } from '../../support/random.ts';

/** Data for a loss: outputs of any size, or probabilities, and the targets in two forms. */
interface Batch {
  rows: number;
  classes: number;
  output: number[];
  share: number[];
  labels: number[];
  oneHot: number[];
}

function batch(rows: number, classes: number, seed: number): Batch {
  const values = random(seed);
  const draw = (value: () => number) => Array.from({ length: rows * classes }, () => Math.fround(value()));
  const labels = Array.from({ length: rows }, () => values.integer(0, classes - 1));
  return {
    rows,
    classes,
    output: draw(values.normal),
    // Not near 0, where the logarithm is steep; nor need they add up to 1.
    share: draw(() => 0.05 + 0.9 * values.uniform()),
    labels,
    oneHot: labels.flatMap((label) => Array.from({ length: classes }, (_, c) => Number(c === label))),
  };
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const rowsOf = (x: number[], { rows, classes }: Batch) =>
  Array.from({ length: rows }, (_, r) => x.slice(r * classes, (r + 1) * classes));
const logSum = (row: number[]) => Math.log(row.reduce((s, v) => s + Math.exp(v), 0));
const clipProbability = (p: number) => Math.min(1 - 1e-7, Math.max(1e-7, p));

interface Case {
  input(b: Batch): number[];
  call(y: tg.Tensor, target: tg.Tensor, labels: tg.Tensor): tg.Tensor;
  /** The definition, in float64. */
  formula(x: number[], b: Batch): number;
}

const output = (b: Batch) => b.output;
const share = (b: Batch) => b.share;

const cases: Record<string, Case> = {
  meanSquaredError: {
    input: output,
    call: (y, t) => tg.meanSquaredError(y, t),
    formula: (x, b) => mean(x.map((v, i) => (v - b.oneHot[i]!) ** 2)),
  },
  meanAbsoluteError: {
    input: output,
    call: (y, t) => tg.meanAbsoluteError(y, t),
    formula: (x, b) => mean(x.map((v, i) => Math.abs(v - b.oneHot[i]!))),
  },
  huber: {
    input: output,
    call: (y, t) => tg.huber(y, t, { delta: 0.8 }),
    formula: (x, b) =>
      mean(
        x.map((v, i) => {
          const e = Math.abs(v - b.oneHot[i]!);
          return e <= 0.8 ? e ** 2 / 2 : 0.8 * (e - 0.4);
        }),
      ),
  },
  'binaryCrossentropy from logits': {
    input: output,
    call: (y, t) => tg.binaryCrossentropy(y, t, { fromLogits: true }),
    formula: (x, b) => mean(x.map((v, i) => Math.log1p(Math.exp(b.oneHot[i] ? -v : v)))),
  },
  'binaryCrossentropy from probabilities': {
    input: share,
    call: (y, t) => tg.binaryCrossentropy(y, t),
    formula: (x, b) => -mean(x.map((p, i) => Math.log(b.oneHot[i] ? clipProbability(p) : 1 - clipProbability(p)))),
  },
  'binaryCrossentropy from logits, smoothed': {
    input: output,
    call: (y, t) => tg.binaryCrossentropy(y, t, { fromLogits: true, labelSmoothing: 0.3 }),
    formula: (x, b) =>
      mean(
        x.map((v, i) => {
          const t = 0.7 * b.oneHot[i]! + 0.15;
          return t * Math.log1p(Math.exp(-v)) + (1 - t) * Math.log1p(Math.exp(v));
        }),
      ),
  },
  'binaryCrossentropy from probabilities, smoothed': {
    input: share,
    call: (y, t) => tg.binaryCrossentropy(y, t, { labelSmoothing: 0.3 }),
    formula: (x, b) =>
      -mean(
        x.map((p, i) => {
          const t = 0.7 * b.oneHot[i]! + 0.15;
          return t * Math.log(p) + (1 - t) * Math.log(1 - p);
        }),
      ),
  },
  'categoricalCrossentropy from logits, smoothed': {
    input: output,
    call: (y, t) => tg.categoricalCrossentropy(y, t, { fromLogits: true, labelSmoothing: 0.2 }),
    formula: (x, b) =>
      mean(
        rowsOf(x, b).map((row, r) =>
          row.reduce((sum, v, c) => sum + (0.8 * Number(c === b.labels[r]) + 0.2 / b.classes) * (logSum(row) - v), 0),
        ),
      ),
  },
  'categoricalCrossentropy from probabilities, smoothed': {
    input: share,
    call: (y, t) => tg.categoricalCrossentropy(y, t, { labelSmoothing: 0.2 }),
    formula: (x, b) =>
      mean(
        rowsOf(x, b).map((row, r) => {
          const total = row.reduce((sum, p) => sum + p, 0);
          return row.reduce(
            (sum, p, c) => sum - (0.8 * Number(c === b.labels[r]) + 0.2 / b.classes) * Math.log(p / total),
            0,
          );
        }),
      ),
  },
  'categoricalCrossentropy from logits': {
    input: output,
    call: (y, t) => tg.categoricalCrossentropy(y, t, { fromLogits: true }),
    formula: (x, b) => mean(rowsOf(x, b).map((row, r) => logSum(row) - row[b.labels[r]!]!)),
  },
  'categoricalCrossentropy from probabilities': {
    input: share,
    call: (y, t) => tg.categoricalCrossentropy(y, t),
    formula: (x, b) =>
      -mean(
        rowsOf(x, b).map((row, r) => Math.log(clipProbability(row[b.labels[r]!]! / row.reduce((a, b) => a + b, 0)))),
      ),
  },
  'sparseCategoricalCrossentropy from logits': {
    input: output,
    call: (y, _, l) => tg.sparseCategoricalCrossentropy(y, l, { fromLogits: true }),
    formula: (x, b) => mean(rowsOf(x, b).map((row, r) => logSum(row) - row[b.labels[r]!]!)),
  },
  // Keras: clip, take the logarithm, and normalize it like logits: outputs need not sum to 1, nor be positive.
  'sparseCategoricalCrossentropy from outputs': {
    input: ({ share }) => share.map((p, i) => (i % 6 === 5 ? -0.5 : i % 6 === 2 ? 1 + p : p)),
    call: (y, _, l) => tg.sparseCategoricalCrossentropy(y, l),
    formula: (x, b) =>
      mean(
        rowsOf(x, b).map((row, r) => {
          const logs = row.map((p) => Math.log(clipProbability(p)));
          return logSum(logs) - logs[b.labels[r]!]!;
        }),
      ),
  },
};

describeOnDevice('losses follow their definitions', (device) => {
  test.each(Object.entries(cases))('%s', async (_name, { input, call, formula }) => {
    const drawn = fc.record({ rows: one([1, 2, 3, 7, 33]), classes: one([2, 3, 4, 10]), seed });
    await fc.assert(
      fc.asyncProperty(drawn, async ({ rows, classes, seed }) => {
        const b = batch(rows, classes, seed);
        const x = tg.tensor(device, input(b), [rows, classes], { requiresGrad: true });
        const loss = tg.scope(device, () => {
          const target = tg.tensor(device, b.oneHot, [rows, classes]);
          const result = call(x, target, tg.tensor(device, b.labels, [rows], { dtype: 'u32' }));
          result.backward();
          return result;
        });
        const values = Array.from(await x.data());
        expect(loss.shape).toEqual([]);
        const value = formula(values, b);
        // The logarithms have the absolute rounding error of 1.
        expectClose(await loss.data(), [value], { rtol: 2e-6, magnitude: [1 + value] });
        const slopes = values.map((v, i) => {
          const lossAt = (moved: number) => formula(values.with(i, moved), b);
          return (lossAt(v + 1e-6) - lossAt(v - 1e-6)) / 2e-6;
        });
        expectClose(await x.grad!.data(), slopes, { rtol: 1e-5, magnitude: slopes.map((s) => Math.abs(s) + 0.1) });
        x.grad!.dispose();
        x.dispose();
        loss.dispose();
      }),
      { seed: FAST_CHECK_SEED, numRuns: drawnCases(8) },
    );
  });

  /** The loss of one row of logits and its gradient. */
  async function ofRow(call: typeof tg.binaryCrossentropy, logits: number[], target: number[]) {
    const shape = [1, logits.length];
    const x = tg.tensor(device, logits, shape, { requiresGrad: true });
    const loss = tg.scope(device, () => {
      const result = call(x, tg.tensor(device, target, shape), { fromLogits: true });
      result.backward();
      return result;
    });
    const read = { loss: await loss.item(), gradient: Array.from(await x.grad!.data(), (v) => v + 0) };
    for (const t of [x.grad!, x, loss]) t.dispose();
    return read;
  }

  test.each<[number, number, number, number]>([
    [1e4, 1, 0, 0],
    [1e4, 0, 1e4, 1],
    [-1e4, 1, 1e4, -1],
    [-1e4, 0, 0, 0],
    // e^-20 = 2.06e-9 is far below the rounding of 20, so softplus(x) - x would be 0.
    [20, 1, Math.log1p(Math.exp(-20)), -1 / (1 + Math.exp(20))],
    [-20, 0, Math.log1p(Math.exp(-20)), 1 / (1 + Math.exp(20))],
    [60, 1, Math.exp(-60), -Math.exp(-60)],
    [0, 1, Math.LN2, -0.5],
  ])('binaryCrossentropy of the logit %d with target %d', async (x, target, loss, slope) => {
    const seen = await ofRow(tg.binaryCrossentropy, [x], [target]);
    // WGSL allows exp(x) an error of 3 + 2 |x| roundings.
    expectClose([seen.loss], [loss], { rtol: 1e-5 });
    expectClose(seen.gradient, [slope], { rtol: 1e-5 });
  });

  test.each<[number[], number[], number, number[]]>([
    [[1e4, -1e4, 0], [1, 0, 0], 0, [0, 0, 0]],
    [[1e4, -1e4, 0], [0, 1, 0], 2e4, [1, -1, 0]],
    [[1e4, -1e4, 0], [0, 0, 1], 1e4, [1, 0, -1]],
    [[-1e4, -1e4], [1, 0], Math.LN2, [-0.5, 0.5]],
  ])('categoricalCrossentropy of the logits %j with target %j', async (x, target, loss, slopes) => {
    const seen = await ofRow(tg.categoricalCrossentropy, x, target);
    expectClose([seen.loss], [loss], { rtol: 2e-7 });
    expectClose(seen.gradient, slopes, { rtol: 2e-7 });
  });

  const weighted: Record<string, (y: tg.Tensor, t: tg.Tensor, l: tg.Tensor, sampleWeight: tg.Tensor) => tg.Tensor> = {
    meanSquaredError: (y, t, _, sampleWeight) => tg.meanSquaredError(y, t, { sampleWeight }),
    meanAbsoluteError: (y, t, _, sampleWeight) => tg.meanAbsoluteError(y, t, { sampleWeight }),
    huber: (y, t, _, sampleWeight) => tg.huber(y, t, { delta: 0.8, sampleWeight }),
    'binaryCrossentropy from logits': (y, t, _, sampleWeight) =>
      tg.binaryCrossentropy(y, t, { fromLogits: true, sampleWeight }),
    'binaryCrossentropy from probabilities': (y, t, _, sampleWeight) => tg.binaryCrossentropy(y, t, { sampleWeight }),
    'categoricalCrossentropy from logits, smoothed': (y, t, _, sampleWeight) =>
      tg.categoricalCrossentropy(y, t, { fromLogits: true, labelSmoothing: 0.2, sampleWeight }),
    'sparseCategoricalCrossentropy from logits': (y, _, l, sampleWeight) =>
      tg.sparseCategoricalCrossentropy(y, l, { fromLogits: true, sampleWeight }),
    'sparseCategoricalCrossentropy from outputs': (y, _, l, sampleWeight) =>
      tg.sparseCategoricalCrossentropy(y, l, { sampleWeight }),
  };

  test.each(Object.entries(weighted))('%s with a weight for each sample', async (name, call) => {
    const { input, formula } = cases[name]!;
    const b = batch(6, 3, 11);
    const x = input(b);
    const weights = [0, 1, 2.5, 0.5, 1, 7];
    const part = (values: number[], r: number) => values.slice(3 * r, 3 * r + 3);
    // A sample alone has the loss of a batch of one; the divisor stays the number of samples.
    const alone = weights.map((_, r) =>
      formula(part(x, r), { ...b, rows: 1, labels: [b.labels[r]!], oneHot: part(b.oneHot, r) }),
    );
    const y = tg.tensor(device, x, [6, 3]);
    const target = tg.tensor(device, b.oneHot, [6, 3]);
    const labels = tg.tensor(device, b.labels, [6], { dtype: 'u32' });
    const sampleWeight = tg.tensor(device, weights, [6]);
    const loss = tg.scope(device, () => call(y, target, labels, sampleWeight));
    expectClose(await loss.data(), [mean(alone.map((value, r) => value * weights[r]!))], { rtol: 3e-6 });
    const wrong = tg.tensor(device, [1, 2], [2]);
    expect(() => call(y, target, labels, wrong)).toThrow(/sampleWeight must have .* \[6\], but has \[2\]/);
    // Any other value than a tensor is an error, and messages name the loss, not an operator inside it.
    const lossName = name.split(' ')[0];
    const callWith = (value: unknown) => () => call(y, target, labels, value as tg.Tensor);
    for (const value of [0, false, '', Number.NaN]) {
      expect(callWith(value)).toThrow(new RegExp(`^${lossName}: sampleWeight must be a tensor`));
    }
    expect(callWith(labels)).toThrow(new RegExp(`^${lossName}: sampleWeight must be f32`));
    const noTensor = [undefined, { length: -1 }] as unknown as tg.Tensor[];
    for (const value of noTensor) {
      const callWithBadTarget = () => call(y, value, value, sampleWeight);
      expect(callWithBadTarget).toThrow(ArgumentError);
      expect(callWithBadTarget).toThrow(new RegExp(`^${lossName}: .* must be a tensor`));
      expect(() => call(value, target, labels, sampleWeight)).toThrow(
        new RegExp(`^${lossName}: the output must be a tensor`),
      );
    }
    expect(() => call(labels, target, labels, sampleWeight)).toThrow(
      new RegExp(`^${lossName}: the output must be f32`),
    );
    for (const t of [y, target, labels, sampleWeight, loss, wrong]) t.dispose();
  });

  // Labels must be checked whatever the weight of the sample.
  test.each([
    ['without weights', undefined],
    ['with weights', [1, 1, 1]],
    ['with a weight of 2 for the others', [2, 1, 1]],
  ])('a label beyond the classes makes the loss NaN, and its row of the gradient: %s', async (_, weights) => {
    for (const fromLogits of [true, false]) {
      const y = tg.tensor(device, [0.1, 0.2, 0.7, 0.1, 0.2, 0.7, 0.3, 0.3, 0.4], [3, 3], { requiresGrad: true });
      const labels = tg.tensor(device, [1, 3, 2], [3], { dtype: 'u32' });
      const sampleWeight = weights && tg.tensor(device, weights, [3]);
      const loss = tg.sparseCategoricalCrossentropy(y, labels, { fromLogits, sampleWeight });
      loss.backward();
      expect(await loss.item()).toBeNaN();
      const gradient = Array.from(await y.grad!.data());
      expect(gradient.map(Number.isNaN)).toEqual([false, false, false, true, true, true, false, false, false]);
    }
  });

  test('losses: an invalid label makes a loss with one-hot targets NaN', async () => {
    const y = tg.tensor(device, [0.1, 0.9, 0.5, 0.5], [2, 2]);
    const target = tg.oneHot(tg.tensor(device, [1, 2], [2], { dtype: 'u32' }), 2);
    for (const loss of [tg.categoricalCrossentropy, tg.binaryCrossentropy, tg.meanSquaredError, tg.huber]) {
      expect(await loss(y, target).item()).toBeNaN();
    }
  });

  test('losses: throws for mismatched shapes and invalid options', () => {
    const [a, b] = [tg.tensor(device, [1, 2], [2]), tg.tensor(device, [1], [1])];
    expect(() => tg.meanSquaredError(a, b)).toThrow(/meanSquaredError.*\[2\].*\[1\]/);
    expect(() => tg.huber(a, a, { delta: -1 })).toThrow(/huber: delta.*-1/);
    expect(() => tg.binaryCrossentropy(a, a, { labelSmoothing: 1.5 })).toThrow(
      /binaryCrossentropy: labelSmoothing.*1.5/,
    );
    expect(() => tg.categoricalCrossentropy(a, a, { fromLogits: 1 as unknown as boolean })).toThrow(
      /categoricalCrossentropy: fromLogits.*1/,
    );
    expect(() => tg.categoricalCrossentropy(a, null as unknown as tg.Tensor)).toThrow(
      /categoricalCrossentropy: the target/,
    );
    a.dispose();
    b.dispose();
  });
});
