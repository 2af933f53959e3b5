import { test } from 'vitest';
import { ArgumentError, resize, ShapeError } from '../../../src/node.ts';
import { compareWithReference, runOperator } from '../../support/adapter.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { expectRefused, type InvalidCall } from '../../support/invalid-calls.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const method = (name: string) => ({ method: name as 'nearest' });

const wrong: InvalidCall[] = [
  ['rank', (t) => resize(t([4, 4, 1]), [2, 2]), ShapeError, ['resize', '[4,4,1]']],
  ['dtype', (t) => resize(t([1, 4, 4, 1], { dtype: 'u32' }), [2, 2]), ArgumentError, ['resize', 'u32']],
  ['no size', (t) => resize(t([1, 4, 4, 1]), [2, 0]), ArgumentError, ['resize', '[2,0]']],
  ['a fraction', (t) => resize(t([1, 4, 4, 1]), [2.5, 2]), ArgumentError, ['resize', '[2.5,2]']],
  ['one number', (t) => resize(t([1, 4, 4, 1]), 2 as unknown as [number, number]), ArgumentError, ['resize', '2']],
  ['method', (t) => resize(t([1, 4, 4, 1]), [2, 2], method('cubic')), ArgumentError, ['resize', 'cubic', 'bilinear']],
  ['no pixels', (t) => resize(t([1, 0, 4, 1]), [2, 2]), ShapeError, ['resize', '[1,0,4,1]', '[2,2]']],
  ['too large', (t) => resize(t([0, 4, 4, 1]), [2 ** 29, 2]), ShapeError, ['resize', '[0,4,4,1]']],
];

describeOnDevice('resize', (device) => {
  test.each(wrong.map((row) => [row[0], row] as const))('throws for %s', (_what, row) => expectRefused(device, row));

  // From the definition of tf.image.resize: half-pixel centers, edges repeated.
  test('resize: values computed by hand', async () => {
    const x = { shape: [1, 1, 4, 1], data: [0, 10, 20, 30] };
    const up = await runOperator(device, 'resize', [x], { size: [1, 8] }, [1, 1, 1, 1, 1, 1, 1, 1]);
    expectClose(up.output, [0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30]);
    expectClose(up.grads[0]!, [2, 2, 2, 2]);
    const down = await runOperator(device, 'resize', [x], { size: [1, 2] }, [1, 2]);
    expectClose(down.output, [5, 25]);
    expectClose(down.grads[0]!, [0.5, 0.5, 1, 1]);
    const nearest = await runOperator(device, 'resize', [x], { size: [1, 3], method: 'nearest' }, [1, 2, 3]);
    expectClose(nearest.output, [0, 20, 30]);
    expectClose(nearest.grads[0]!, [1, 0, 2, 3]);
  });

  test.each(['bilinear', 'nearest'])(
    'resize: %s to the same size changes no bit, not even of NaN and infinity',
    async (name) => {
      const data = [1, nan, -2, inf, 0.5, -inf, 2 ** 127, 2 ** -100, 7];
      const attrs = { size: [3, 3], method: name };
      const { output, grads } = await runOperator(device, 'resize', [{ shape: [1, 3, 3, 1], data }], attrs, data);
      expectClose(output, data, { rtol: 0 });
      expectClose(grads[0]!, data, { rtol: 0 });
    },
  );

  test('resize: NaN affects only the output pixels that read it', async () => {
    const x = { shape: [1, 1, 3, 1], data: [1, nan, 2] };
    const { output } = await runOperator(device, 'resize', [x], { size: [1, 9] }, Array(9).fill(1));
    expectClose(output, [1, 1, nan, nan, nan, nan, nan, 2, 2]);
  });

  test.each([
    [
      [1, 1, 1, 1],
      [1, 1],
    ],
    [
      [1, 1, 1, 2],
      [7, 13],
    ],
    [
      [2, 7, 11, 1],
      [1, 1],
    ],
    [
      [1, 32, 32, 3],
      [96, 96],
    ],
    [
      [1, 28, 28, 1],
      [32, 32],
    ],
    [
      [1, 131, 3, 1],
      [2, 67],
    ],
    [
      [1, 2, 67, 1],
      [3, 131],
    ],
    [
      [0, 3, 3, 1],
      [5, 5],
    ],
    [
      [2, 3, 3, 0],
      [5, 5],
    ],
  ])('resize: %j to %j', async (shape, size) => {
    for (const name of ['bilinear', 'nearest']) {
      await compareWithReference(device, 'resize', { inputs: [{ shape }], attrs: { size, method: name }, seed: 4 });
    }
  });
});
