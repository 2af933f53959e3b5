import { expect, test } from 'vitest';
import type { DeviceArray } from '../../../src/kernels/array.ts';
import {
  conv2d,
  conv2dInputGrad,
  conv2dSupports,
  conv2dVariants,
  conv2dWeightGrad,
  convGeometry,
} from '../../../src/kernels/conv2d/conv2d.ts';
import {
  depthwiseConv2d,
  depthwiseGeometry,
  depthwiseInputGrad,
  depthwiseSupports,
  depthwiseVariants,
  depthwiseWeightGrad,
} from '../../../src/kernels/depthwise/depthwise.ts';
import { matmul, matmulSupports, matmulVariants } from '../../../src/kernels/matmul/matmul.ts';
import { linear, scope, sum, Tensor, tensor } from '../../../src/node.ts';
import { describeOnDevice } from '../../support/device.ts';
import { matmulLength, testOfConv2d } from '../../support/variants.ts';

/**
 * Sums of many products, in every variant. A single f32 accumulator is off by 1e-2 after a million equal terms; no kernel may be off by
 * more than 1e-5 after ten million. See also exact-sums-products.test.ts.
 */
const ALLOWED = 1e-5;
const TERM = Math.fround(0.1);

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
/** The tiles for GPUs are nearly empty here, and a CPU takes as long for them as for full ones. */
const longestFor = (variant: string) => (/^workgroup|^blocks|^gemmTiled/.test(variant) ? 300_000 : 1e7);

type Shape = readonly number[];

describeOnDevice('long sums of products', (device) => {
  const full = (shape: Shape, value: number): DeviceArray =>
    tensor(device, new Float32Array(sizeOf(shape)).fill(value), [...shape]).array;

  /** Expects that each result has sums of `terms` terms at the given positions. */
  async function expectSums(run: () => { result: DeviceArray; terms: number; at?: number; what: string }[]) {
    const results = scope(device, () => run().map((one) => ({ ...one, result: new Tensor(one.result) })));
    for (const { result, terms, at, what } of results) {
      const data = await result.data();
      const off = (value: number) => Math.abs(value / (terms * TERM) - 1);
      const worst = at === undefined ? Math.max(...data.map(off)) : off(data[at]!);
      expect(worst, `${what} of ${terms} terms`).toBeLessThan(ALLOWED);
      result.dispose();
    }
    return results.length;
  }

  for (const variant of matmulVariants) {
    const supports = matmulSupports(variant, device ?? { subgroupLanes: null }, { m: 4, n: 4, k: 4 });
    const lengthOf = (length: number) => matmulLength(variant, length);
    test.skipIf(!supports)(`matmul, long sums of equal terms: ${variant}`, async () => {
      for (const [m, k, n] of [
        [1, 1e6, 1],
        [1, 1e7, 1],
        [3, 1_000_001, 2],
        [2, 300_000, 36],
      ] as const) {
        if (k > longestFor(variant)) continue;
        const what = `${variant} [${m}, ${k}, ${n}]`;
        await expectSums(() => {
          const [a, b] = [full([m, lengthOf(k)], TERM), full([lengthOf(k), lengthOf(n)], 1)];
          return [{ result: matmul(a, b, { variant }), terms: lengthOf(k), what }];
        });
      }
      await expectSums(() => {
        const [a, b] = [full([2, 50_000, lengthOf(3)], 1), full([2, 50_000, 4], TERM)];
        return [{ result: matmul(a, b, { variant, transposeA: true }), terms: 50_000, what: `${variant} batch` }];
      });
    });
  }

  test('linear: gradients of weight and bias over a million rows', async () => {
    const rows = 1e6;
    const result = scope(device, () => {
      const x = tensor(device, new Float32Array(rows).fill(1), [rows, 1]);
      const weight = tensor(device, [1], [1, 1], { requiresGrad: true });
      const bias = tensor(device, [0], [1], { requiresGrad: true });
      sum(linear(x, weight, bias)).backward(tensor(device, [0.1], []));
      return [new Tensor(weight.grad!.array), new Tensor(bias.grad!.array)];
    });
    for (const gradient of result) {
      expect(Math.abs((await gradient.data())[0]! / (rows * TERM) - 1)).toBeLessThan(ALLOWED);
    }
  });

  type Attrs = { padding?: 'same' | 'valid'; strides?: number };
  interface ConvCase {
    input: Shape;
    filter: Shape;
    attrs?: Attrs;
    /** The number of terms at one position of the result, for the forward pass and both gradients. */
    terms: { forward?: number; inputGrad?: number; weightGrad?: number };
    at?: number;
  }
  const convCases: ConvCase[] = [
    // Windows as large as the image, of few channels and of many.
    { input: [1, 1000, 1000, 1], filter: [1000, 1000, 1, 4], terms: { forward: 1e6 } },
    { input: [1, 40, 50, 16], filter: [40, 50, 16, 4], terms: { forward: 32_000 } },
    { input: [1, 7, 7, 512], filter: [7, 7, 512, 16], terms: { forward: 25_088 } },
    { input: [1, 3, 1000, 64], filter: [3, 1000, 64, 5], terms: { forward: 192_000 } },
    { input: [1, 3, 6, 8192], filter: [3, 3, 8192, 4], terms: { forward: 73_728 } },
    { input: [1, 3, 6, 16_384], filter: [3, 3, 16_384, 4], terms: { forward: 147_456 } },
    { input: [1, 1, 1, 1e6], filter: [1, 1, 1e6, 4], terms: { forward: 1e6 } },
    { input: [1, 1, 1, 4], filter: [1, 1, 4, 1e6], terms: { inputGrad: 1e6 } },
    {
      input: [1, 3, 3, 4],
      filter: [3, 3, 4, 65_536],
      attrs: { padding: 'same' },
      terms: { inputGrad: 589_824 },
      at: 16,
    },
    { input: [1, 3, 3, 4], filter: [3, 3, 4, 1024], attrs: { padding: 'same' }, terms: { inputGrad: 9216 }, at: 16 },
    // Filter gradients: large images, large batches, rows and columns of pixels.
    { input: [1, 1000, 1000, 4], filter: [1, 1, 4, 4], terms: { weightGrad: 1e6 } },
    { input: [1, 502, 502, 4], filter: [3, 3, 4, 4], terms: { weightGrad: 250_000 } },
    { input: [10_000, 12, 12, 1], filter: [3, 3, 1, 5], terms: { weightGrad: 1e6 } },
    { input: [10_000, 12, 12, 4], filter: [3, 3, 4, 4], terms: { weightGrad: 1e6 } },
    { input: [1, 1, 1e6, 4], filter: [1, 1, 4, 4], terms: { weightGrad: 1e6 } },
    { input: [1, 1e6, 1, 4], filter: [1, 1, 4, 4], terms: { weightGrad: 1e6 } },
    { input: [1e6, 1, 1, 4], filter: [1, 1, 4, 4], terms: { weightGrad: 1e6 } },
    { input: [1, 1, 500_002, 4], filter: [1, 3, 4, 1], terms: { weightGrad: 500_000 } },
    { input: [1, 100_002, 5, 4], filter: [3, 3, 4, 4], terms: { weightGrad: 300_000 } },
    { input: [1, 1999, 999, 4], filter: [1, 1, 4, 4], attrs: { strides: 2 }, terms: { weightGrad: 500_000 } },
  ];
  const kernels = ['forward', 'inputGrad', 'weightGrad'] as const;

  for (const variant of conv2dVariants) {
    testOfConv2d(device, variant)(`conv2d and its gradients, long sums of equal terms: ${variant}`, async () => {
      let checked = 0;
      for (const { input, filter, attrs, terms, at } of convCases) {
        checked += await expectSums(() => {
          const [x, w] = [full(input, 1), full(filter, 1)];
          const g = convGeometry(x, w, attrs);
          const supports = conv2dSupports(variant, device, g);
          const output = [g.batch, ...g.output, g.outChannels];
          return kernels.flatMap((kernel) => {
            const n = terms[kernel];
            if (n === undefined || n > longestFor(variant) || !supports[kernel]) return [];
            const what = `${variant} ${kernel} [${input}] [${filter}]`;
            if (kernel === 'forward')
              return [{ result: conv2d(full(input, TERM), w, { ...attrs, variant }), terms: n, at, what }];
            const dy = full(output, TERM);
            if (kernel === 'inputGrad') return [{ result: conv2dInputGrad(dy, w, g, { variant }), terms: n, at, what }];
            const columnSums = full([g.outChannels], 0);
            return [
              { result: conv2dWeightGrad(x, dy, g, { variant, columnSums }), terms: n, at, what },
              { result: columnSums, terms: n, at, what: `${what}, sums of columns` },
            ];
          });
        });
      }
      expect(checked).toBeGreaterThan(variant === 'winograd1d' ? 0 : 2);
    });
  }

  // The longest sums. `winograd1d` has no filter gradient, and no array can hold the patches of this many pixels.
  const none: readonly string[] = ['winograd1d', 'patches'];
  for (const variant of conv2dVariants.filter((one) => longestFor(one) >= 1e7 && !none.includes(one))) {
    testOfConv2d(device, variant)(`gradient of a filter over ten million pixels: ${variant}`, async () => {
      const checked = await expectSums(() => {
        const shapes = [
          { input: [1, 2500, 4000, 1], filter: [1, 1, 1, 1] },
          { input: [62_500, 10, 16, 1], filter: [1, 1, 1, 1] },
          { input: [1, 3, 3_333_334, 1], filter: [1, 1, 1, 1] },
          { input: [1, 1252, 2002, 4], filter: [3, 3, 4, 4] },
        ];
        return shapes.flatMap(({ input, filter }) => {
          const x = full(input, 1);
          const g = convGeometry(x, full(filter, 1), {});
          if (!conv2dSupports(variant, device, g).weightGrad) return [];
          const dy = full([g.batch, ...g.output, g.outChannels], TERM);
          const result = conv2dWeightGrad(x, dy, g, { variant });
          return [{ result, terms: g.batch * g.output[0] * g.output[1], what: `${variant} [${input}] [${filter}]` }];
        });
      });
      expect(checked).toBeGreaterThanOrEqual(1);
    });
  }

  test.each(depthwiseVariants)('depthwiseConv2d and its gradients, long sums of equal terms: %s', async (variant) => {
    let checked = 0;
    // One channel, and four, which kernels compute at once.
    for (const channels of [1, 4]) {
      for (const { input, filter } of [
        { input: [1, 1000, 1000, channels], filter: [1000, 1000, channels, 1] },
        { input: [1, 1, 1e6, channels], filter: [1, 1e6, channels, 1] },
      ]) {
        checked += await expectSums(() => {
          const [x, w] = [full(input, TERM), full(filter, 1)];
          const g = depthwiseGeometry(x, w);
          if (!depthwiseSupports('forward', variant, device, g)) return [];
          return [{ result: depthwiseConv2d(x, w, null, g, { variant }), terms: 1e6, what: `forward [${input}]` }];
        });
      }
      for (const { input, filter = [1, 1] } of [
        { input: [1, 1000, 1000, channels] },
        { input: [1, 1, 1e6, channels] },
        { input: [1, 1e6, 1, channels] },
        { input: [10_000, 10, 10, channels] },
        { input: [10_000, 12, 12, channels], filter: [3, 3] },
        { input: [1, 1002, 1002, channels], filter: [3, 3] },
        ...(channels === 1 ? [{ input: [1, 2500, 4000, 1] }] : []),
      ]) {
        checked += await expectSums(() => {
          const [x, w] = [full(input, 1), full([...filter, channels, 1], 1)];
          const g = depthwiseGeometry(x, w);
          if (!depthwiseSupports('weightGrad', variant, device, g)) return [];
          const dy = full([g.batch, ...g.output, channels], TERM);
          const result = depthwiseWeightGrad(x, dy, g, { variant });
          return [{ result, terms: g.batch * g.output[0] * g.output[1], what: `weight gradient [${input}]` }];
        });
      }
    }
    checked += await expectSums(() => {
      const [x, w, dy] = [full([1, 1, 1, 1], 1), full([1, 1, 1, 1e6], 1), full([1, 1, 1, 1e6], TERM)];
      const g = depthwiseGeometry(x, w);
      if (!depthwiseSupports('inputGrad', variant, device, g)) return [];
      return [{ result: depthwiseInputGrad(dy, w, g, { variant }), terms: 1e6, what: 'input gradient' }];
    });
    expect(checked).toBeGreaterThan(5);
  });
});
