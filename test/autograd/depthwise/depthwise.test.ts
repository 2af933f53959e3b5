import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as tg from '../../../src/node.ts';
import { compareWithReference, hostInputs, runOperator } from '../../support/adapter.ts';
import { depthwiseCase } from '../../support/cases-depthwise.ts';
import { expectClose, expectSameBits } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawLike, drawnCases, FAST_CHECK_SEED } from '../../support/operator-cases.ts';

const drawn = { seed: FAST_CHECK_SEED, numRuns: drawnCases(25) };

describeOnDevice('depthwiseConv2d', (device) => {
  test('each channel has separate filters, whose outputs are adjacent', async () => {
    const x = { shape: [1, 1, 2, 2], data: [1, 10, 2, 20] };
    const filter = { shape: [1, 2, 2, 2], data: [1, 2, 3, 4, 5, 6, 7, 8] };
    const bias = { shape: [4], data: [0.5, 0, 0, -1] };
    const { output, grads } = await runOperator(device, 'depthwiseConv2d', [x, filter, bias], {}, [1, 2, 3, 4]);
    expectClose(output, [1 + 10 + 0.5, 2 + 12, 30 + 140, 40 + 160 - 1]);
    expectClose(grads[0]!, [1 + 4, 9 + 16, 5 + 12, 21 + 32]);
    expectClose(grads[1]!, [1, 2, 30, 40, 2, 4, 60, 80]);
    expectClose(grads[2]!, [1, 2, 3, 4]);
  });

  test.each<[number[][], object]>([
    [[[1, 1, 1, 1], [1, 1, 1, 1], [1]], {}],
    [[[1, 1, 1, 3], [5, 5, 3, 2], [6]], { padding: 'same', strides: 2 }],
    // MobileNetV2's: 3x3, 'same', stride 1 and 2, on odd and even sizes.
    [
      [
        [2, 32, 32, 16],
        [3, 3, 16, 1],
      ],
      { padding: 'same' },
    ],
    [
      [
        [2, 31, 32, 24],
        [3, 3, 24, 1],
      ],
      { padding: 'same', strides: 2 },
    ],
    [
      [
        [1, 7, 7, 131],
        [3, 3, 131, 1],
      ],
      { padding: 'same', dilation: 2 },
    ],
    [
      [
        [0, 5, 5, 2],
        [3, 3, 2, 2],
      ],
      {},
    ],
    [
      [
        [2, 5, 5, 0],
        [3, 3, 0, 2],
      ],
      {},
    ],
  ])('%j %j', async (shapes, attrs) => {
    await compareWithReference(device, 'depthwiseConv2d', {
      inputs: shapes.map((shape) => ({ shape })),
      attrs,
      seed: 11,
    });
  });

  test('exact for small integers', async () => {
    await fc.assert(
      fc.asyncProperty(depthwiseCase('full'), async (c) => {
        await compareWithReference(device, 'depthwiseConv2d', c, 'integer');
      }),
      drawn,
    );
  });

  test('a long filter gradient has the same bits with one replica and with three', async () => {
    const inputs = hostInputs({ inputs: [{ shape: [6, 31, 29, 5] }, { shape: [3, 3, 5, 2] }], attrs: {}, seed: 5 });
    const three = (values: ArrayLike<number>) => Array.from({ length: 3 }, () => Array.from(values)).flat();
    const dout = (shape: readonly number[]) => drawLike(shape, 6).data;
    const alone = await runOperator(device, 'depthwiseConv2d', inputs, {}, dout);
    const stacked = inputs.map((input) => ({ ...input, data: three(input.data) }));
    const together = await runOperator(device, 'depthwiseConv2d', stacked, {}, (s) => three(dout(s)), 3);
    expectSameBits(together.output, three(alone.output));
    for (const k of [0, 1]) expectSameBits(together.grads[k]!, three(alone.grads[k]!), `gradient ${k}`);
  });

  test('four channels at once have the same results as one at a time', async () => {
    const inputs = hostInputs(
      { inputs: [{ shape: [2, 9, 7, 8] }, { shape: [3, 3, 8, 1] }], attrs: {}, seed: 8 },
      'integer',
    );
    const attrs = { padding: 'same', strides: 2 };
    const dout = drawLike([2, 5, 4, 8], 9, 'integer').data;
    const together = await runOperator(device, 'depthwiseConv2d', inputs, attrs, dout);
    const channel = (values: ArrayLike<number>, c: number) => Array.from(values).filter((_, i) => i % 8 === c);
    for (let c = 0; c < 8; c++) {
      const one = inputs.map(({ shape, data }, k) => ({
        shape: k === 0 ? [...shape.slice(0, 3), 1] : [3, 3, 1, 1],
        data: channel(data, c),
      }));
      const alone = await runOperator(device, 'depthwiseConv2d', one, attrs, channel(dout, c));
      expectSameBits(
        channel(together.output, c).map((v) => v + 0),
        Array.from(alone.output, (v) => v + 0),
      );
      for (const k of [0, 1]) {
        const [got, expected] = [channel(together.grads[k]!, c), Array.from(alone.grads[k]!)];
        expectSameBits(
          got.map((v) => v + 0),
          expected.map((v) => v + 0),
          `gradient ${k}`,
        );
      }
    }
  });

  test('NaN and infinities stay in their channel and window', async () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    const x = { shape: [1, 1, 3, 2], data: [nan, 1, 2, 2, 3, inf] };
    const filter = { shape: [1, 2, 2, 1], data: [1, 1, 1, -1] };
    const { output } = await runOperator(device, 'depthwiseConv2d', [x, filter], {}, [0, 0, 0, 0]);
    expectClose(output, [nan, -1, 5, -inf]);
  });

  type Call = (t: (shape: number[], dtype?: 'f32' | 'u32') => tg.Tensor) => unknown;
  test.each<[string, Call, typeof tg.TilegradError, string[]]>([
    [
      'channels',
      (t) => tg.depthwiseConv2d(t([1, 8, 8, 3]), t([3, 3, 4, 1])),
      tg.ShapeError,
      ['[1,8,8,3]', '[3,3,4,1]'],
    ],
    ['rank of x', (t) => tg.depthwiseConv2d(t([8, 8, 3]), t([3, 3, 3, 1])), tg.ShapeError, ['[8,8,3]']],
    ['rank of filter', (t) => tg.depthwiseConv2d(t([1, 8, 8, 3]), t([3, 3, 3])), tg.ShapeError, ['[3,3,3]']],
    ['bias', (t) => tg.depthwiseConv2d(t([1, 8, 8, 3]), t([3, 3, 3, 2]), t([3])), tg.ShapeError, ['[6]', '[3]']],
    ['window', (t) => tg.depthwiseConv2d(t([1, 2, 2, 1]), t([3, 3, 1, 1])), tg.ShapeError, ['3x3', '[1,2,2,1]']],
    ['dtype', (t) => tg.depthwiseConv2d(t([1, 8, 8, 3], 'u32'), t([3, 3, 3, 1])), tg.ArgumentError, ['u32']],
    [
      'strides',
      (t) => tg.depthwiseConv2d(t([1, 8, 8, 3]), t([3, 3, 3, 1]), null, { strides: 0 }),
      tg.ArgumentError,
      ['strides', '0'],
    ],
  ])('throws for %s', (_what, call, error, says) => {
    const runScoped = () =>
      tg.scope(device, () => {
        call((shape, dtype) =>
          tg.tensor(device, new Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape, { dtype }),
        );
      });
    expect(runScoped).toThrow(error);
    for (const part of ['depthwiseConv2d', ...says]) expect(runScoped).toThrow(part);
  });
});
