import { expect, test } from 'vitest';
import { ArgumentError, logSoftmax, ShapeError, softmax } from '../../../src/node.ts';
import { ndarray } from '../../reference/ndarray.ts';
import { logSoftmax as reference } from '../../reference/softmax.ts';
import { compareWithReference, runOperator } from '../../support/adapter.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { expectRefused, type InvalidCall } from '../../support/invalid-calls.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

const wrong: InvalidCall[] = [
  ['softmax: axis', (t) => softmax(t([2, 3]), { axis: 2 }), ShapeError, ['softmax', 'axis 2', '[2,3]']],
  ['logSoftmax: scalar', (t) => logSoftmax(t([])), ShapeError, ['logSoftmax', '[]']],
  ['logSoftmax: no class', (t) => logSoftmax(t([2, 0, 3]), { axis: 1 }), ShapeError, ['logSoftmax', '[2,0,3]']],
  ['logSoftmax: dtype', (t) => logSoftmax(t([2], { dtype: 'u32' })), ArgumentError, ['logSoftmax', 'u32', '[2]']],
  ['softmax: axes', (t) => softmax(t([2]), { axis: [0] as unknown as number }), ArgumentError, ['softmax', '[0]']],
];

describeOnDevice('softmax and logSoftmax', (device) => {
  test.each(wrong.map((row) => [row[0], row] as const))('throws for %s', (_what, row) => expectRefused(device, row));

  const rows = [
    [1e4, -1e4, 0, 1e4],
    [-1e4, -1e4, -1e4, -1e4],
    [88.8, 0, -88.8, 1],
    [-inf, 2, 2, -inf],
  ];

  test.each(rows.map((row) => [row]))('logSoftmax of %j', async (row) => {
    const x = ndarray([1, 4], row);
    const y = reference.forward([x], {});
    const { output, grads } = await runOperator(device, 'logSoftmax', [x], {}, [1, -2, 3, 0.5]);
    expectClose(output, y.data, { rtol: 2e-6 });
    const [dx] = reference.backward([x], y, ndarray([1, 4], [1, -2, 3, 0.5]), {});
    expectClose(grads[0]!, dx!.data, { magnitude: [4, 4, 4, 4], rtol: 2e-6 });
  });

  test.each(['softmax', 'logSoftmax'] as const)('%s: NaN and infinity stay in their own column', async (name) => {
    const x = { shape: [3, 3], data: [1, nan, 5, 2, 3, inf, 3, 4, 5] };
    const { output, grads } = await runOperator(device, name, [x], { axis: 0 }, Array(9).fill(1));
    for (const values of [output, grads[0]!]) {
      expect(Array.from(values, Number.isFinite).filter((_, i) => i % 3 === 0)).toEqual([true, true, true]);
      expect(Array.from(values, Number.isNaN).filter((_, i) => i % 3 === 1)).toEqual([true, true, true]);
      expect(Number.isNaN(values[5])).toBe(true);
    }
  });

  test.each([
    ['softmax', [2, 67, 3], { axis: 1 }],
    ['logSoftmax', [1], {}],
    ['logSoftmax', [3, 1], {}],
    ['logSoftmax', [2, 1009], {}],
    ['logSoftmax', [131, 1, 2], { axis: 0 }],
    ['logSoftmax', [0, 3], {}],
  ] as const)('%s of %j %j', async (name, shape, attrs) => {
    await compareWithReference(device, name, { inputs: [{ shape: [...shape] }], attrs, seed: 3 });
  });
});
