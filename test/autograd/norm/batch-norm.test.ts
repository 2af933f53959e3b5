import { expect, test } from 'vitest';
import * as tg from '../../../src/node.ts';
import { batchNorm, statistics } from '../../reference/batch-norm.ts';
import { ndarray } from '../../reference/ndarray.ts';
import { compareWithReference, hostInputs, runForward, runOperator } from '../../support/adapter.ts';
import { expectClose, expectSameBits } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawLike } from '../../support/operator-cases.ts';
import { random } from '../../support/random.ts';

describeOnDevice('batchNorm', (device) => {
  const ones = (c: number) => ({ shape: [c], data: Array(c).fill(1) });
  const zeros = (c: number) => ({ shape: [c], data: Array(c).fill(0) });

  test('batchNorm: normalizes two values of a channel to -1 and 1', async () => {
    const x = { shape: [2, 2], data: [1, -10, 3, 30] };
    const scale = { shape: [2], data: [2, 0.5] };
    const offset = { shape: [2], data: [10, 0] };
    const { output, grads } = await runOperator(device, 'batchNorm', [x, scale, offset], { epsilon: 0 }, [1, 0, 0, 3]);
    expectClose(output, [8, -0.5, 12, 0.5]);
    expectClose(grads[1]!, [-1, 3]);
    expectClose(grads[2]!, [1, 3]);
  });

  test('batchNorm: with one row, y is the offset and the gradient of x is 0, because the deviation is 0', async () => {
    const x = { shape: [1, 3], data: [5, -1e4, 0] };
    const offset = { shape: [3], data: [1, 2, 3] };
    const { output, grads } = await runOperator(device, 'batchNorm', [x, ones(3), offset], {}, [7, 8, 9]);
    expectClose(output, [1, 2, 3]);
    expectClose(grads[0]!, [0, 0, 0]);
    expectClose(grads[1]!, [0, 0, 0]);
    expectClose(grads[2]!, [7, 8, 9]);
  });

  test('batchNorm: equal rows give finite results', async () => {
    const x = { shape: [100, 2], data: Array(200).fill(0.1) };
    const { output, grads } = await runOperator(
      device,
      'batchNorm',
      [x, ones(2), zeros(2)],
      {},
      (shape) => drawLike(shape, 3).data,
    );
    for (const y of Array.from(output)) expect(Math.abs(y)).toBeLessThan(1e-5);
    for (const g of Array.from(grads[0]!)) expect(Number.isFinite(g)).toBe(true);
  });

  test('batchNorm: a large mean does not hide the variance', async () => {
    // E[x^2] - E[x]^2 in f32 would cancel: 1e6 +- 8 for a variance of 1.
    const values = random(4);
    const x = ndarray(
      [1009, 2],
      Array.from({ length: 2018 }, () => Math.fround(1000 + values.normal())),
    );
    const running = [tg.tensor(device, [0, 0], [2]), tg.tensor(device, [0, 0], [2])] as const;
    const tensors = [x, ones(2), zeros(2)].map(({ shape, data }) => tg.tensor(device, data, shape));
    const [input, scale, offset] = tensors as [tg.Tensor, tg.Tensor, tg.Tensor];
    using y = tg.batchNorm(input, scale, offset, { momentum: 0, running: { mean: running[0], variance: running[1] } });
    const { mean, variance } = statistics(x);
    expectClose(await running[0].data(), mean.data, { rtol: 1e-6 });
    expectClose(await running[1].data(), variance.data, { rtol: 1e-6 });
    const expected = batchNorm.forward([x, ndarray([2], [1, 1]), ndarray([2])], { epsilon: 1e-3 });
    expectClose(await y.data(), expected.data, { magnitude: x.data, rtol: 1e-6 });
    for (const t of [...tensors, ...running]) t.dispose();
  });

  test.each([[[4, 16, 16, 24]], [[2, 7, 7, 131]], [[3001, 1]], [[64, 5]], [[65, 5]], [[2, 1]]])(
    'batchNorm: %j',
    async (shape) => {
      const c = shape.slice(-1);
      const inputs = [{ shape }, { shape: c }, { shape: c }];
      await compareWithReference(device, 'batchNorm', { inputs, attrs: { epsilon: 1e-3 }, seed: 3 });
    },
  );

  test('batchNorm: NaN and infinities stay in their channel', async () => {
    const x = { shape: [2, 3], data: [Number.NaN, 1, Number.POSITIVE_INFINITY, 1, 3, 2] };
    const inputs = [x, ones(3), zeros(3)];
    const { output, grads } = await runOperator(device, 'batchNorm', inputs, { epsilon: 0 }, [1, 1, 1, 1, 1, 1]);
    const nan = Number.NaN;
    expectClose(output, [nan, -1, nan, nan, 1, nan]);
    expectClose(grads[0]!, [nan, 0, nan, nan, 0, nan]);
  });

  test('batchNorm: running statistics move by 1 - momentum, with the biased variance, separately for each replica', async () => {
    const make = (data: number[], shape: number[]) => tg.tensor(device, data, shape, { models: 2 });
    const x = make([1, 3, 10, 30], [2, 1]); // means 2 and 20, variances 1 and 100
    const [scale, offset] = [make([1, 1], [1]), make([0, 0], [1])];
    const [mean, variance] = [make([0, 4], [1]), make([1, 0], [1])];
    for (let step = 0; step < 2; step++) {
      tg.batchNorm(x, scale, offset, { momentum: 0.75, running: { mean, variance } }).dispose();
    }
    expectClose(await mean.data(), [0.5 + 0.375, 8 + 3]);
    expectClose(await variance.data(), [1, 25 + 18.75]);
    for (const t of [x, scale, offset, mean, variance]) t.dispose();
  });

  test('batchNormInference: normalizes with the given statistics', async () => {
    const [x, scale, offset] = [{ shape: [2, 1], data: [3, 5] }, ones(1), { shape: [1], data: [0.5] }];
    const inputs = [x, scale, offset, { shape: [1], data: [1] }, { shape: [1], data: [4] }];
    const { output, grads } = await runOperator(device, 'batchNormInference', inputs, { epsilon: 0 }, [1, 10]);
    expectClose(output, [1.5, 2.5]);
    expectClose(grads[0]!, [0.5, 5]);
    expectClose(grads[1]!, [21]);
    expectClose(grads[2]!, [11]);
    expect(grads.slice(3)).toEqual([null, null]);
  });

  test('batchNorm: long columns have the same bits with one replica and with three', async () => {
    const shapes = [[4001, 3], [3], [3]];
    const inputs = hostInputs({ inputs: shapes.map((shape) => ({ shape })), attrs: {}, seed: 5 });
    const three = (values: ArrayLike<number>) => Array.from({ length: 3 }, () => Array.from(values)).flat();
    const dout = (shape: readonly number[]) => drawLike(shape, 6).data;
    for (const attrs of [{}, { activation: 'relu6' }]) {
      const alone = await runOperator(device, 'batchNorm', inputs, attrs, dout);
      const stacked = inputs.map((input) => ({ ...input, data: three(input.data) }));
      const together = await runOperator(device, 'batchNorm', stacked, attrs, (s) => three(dout(s)), 3);
      expectSameBits(together.output, three(alone.output));
      for (const k of [0, 1, 2]) expectSameBits(together.grads[k]!, three(alone.grads[k]!), `gradient ${k}`);
    }
  });

  test.each(['relu', 'relu6'] as const)(
    'batchNorm: results and gradients with activation %s equal those of a separate operator',
    async (activation) => {
      // Values and gradients are exact: deviations of 1 around a mean of 0, scaled onto, between and beyond both kinks.
      const x = { shape: [2, 7], data: [1, -1, 1, 1, -1, 1, Number.NaN, -1, 1, -1, -1, 1, -1, 1] };
      const scale = { shape: [7], data: [0, 0, 3, 8, 1, 2, 1] };
      const offset = { shape: [7], data: [0, 6, 2, 1, -5, 4, 0] };
      const statistics = [zeros(7), ones(7)];
      const dy = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
      for (const [name, more] of [
        ['batchNorm', []],
        ['batchNormInference', statistics],
      ] as const) {
        const inputs = [x, scale, offset, ...more];
        const plain = await runForward(device, name, inputs, { epsilon: 0 });
        const after = await runOperator(device, activation, [{ shape: [2, 7], data: plain }], {}, dy);
        const apart = await runOperator(device, name, inputs, { epsilon: 0 }, after.grads[0]!);
        const fused = await runOperator(device, name, inputs, { epsilon: 0, activation }, dy);
        expectClose(fused.output, after.output);
        for (const k of [0, 1, 2]) expectClose(fused.grads[k]!, apart.grads[k]!);
        expect(Array.from(fused.output).filter((value) => value === 0).length).toBeGreaterThan(0);
        if (activation === 'relu6') expect(Math.max(...Array.from(fused.output).slice(0, 6))).toBe(6);
      }
    },
  );

  test.each([
    [[4, 16, 16, 24], 'relu6'],
    [[2, 7, 7, 131], 'relu'],
    [[3001, 1], 'relu6'],
    [[64, 6], 'relu'],
  ] as const)('batchNorm: %j with %s', async (shape, activation) => {
    const c = { shape: [shape.at(-1)!] };
    const inputs = [{ shape: [...shape] }, c, c];
    await compareWithReference(device, 'batchNorm', { inputs, attrs: { epsilon: 1e-3, activation }, seed: 3 });
    const fixed = { inputs: [...inputs, c, c], attrs: { epsilon: 9, activation }, seed: 4 };
    await compareWithReference(device, 'batchNormInference', fixed);
  });

  type Call = (t: (shape: number[], dtype?: 'f32' | 'u32') => tg.Tensor) => unknown;
  test.each<[string, Call, typeof tg.TilegradError, string[]]>([
    ['scale', (t) => tg.batchNorm(t([4, 3]), t([4]), t([3])), tg.ShapeError, ['the scale', '[4]', '[3]', '[4,3]']],
    ['offset', (t) => tg.batchNorm(t([4, 3]), t([3]), t([1, 3])), tg.ShapeError, ['the offset', '[1,3]', '[3]']],
    ['a scalar', (t) => tg.batchNorm(t([]), t([1]), t([1])), tg.ShapeError, ['[]']],
    ['an empty batch', (t) => tg.batchNorm(t([0, 3]), t([3]), t([3])), tg.ShapeError, ['empty', '[0,3]']],
    ['dtype', (t) => tg.batchNorm(t([4, 3], 'u32'), t([3]), t([3])), tg.ArgumentError, ['u32', '[4,3]']],
    ['epsilon', (t) => tg.batchNorm(t([4, 3]), t([3]), t([3]), { epsilon: -1 }), tg.ArgumentError, ['epsilon', '-1']],
    ['momentum', (t) => tg.batchNorm(t([4, 3]), t([3]), t([3]), { momentum: 2 }), tg.ArgumentError, ['momentum', '2']],
    [
      'activation',
      (t) => tg.batchNorm(t([4, 3]), t([3]), t([3]), { activation: 'tanh' as 'relu' }),
      tg.ArgumentError,
      ['activation', 'relu, relu6', 'tanh'],
    ],
    [
      'running',
      (t) => tg.batchNorm(t([4, 3]), t([3]), t([3]), { running: { mean: t([2]), variance: t([3]) } }),
      tg.ShapeError,
      ['the running mean', '[2]'],
    ],
    [
      'no variance',
      (t) => tg.batchNormInference(t([4, 3]), t([3]), t([3]), t([3]), 1 as unknown as tg.Tensor),
      tg.ArgumentError,
      ['batchNormInference', 'the variance', '1'],
    ],
  ])('throws for %s', (_what, call, error, says) => {
    const runScoped = () =>
      tg.scope(device, () => {
        call((shape, dtype) =>
          tg.tensor(device, new Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape, { dtype }),
        );
      });
    expect(runScoped).toThrow(error);
    for (const part of ['batchNorm', ...says]) expect(runScoped).toThrow(part);
  });
});
