import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { OperatorName } from '../reference/index.ts';
import { compareWithReference } from '../support/adapter.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawnCases, FAST_CHECK_SEED, type OperatorCase, one, seed } from '../support/operator-cases.ts';

// Kernels that are selected by the shape. The drawn cases of operators use some of them rarely, so each has cases here, at the sizes
// where the choice changes. Integers, so the result is exact for any order of additions.

const image = fc.tuple(
  one([1, 2, 3]),
  fc.integer({ min: 1, max: 17 }),
  fc.integer({ min: 1, max: 17 }),
  one([1, 2, 3, 4, 5, 7, 8, 16, 17]),
);
const padding = fc.constantFrom('valid', 'same');
const stride = fc.tuple(one([1, 2, 3]), one([1, 2, 3]));

/** Windows that are adjacent, overlap or have gaps. The number of channels selects the vector width. */
function poolCase(disjoint: boolean, lanes: 1 | 2 | 4): fc.Arbitrary<OperatorCase> {
  return fc
    .record({ image, poolSize: fc.tuple(one([1, 2, 3, 5]), one([1, 2, 3, 5])), strides: stride, padding, seed })
    .filter(({ image, poolSize, strides, padding }) => {
      const side = poolSize.every((n, d) => n === strides[d]) && padding === 'valid';
      return disjoint || (!side && (padding === 'same' || poolSize.every((n, d) => n <= image[d + 1]!)));
    })
    .map(({ image: [n, height, width, count], poolSize, strides, padding, seed }) => {
      // Odd, even but no multiple of four, or a multiple of four.
      const channels = lanes * (lanes === 4 ? count : 2 * Math.floor(count / 2) + 1);
      if (!disjoint)
        return { inputs: [{ shape: [n, height, width, channels] }], attrs: { poolSize, strides, padding }, seed };
      // At least one window; the remaining pixels at the far edges are in no window.
      const shape = [n, Math.max(height, poolSize[0]), Math.max(width, poolSize[1]), channels];
      return { inputs: [{ shape }], attrs: { poolSize }, seed };
    });
}

/** Number of results from which depthwise convolutions use strips: see depthwise-variants.test.ts. */
const STRIPS = 16_384;

/** Four channels at a time need channels in fours with one filter each. */
function depthwiseCase(fours: boolean): fc.Arbitrary<OperatorCase> {
  return fc
    .record({
      batch: one([1, 2, 3]),
      // The filter gradient sums slices of the rows.
      height: one([1, 2, 3, 7, 8, 13, 21, 32, 33]),
      width: fc.integer({ min: 1, max: 17 }),
      channels: fc.integer({ min: 1, max: fours ? 5 : 17 }),
      multiplier: one(fours ? [1] : [1, 2, 3]),
      kernel: fc.tuple(one([1, 2, 3, 5]), one([1, 2, 3, 5])),
      strides: stride,
      dilation: fc.tuple(one([1, 1, 2]), one([1, 1, 2])),
      bias: fc.boolean(),
      seed,
    })
    .filter(({ channels, multiplier }) => fours || multiplier > 1 || channels % 4 !== 0)
    .filter(({ batch, height, width, channels, multiplier }) => {
      return batch * height * width * (fours ? 4 : 1) * channels * multiplier < STRIPS;
    })
    .map(({ batch, height, width, channels, multiplier, kernel, bias, seed, ...attrs }) => {
      const count = fours ? 4 * channels : channels;
      return {
        inputs: [
          { shape: [batch, height, width, count] },
          { shape: [...kernel, count, multiplier] },
          ...(bias ? [{ shape: [count * multiplier] }] : []),
        ],
        attrs: { ...attrs, padding: 'same' },
        seed,
      };
    });
}

/** The number of channels selects the vector width; sums over rows are cut into slices of about the square root. */
function batchNormCase(lanes: 1 | 2 | 4): fc.Arbitrary<OperatorCase> {
  return fc
    .record({
      rows: one([1, 2, 3, 4, 5, 8, 9, 10, 63, 64, 65, 80, 81, 82, 257]),
      vectors: fc.integer({ min: 1, max: 17 }),
      epsilon: one([1e-3, 0.1, 1]),
      seed,
    })
    .filter(({ vectors }) => lanes === 4 || vectors % 2 !== 0)
    .map(({ rows, vectors, epsilon, seed }) => {
      const channel = { shape: [lanes * vectors] };
      return { inputs: [{ shape: [rows, lanes * vectors] }, channel, channel], attrs: { epsilon }, seed };
    });
}

/** Up to 64 rows are reduced in one pass, more in slices of about the square root; the number of channels selects the vector width. */
function rowsCase(rows: readonly number[], lanes: 1 | 2 | 4): fc.Arbitrary<OperatorCase> {
  return fc
    .record({
      outer: one([1, 2, 3]),
      rows: one(rows),
      channels: one({ 1: [1, 5, 63, 65], 2: [2, 6, 62], 4: [4, 8, 64] }[lanes]),
      keepDims: fc.boolean(),
      seed,
    })
    .map(({ outer, rows, channels, keepDims, seed }) => ({
      inputs: [{ shape: [outer, rows, channels] }],
      attrs: { axis: 1, keepDims },
      seed,
    }));
}

const FEW_ROWS = [1, 2, 7, 8, 9, 31, 33, 63, 64];
// More than a software adapter reduces in one pass; 33 x 33 and 33 x 34 are around full slices. None is a multiple of four, because
// one column of those would be read as four.
const MANY_ROWS = [1025, 1026, 1089, 1090, 1121, 1122, 1123, 2047, 4097];

const BATCH_NORM = ['moments', 'combine', 'grad_sums', 'grad'].map((name) => `batch_norm_${name}`).concat('batch_norm');

/** Kernels, their operator, and cases in which each of them runs. */
const variants: [kernels: string[], operator: OperatorName, cases: fc.Arbitrary<OperatorCase>][] = [
  ...([1, 2, 4] as const).flatMap((lanes): [string[], OperatorName, fc.Arbitrary<OperatorCase>][] => {
    const name = (kernel: string) => (lanes === 1 ? kernel : `${kernel}_vec${lanes}`);
    return [
      [[name('max_pool2d'), name('max_pool2d_grad')], 'maxPool2d', poolCase(false, lanes)],
      [[name('max_pool2d'), name('max_pool2d_grad_disjoint')], 'maxPool2d', poolCase(true, lanes)],
      [[name('avg_pool2d'), name('avg_pool2d_grad')], 'avgPool2d', poolCase(false, lanes)],
    ];
  }),
  [
    ['depthwise_conv2d', 'depthwise_conv2d_input_grad', 'depthwise_conv2d_weight_grad'],
    'depthwiseConv2d',
    depthwiseCase(false),
  ],
  [
    ['depthwise_conv2d_vec4', 'depthwise_conv2d_input_grad_vec4', 'depthwise_conv2d_weight_grad_vec4'],
    'depthwiseConv2d',
    depthwiseCase(true),
  ],
  [BATCH_NORM, 'batchNorm', batchNormCase(1)],
  [BATCH_NORM.map((name) => `${name}_vec2`), 'batchNorm', batchNormCase(2)],
  [BATCH_NORM.map((name) => `${name}_vec4`), 'batchNorm', batchNormCase(4)],
  ...([1, 2, 4] as const).flatMap((lanes): [string[], OperatorName, fc.Arbitrary<OperatorCase>][] => {
    const [sum, extreme] = ['reduce_rows', 'reduce_extreme'].map((name) =>
      lanes === 1 ? name : `${name}_vec${lanes}`,
    );
    return [
      [[sum!], 'sum', rowsCase(FEW_ROWS, lanes)],
      [[sum!, sum!], 'sum', rowsCase(MANY_ROWS, lanes)],
      [[extreme!], 'max', rowsCase(FEW_ROWS, lanes)],
      [[extreme!, extreme!], 'max', rowsCase(MANY_ROWS, lanes)],
    ];
  }),
];

/** Operators whose kernels also depend on the adapter: on a GPU their rows are reduced by cooperative groups. */
const BY_ADAPTER: readonly OperatorName[] = ['sum', 'max', 'batchNorm'];

describeOnDevice('kernels that are selected by shape', (device) => {
  for (const [kernels, operator, cases] of variants) {
    const isOther = device?.info.isSoftware === false && BY_ADAPTER.includes(operator);
    const reason = isOther
      ? ' (skipped: these are the kernels of a software adapter, and this one is or passes for a card)'
      : '';
    test.skipIf(isOther)(`${JSON.stringify(kernels)} of ${operator}${reason}`, async () => {
      const pipelines = vi.spyOn(device, 'pipeline');
      await fc.assert(
        fc.asyncProperty(cases, async (c) => {
          pipelines.mockClear();
          // Results of divisions are not integers: the gradient of max among equals, and a mean.
          const kind = ['max', 'batchNorm', 'avgPool2d'].includes(operator) ? 'normal' : 'integer';
          await compareWithReference(device, operator, c, kind);
          const ran = pipelines.mock.calls.map(([{ name }]) => name).filter((name) => kernels.includes(name));
          expect(ran.sort()).toEqual([...kernels].sort());
        }),
        { seed: FAST_CHECK_SEED + 5, numRuns: drawnCases(15) },
      );
      pipelines.mockRestore();
    });
  }
});
