import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseActivation } from '../../../src/autograd/arguments.ts';
import type { DeviceArray } from '../../../src/kernels/array.ts';
import {
  conv2d,
  conv2dInputGrad,
  conv2dSupports,
  conv2dVariants,
  conv2dWeightGrad,
  convGeometry,
} from '../../../src/kernels/conv2d/conv2d.ts';
import { scope, Tensor, tensor } from '../../../src/node.ts';
import { type Conv2dAttrs, conv2d as conv2dReference } from '../../reference/conv2d.ts';
import type { NdArray } from '../../reference/ndarray.ts';
import { compareWithReference } from '../../support/adapter.ts';
import { describeOnDevice } from '../../support/device.ts';
import {
  conv2dCase,
  drawInputs,
  drawLike,
  drawnCases,
  FAST_CHECK_SEED,
  type OperatorCase,
  one,
} from '../../support/operator-cases.ts';
import { testOfConv2d } from '../../support/variants.ts';

/**
 * Every variant of the convolutions, called directly: tests of operators run only the variant that is selected for their shapes.
 * Integers, so that the result is exact for any order of additions, except with Winograd's algorithm, which divides by 3.
 */
const ROUNDING = { winograd1d: 2e-6, winograd2d: 5e-6 }; // of the largest result; the second in both directions
const drawn = { seed: FAST_CHECK_SEED + 3, numRuns: drawnCases(15) };

/**
 * Any width of a row and any number of channels up to 17, because both determine the tiles and groups of the optimized variants. Each
 * combination has separate shaders, which a software adapter compiles in about a second: so there are forty for all cases.
 */
const channels = fc.integer({ min: 1, max: 17 });
const texts = fc.sample(
  fc.record({
    width: fc.integer({ min: 1, max: 35 }),
    kernel: fc.constantFrom([1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [2, 3], [3, 1]),
    channels: fc.tuple(channels, channels),
  }),
  { seed: FAST_CHECK_SEED, numRuns: 40 },
);

/** Batches and heights around the 64 lanes of a workgroup and the 64 slices of the filter gradient. */
function tunedConv2dCase(
  strides: readonly number[],
  from: readonly { width: number; kernel: readonly number[]; channels: [number, number] }[] = texts,
): fc.Arbitrary<OperatorCase> {
  return fc
    .record({
      text: fc.constantFrom(...from),
      batch: one([1, 1, 2, 3]),
      height: one([1, 2, 4, 5, 7, 11, 13, 16, 21, 32, 33, 64, 65]),
      stride: one(strides),
      padding: fc.constantFrom('valid', 'same'),
      bias: fc.boolean(),
      activation: fc.constantFrom(undefined, 'relu', 'leakyRelu'),
      seed: fc.nat(),
    })
    .filter(({ text: { width, kernel, channels }, batch, height, padding }) => {
      const fits = padding === 'same' || (height >= kernel[0]! && width >= kernel[1]!);
      const products = [batch, height, width, ...kernel, ...channels].reduce((a, b) => a * b);
      return fits && products < 3e6; // the reference is not fast
    })
    .map(({ text: { width, kernel, channels }, batch, height, stride, bias, seed, ...attrs }) => ({
      inputs: [
        { shape: [batch, height, width, channels[0]] },
        { shape: [...kernel, ...channels] },
        ...(bias ? [{ shape: [channels[1]] }] : []),
      ],
      attrs: { ...attrs, strides: [stride, 1] },
      seed,
    }));
}

/** Channels and filters that the Winograd variants support: `winograd1d` needs channels that fill vectors and long filter rows; `winograd2d` any, or multiples of four. */
const winogradTexts = fc.sample(
  fc.record({
    width: fc.integer({ min: 2, max: 21 }),
    kernel: fc.constantFrom([3, 3], [2, 2], [1, 3], [5, 5], [3, 4], [2, 5], [3, 6], [7, 7], [1, 7]),
    channels: fc.tuple(one([6, 8, 12, 16, 17, 32, 64]), one([1, 3, 8, 9, 10, 12, 16, 17, 32])),
  }),
  { seed: FAST_CHECK_SEED, numRuns: 20 },
);

/** A filter of the same channels and one pixel. */
const onePixel = <T extends { shape: readonly number[] }>(filter: T): T => ({
  ...filter,
  shape: [1, 1, ...filter.shape.slice(2)],
});

/** Replaces -0 by 0: the sign of a sum of zeros is not defined. */
const normalizeZero = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

describeOnDevice('conv2d variants', (device) => {
  const upload = ({ shape, data }: NdArray): DeviceArray => tensor(device, data, shape).array;

  const models = 3;
  /** Stacks arrays of one shape, one for each replica. */
  const together = (arrays: NdArray[]): NdArray => ({
    shape: arrays[0]!.shape,
    data: Float64Array.from(arrays.flatMap(({ data }) => Array.from(data))),
  });
  /** Sums over all axes but the last. */
  const columnSumsOf = ({ shape, data }: NdArray): NdArray => {
    const sums = new Float64Array(shape.at(-1)!);
    for (const [i, value] of data.entries()) sums[i % sums.length]! += value;
    return { shape: [sums.length], data: sums };
  };
  const uploadModels = ({ shape, data }: NdArray): DeviceArray => tensor(device, data, shape, { models }).array;

  /** `expected` is called after `run`, on whose choices it may depend. */
  async function expectResults(variant: string, run: () => DeviceArray[], expected: () => NdArray[]): Promise<void> {
    const results = scope(device, () => run().map((array) => new Tensor(array)));
    for (const [k, result] of results.entries()) {
      const { shape, data } = expected()[k]!;
      const found = normalizeZero(await result.data());
      expect(result.shape).toEqual(shape);
      if (variant === 'winograd1d' || variant === 'winograd2d') {
        const allowed = ROUNDING[variant] * Math.max(1, ...data.map(Math.abs));
        const worst = Math.max(0, ...data.map((value, i) => Math.abs(value - found[i]!)));
        expect(worst).toBeLessThanOrEqual(allowed);
      } else expect(found).toEqual(normalizeZero(data));
      result.dispose();
    }
  }

  const withVariant = (variant: string) => testOfConv2d(device, variant);

  // Cases of all kinds, because some variants support few of them.
  const convCases = fc.oneof(
    conv2dCase('full'),
    conv2dCase('full').map((c) => ({ ...c, attrs: { ...c.attrs, strides: 1, dilation: 1 } })),
    tunedConv2dCase([1]),
    tunedConv2dCase([2, 3]),
    tunedConv2dCase([1]).map((c) => ({
      ...c,
      inputs: c.inputs.map((input, i) => (i === 1 ? onePixel(input) : input)),
    })),
  );

  test('filters so much taller than the image that some taps never see it', async () => {
    for (const [input, filter] of [
      [
        [2, 1, 8, 24],
        [5, 5, 24, 8],
      ],
      [
        [1, 2, 2, 12],
        [7, 7, 12, 16],
      ],
      [
        [1, 3, 3, 8],
        [11, 11, 8, 16],
      ],
    ] as const) {
      const c = { inputs: [{ shape: [...input] }, { shape: [...filter] }], attrs: { padding: 'same' }, seed: 3 };
      await compareWithReference(device, 'conv2d', c);
    }
  });

  for (const variant of conv2dVariants) {
    withVariant(variant)(`conv2d and both gradients: ${variant}`, async () => {
      const cases = variant.startsWith('winograd') ? tunedConv2dCase([1], winogradTexts) : convCases;
      await fc.assert(
        fc.asyncProperty(cases, async (c) => {
          const inputs = drawInputs(c, 'integer') as [NdArray, NdArray, NdArray?];
          const { activation, ...attrs } = c.attrs as Conv2dAttrs;
          const epilogue = { activation, negativeSlope: 0.5 }; // exact too
          const y = conv2dReference.forward(inputs, { ...attrs, ...epilogue });
          const dy = drawLike(y.shape, c.seed, 'integer');
          // The gradient kernels have neither bias nor activation: their input is dz.
          const grads = conv2dReference.backward([inputs[0], inputs[1]], y, dy, attrs);
          const expected: NdArray[] = [];
          await expectResults(
            variant,
            () => {
              const [x, filter, bias] = [upload(inputs[0]), upload(inputs[1]), inputs[2] && upload(inputs[2])];
              const dz = upload(dy);
              const geometry = convGeometry(x, filter, attrs);
              const supports = conv2dSupports(variant, device, geometry);
              const results: DeviceArray[] = [];
              const check = (result: DeviceArray, reference: NdArray) => {
                results.push(result);
                expected.push(reference);
              };
              if (supports.forward)
                check(
                  conv2d(x, filter, { ...attrs, bias, activation: parseActivation('conv2d', epilogue), variant }),
                  y,
                );
              if (supports.inputGrad) check(conv2dInputGrad(dz, filter, geometry, { variant }), grads[0]!);
              if (supports.weightGrad) check(conv2dWeightGrad(x, dz, geometry, { variant }), grads[1]!);
              fc.pre(results.length > 0); // another case, where the variant supports none of the three
              return results;
            },
            () => expected,
          );
        }),
        drawn,
      );
    });
  }

  // More channels than a tile holds, and the layers of the courseworks; each of three replicas must get its own result.
  const layers: { input: number[]; filter: number[]; attrs: Omit<Conv2dAttrs, 'activation'> }[] = [
    { input: [2, 5, 7, 36], filter: [3, 3, 36, 40], attrs: { padding: 'same' } },
    { input: [1, 9, 8, 64], filter: [1, 1, 64, 68], attrs: {} },
    { input: [2, 7, 6, 10], filter: [1, 1, 10, 18], attrs: { padding: 'same' } },
    { input: [1, 11, 9, 4], filter: [3, 3, 4, 36], attrs: { strides: 2, dilation: [1, 2], padding: 'same' } },
    // Strides with dilations that divide them, do not, or are equal; and longer than the filter, so that some pixels are not read.
    { input: [2, 11, 9, 36], filter: [3, 3, 36, 20], attrs: { strides: 2, padding: 'same' } },
    { input: [2, 12, 10, 8], filter: [4, 4, 8, 6], attrs: { strides: [2, 4], dilation: [2, 1] } },
    { input: [1, 13, 14, 4], filter: [3, 2, 4, 7], attrs: { strides: [3, 2], dilation: [2, 3], padding: 'same' } },
    { input: [2, 7, 8, 20], filter: [1, 1, 20, 12], attrs: { strides: 3 } },
    { input: [3, 32, 32, 3], filter: [5, 5, 3, 6], attrs: {} },
    { input: [3, 14, 14, 6], filter: [5, 5, 6, 16], attrs: {} },
    { input: [2, 6, 32, 3], filter: [3, 3, 3, 32], attrs: { padding: 'same' } },
    { input: [2, 7, 28, 1], filter: [5, 5, 1, 9], attrs: { padding: 'same' } },
    // Rows of a length that tiles do not divide, of which the last starts in the middle of a vec4.
    { input: [2, 7, 32, 1], filter: [3, 3, 1, 9], attrs: {} },
    { input: [1, 9, 28, 3], filter: [3, 5, 3, 5], attrs: {} },
    { input: [2, 7, 10, 64], filter: [3, 3, 64, 32], attrs: { padding: 'same' } },
    { input: [2, 9, 11, 16], filter: [5, 5, 16, 9], attrs: {} },
    { input: [1, 9, 10, 8], filter: [7, 7, 8, 5], attrs: { padding: 'same' } },
  ];

  for (const variant of conv2dVariants) {
    withVariant(variant)(`conv2d of wide layers and several models: ${variant}`, async () => {
      let checked = 0;
      for (const [k, { input, filter, attrs }] of layers.entries()) {
        const [xs, ws] = [input, filter].map((shape, i) =>
          Array.from({ length: models }, (_, m) => drawLike(shape, 100 * k + 10 * m + i, 'integer')),
        ) as [NdArray[], NdArray[]];
        const ys = xs.map((x, m) => conv2dReference.forward([x, ws[m]!], attrs));
        const dys = ys.map((y, m) => drawLike(y.shape, 100 * k + 10 * m + 2, 'integer'));
        const grads = xs.map((x, m) => conv2dReference.backward([x, ws[m]!], ys[m]!, dys[m]!, attrs));
        const results: NdArray[][] = [];
        const run = () => {
          const [x, w, dy] = [xs, ws, dys].map(together).map(uploadModels) as [DeviceArray, DeviceArray, DeviceArray];
          const geometry = convGeometry(x, w, attrs);
          const supports = conv2dSupports(variant, device, geometry);
          const outputs: DeviceArray[] = [];
          const check = (output: DeviceArray, expected: NdArray[]) => {
            outputs.push(output);
            results.push(expected);
          };
          if (supports.forward) check(conv2d(x, w, { ...attrs, variant }), ys);
          if (supports.inputGrad)
            check(
              conv2dInputGrad(dy, w, geometry, { variant }),
              grads.map(([dx]) => dx!),
            );
          if (supports.weightGrad) {
            const columnSums = tensor(device, Array(models * filter[3]!).fill(9), [filter[3]!], { models }).array;
            check(
              conv2dWeightGrad(x, dy, geometry, { variant, columnSums }),
              grads.map(([, dw]) => dw!),
            );
            check(columnSums, dys.map(columnSumsOf));
          }
          return outputs;
        };
        await expectResults(variant, run, () => results.map(together));
        checked += results.length;
      }
      expect(checked).toBeGreaterThan(3);
    });
  }
});
