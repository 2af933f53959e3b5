import { expect, test } from 'vitest';
import * as tg from '../../src/autograd/index.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';

const [ROWS, CLASSES] = [3, 4];
const output = [0.3, -1.2, 2.1, 0.4, 0.9, 0.05, -0.4, 1.7, -2.3, 0.6, 0.15, 1.1].map(Math.fround);
const share = [0.2, 0.5, 0.1, 0.2, 0.7, 0.1, 0.05, 0.15, 0.25, 0.3, 0.4, 0.05].map(Math.fround);
const oneHot = [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1];
const labels = [1, 0, 3];
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const rows = (x: number[]) => Array.from({ length: ROWS }, (_, r) => x.slice(r * CLASSES, (r + 1) * CLASSES));
const logSum = (row: number[]) => Math.log(row.reduce((s, v) => s + Math.exp(v), 0));
const kept = (p: number) => Math.min(1 - 1e-7, Math.max(1e-7, p));

interface Case {
  input: number[];
  call(y: tg.Tensor, target: tg.Tensor, labels: tg.Tensor): tg.Tensor;
  /** The definition, in float64. */
  formula(x: number[]): number;
}

const cases: Record<string, Case> = {
  meanSquaredError: {
    input: output,
    call: (y, t) => tg.meanSquaredError(y, t),
    formula: (x) => mean(x.map((v, i) => (v - oneHot[i]!) ** 2)),
  },
  meanAbsoluteError: {
    input: output,
    call: (y, t) => tg.meanAbsoluteError(y, t),
    formula: (x) => mean(x.map((v, i) => Math.abs(v - oneHot[i]!))),
  },
  huber: {
    input: output,
    call: (y, t) => tg.huber(y, t, { delta: 0.8 }),
    formula: (x) =>
      mean(
        x.map((v, i) => {
          const e = Math.abs(v - oneHot[i]!);
          return e <= 0.8 ? e ** 2 / 2 : 0.8 * (e - 0.4);
        }),
      ),
  },
  'binaryCrossentropy from logits': {
    input: output,
    call: (y, t) => tg.binaryCrossentropy(y, t, { fromLogits: true }),
    formula: (x) => mean(x.map((v, i) => Math.log1p(Math.exp(oneHot[i] ? -v : v)))),
  },
  'binaryCrossentropy from probabilities': {
    input: share,
    call: (y, t) => tg.binaryCrossentropy(y, t),
    formula: (x) => -mean(x.map((p, i) => Math.log(oneHot[i] ? kept(p) : 1 - kept(p)))),
  },
  'binaryCrossentropy from logits, smoothed': {
    input: output,
    call: (y, t) => tg.binaryCrossentropy(y, t, { fromLogits: true, labelSmoothing: 0.3 }),
    formula: (x) =>
      mean(
        x.map((v, i) => {
          const t = 0.7 * oneHot[i]! + 0.15;
          return t * Math.log1p(Math.exp(-v)) + (1 - t) * Math.log1p(Math.exp(v));
        }),
      ),
  },
  'binaryCrossentropy from probabilities, smoothed': {
    input: share,
    call: (y, t) => tg.binaryCrossentropy(y, t, { labelSmoothing: 0.3 }),
    formula: (x) =>
      -mean(
        x.map((p, i) => {
          const t = 0.7 * oneHot[i]! + 0.15;
          return t * Math.log(p) + (1 - t) * Math.log(1 - p);
        }),
      ),
  },
  'categoricalCrossentropy from logits, smoothed': {
    input: output,
    call: (y, t) => tg.categoricalCrossentropy(y, t, { fromLogits: true, labelSmoothing: 0.2 }),
    formula: (x) =>
      mean(
        rows(x).map((row, r) =>
          row.reduce((sum, v, c) => sum + (0.8 * Number(c === labels[r]) + 0.05) * (logSum(row) - v), 0),
        ),
      ),
  },
  'categoricalCrossentropy from probabilities, smoothed': {
    input: share,
    call: (y, t) => tg.categoricalCrossentropy(y, t, { labelSmoothing: 0.2 }),
    formula: (x) =>
      mean(
        rows(x).map((row, r) => {
          const total = row.reduce((a, b) => a + b, 0);
          return row.reduce((sum, p, c) => sum - (0.8 * Number(c === labels[r]) + 0.05) * Math.log(p / total), 0);
        }),
      ),
  },
  'categoricalCrossentropy from logits': {
    input: output,
    call: (y, t) => tg.categoricalCrossentropy(y, t, { fromLogits: true }),
    formula: (x) => mean(rows(x).map((row, r) => logSum(row) - row[labels[r]!]!)),
  },
  'categoricalCrossentropy from probabilities': {
    input: share,
    call: (y, t) => tg.categoricalCrossentropy(y, t),
    formula: (x) => -mean(rows(x).map((row, r) => Math.log(kept(row[labels[r]!]! / row.reduce((a, b) => a + b, 0))))),
  },
  'sparseCategoricalCrossentropy from logits': {
    input: output,
    call: (y, _, l) => tg.sparseCategoricalCrossentropy(y, l, { fromLogits: true }),
    formula: (x) => mean(rows(x).map((row, r) => logSum(row) - row[labels[r]!]!)),
  },
  // Keras: clip, take the logarithm, and normalise that as logits are: outputs need not sum to 1, nor be positive.
  'sparseCategoricalCrossentropy from outputs': {
    input: output.map((v, i) => (i === 5 ? -0.5 : Math.abs(v) / 3)),
    call: (y, _, l) => tg.sparseCategoricalCrossentropy(y, l),
    formula: (x) =>
      mean(
        rows(x).map((row, r) => {
          const logs = row.map((p) => Math.log(kept(p)));
          return logSum(logs) - logs[labels[r]!]!;
        }),
      ),
  },
};

describeOnDevice('losses follow their definitions', (device) => {
  test.each(Object.entries(cases))('%s', async (_name, { input, call, formula }) => {
    const x = tg.tensor(device, input, [ROWS, CLASSES], { requiresGrad: true });
    const loss = tg.scope(device, () => {
      const target = tg.tensor(device, oneHot, [ROWS, CLASSES]);
      const result = call(x, target, tg.tensor(device, labels, [ROWS], { dtype: 'u32' }));
      result.backward();
      return result;
    });
    const values = Array.from(await x.data());
    expect(loss.shape).toEqual([]);
    expectClose(await loss.data(), [formula(values)], { rtol: 2e-6 });
    const slopes = values.map((v, i) => {
      const at = (moved: number) => formula(values.map((other, k) => (k === i ? moved : other)));
      return (at(v + 1e-6) - at(v - 1e-6)) / 2e-6;
    });
    expectClose(await x.grad!.data(), slopes, { rtol: 1e-5, magnitude: slopes.map((s) => Math.abs(s) + 0.1) });
    x.grad!.dispose();
    x.dispose();
    loss.dispose();
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

  test('shapes and options that do not fit are refused', () => {
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
