import { expect, test } from 'vitest';
import * as tg from '../../../src/node.ts';
import { compareWithReference, runOperator } from '../../support/adapter.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** The courseworks' windows, and edges that come out uneven. */
const windows: [shape: number[], attrs: { poolSize: number | [number, number]; strides?: number; padding?: 'same' }][] =
  [
    [[2, 28, 28, 3], { poolSize: 9, strides: 1 }],
    [[1, 9, 9, 2], { poolSize: 9 }],
    [[2, 29, 31, 3], { poolSize: 9, padding: 'same' }],
    [[2, 25, 25, 4], { poolSize: 5, strides: 5 }],
    [[2, 23, 27, 3], { poolSize: 5, strides: 5, padding: 'same' }],
    [[1, 7, 11, 5], { poolSize: 3, strides: 1, padding: 'same' }],
    [[1, 7, 11, 5], { poolSize: [2, 4], strides: 3, padding: 'same' }],
    [[1, 1, 1, 3], { poolSize: 9, padding: 'same' }],
    [[1, 13, 13, 1], { poolSize: 2, strides: 5 }],
    [[1, 3, 3, 67], { poolSize: 3, strides: 2, padding: 'same' }],
  ];

describeOnDevice('pooling', (device) => {
  test.each(windows)('pooling over %j: %j', async (shape, attrs) => {
    for (const name of ['maxPool2d', 'avgPool2d'] as const) {
      await compareWithReference(device, name, { inputs: [{ shape }], attrs, seed: 3 });
    }
  });

  test('avgPool2d: padding is not counted', async () => {
    const x = { shape: [1, 1, 3, 1], data: [2, 4, 7] };
    const { output, grads } = await runOperator(device, 'avgPool2d', [x], { poolSize: 2, padding: 'same' }, [6, 5]);
    expectClose(output, [3, 7]);
    expectClose(grads[0]!, [3, 3, 5]);
  });

  test('avgPool2d: NaN and infinities stay in their windows', async () => {
    const x = { shape: [1, 2, 6, 1], data: [9, nan, 1, inf, inf, 2, nan, 9, 5, 1, -inf, 2] };
    const { output } = await runOperator(device, 'avgPool2d', [x], { poolSize: 2 }, [1, 1, 1]);
    expectClose(output, [nan, inf, nan]);
  });

  test('globalAveragePool2d: NaN and infinities stay in their channel', async () => {
    const x = { shape: [1, 2, 1, 3], data: [nan, inf, 1, 2, 3, 2] };
    const { output, grads } = await runOperator(device, 'globalAveragePool2d', [x], {}, [2, 4, 6]);
    expectClose(output, [nan, inf, 1.5]);
    expectClose(grads[0]!, [1, 2, 3, 1, 2, 3]);
  });

  test.each([
    [1, 1, 1, 1],
    [3, 7, 7, 130],
    [2, 31, 29, 3],
    [0, 4, 4, 2],
  ])('globalAveragePool2d of [%i,%i,%i,%i]', async (...shape) => {
    await compareWithReference(device, 'globalAveragePool2d', { inputs: [{ shape }], attrs: {}, seed: 5 });
  });

  test('avgPool2d: an empty batch', async () => {
    const c = { inputs: [{ shape: [0, 4, 4, 2] }], attrs: { poolSize: 2 }, seed: 1 };
    await compareWithReference(device, 'avgPool2d', c);
  });

  test.each<[string, number[], (x: tg.Tensor) => unknown, typeof tg.TilegradError, string[]]>([
    ['rank', [8, 8, 3], (x) => tg.avgPool2d(x, { poolSize: 2 }), tg.ShapeError, ['avgPool2d', '[8,8,3]']],
    ['window', [1, 2, 2, 1], (x) => tg.avgPool2d(x, { poolSize: 3 }), tg.ShapeError, ['avgPool2d', '3x3', '[1,2,2,1]']],
    ['size', [1, 2, 2, 1], (x) => tg.avgPool2d(x, { poolSize: -1 }), tg.ArgumentError, ['avgPool2d', 'poolSize', '-1']],
    ['rank', [8, 3], (x) => tg.globalAveragePool2d(x), tg.ShapeError, ['globalAveragePool2d', '[8,3]']],
    ['pixels', [1, 0, 3, 2], (x) => tg.globalAveragePool2d(x), tg.ShapeError, ['globalAveragePool2d', '[1,0,3,2]']],
  ])('throws for %s of %j', (_what, shape, call, error, says) => {
    using x = tg.tensor(device, new Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape);
    expect(() => call(x)).toThrow(error);
    for (const part of says) expect(() => call(x)).toThrow(part);
  });

  test('pooling: throws ArgumentError for integers', () => {
    using x = tg.tensor(device, [1, 2, 3, 4], [1, 2, 2, 1], { dtype: 'u32' });
    expect(() => tg.avgPool2d(x, { poolSize: 2 })).toThrow(/avgPool2d: .*u32/);
    expect(() => tg.globalAveragePool2d(x)).toThrow(/globalAveragePool2d: .*u32/);
  });
});
