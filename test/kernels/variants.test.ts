import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeviceArray } from '../../src/kernels/array.ts';
import {
  conv2d,
  conv2dInputGrad,
  conv2dServes,
  conv2dVariants,
  conv2dWeightGrad,
  convGeometry,
} from '../../src/kernels/conv2d.ts';
import { matmul, matmulServes, matmulVariants } from '../../src/kernels/matmul.ts';
import { scope, Tensor, tensor } from '../../src/node.ts';
import { type Conv2dAttrs, conv2d as conv2dReference } from '../reference/conv2d.ts';
import { matmul as matmulReference } from '../reference/matmul.ts';
import { map, type NdArray } from '../reference/ndarray.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { conv2dCase, drawInputs, drawLike, drawnCases, FAST_CHECK_SEED } from '../support/operator-cases.ts';

/**
 * Every implementation of the hot kernels, called directly: the operators' tests see only the one that is picked for
 * their shapes. Integers, so that the order of additions cannot matter and the result must be exact.
 */
const drawn = { seed: FAST_CHECK_SEED + 3, numRuns: drawnCases(25) };

/** -0 and 0 are one value here: which of them a sum of zeros gives is nobody's promise. */
const plain = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

describeOnDevice('kernel variants', (device) => {
  const upload = ({ shape, data }: NdArray): DeviceArray => tensor(device, data, shape).array;

  const models = 3;
  /** Arrays of one shape, a model each. */
  const together = (arrays: NdArray[]): NdArray => ({
    shape: arrays[0]!.shape,
    data: Float64Array.from(arrays.flatMap(({ data }) => Array.from(data))),
  });
  const uploadModels = ({ shape, data }: NdArray): DeviceArray => tensor(device, data, shape, { models }).array;

  /** `expected` is asked after `run`, which may find out what there is to expect. */
  async function expectExact(run: () => DeviceArray[], expected: () => NdArray[]): Promise<void> {
    const results = scope(device, () => run().map((array) => new Tensor(array)));
    for (const [k, result] of results.entries()) {
      expect(result.shape).toEqual(expected()[k]!.shape);
      expect(plain(await result.data())).toEqual(plain(expected()[k]!.data));
      result.dispose();
    }
  }

  // Half of them with strides and dilation 1, since some variants serve no others.
  const convCases = fc.oneof(
    conv2dCase('full'),
    conv2dCase('full').map((c) => ({ ...c, attrs: { ...c.attrs, strides: 1, dilation: 1 } })),
  );

  test.each(conv2dVariants)('conv2d and both gradients: %s', async (variant) => {
    let checked = 0;
    await fc.assert(
      fc.asyncProperty(convCases, async (c) => {
        const inputs = drawInputs(c, 'integer') as [NdArray, NdArray, NdArray?];
        const { activation, ...attrs } = c.attrs as Conv2dAttrs;
        const y = conv2dReference.forward(inputs, { ...attrs, activation });
        const dy = drawLike(y.shape, c.seed, 'integer');
        // The gradient kernels know neither bias nor activation: they are given dz.
        const grads = conv2dReference.backward([inputs[0], inputs[1]], y, dy, attrs);
        const expected: NdArray[] = [];
        await expectExact(
          () => {
            const [x, filter, bias] = [upload(inputs[0]), upload(inputs[1]), inputs[2] && upload(inputs[2])];
            const dz = upload(dy);
            const geometry = convGeometry(x, filter, attrs);
            const serves = conv2dServes(variant, device, geometry);
            const results: DeviceArray[] = [];
            const check = (result: DeviceArray, reference: NdArray) => {
              results.push(result);
              expected.push(reference);
            };
            if (serves.forward) check(conv2d(x, filter, { ...attrs, bias, relu: activation === 'relu', variant }), y);
            if (serves.inputGrad) check(conv2dInputGrad(dz, filter, geometry, { variant }), grads[0]!);
            if (serves.weightGrad) check(conv2dWeightGrad(x, dz, geometry, { variant }), grads[1]!);
            checked += results.length;
            return results;
          },
          () => expected,
        );
      }),
      { ...drawn, numRuns: drawnCases(60) },
    );
    // A variant that serves few shapes must still have been tested on enough of them.
    expect(checked).toBeGreaterThan(20);
  });

  // More channels than a tile holds, and the courseworks' own layers; three models, each of which must get its own.
  const layers: { input: number[]; filter: number[]; attrs: Conv2dAttrs }[] = [
    { input: [2, 5, 7, 36], filter: [3, 3, 36, 40], attrs: { padding: 'same' } },
    { input: [1, 9, 8, 64], filter: [1, 1, 64, 68], attrs: {} },
    { input: [1, 11, 9, 4], filter: [3, 3, 4, 36], attrs: { strides: 2, dilation: [1, 2], padding: 'same' } },
    { input: [3, 32, 32, 3], filter: [5, 5, 3, 6], attrs: {} },
    { input: [3, 14, 14, 6], filter: [5, 5, 6, 16], attrs: {} },
    { input: [2, 6, 32, 3], filter: [3, 3, 3, 32], attrs: { padding: 'same' } },
    { input: [2, 7, 28, 1], filter: [5, 5, 1, 9], attrs: { padding: 'same' } },
  ];

  test.each(conv2dVariants)('conv2d of wide layers and several models: %s', async (variant) => {
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
        const serves = conv2dServes(variant, device, geometry);
        const outputs: DeviceArray[] = [];
        const check = (output: DeviceArray, expected: NdArray[]) => {
          outputs.push(output);
          results.push(expected);
        };
        if (serves.forward) check(conv2d(x, w, { ...attrs, variant }), ys);
        if (serves.inputGrad)
          check(
            conv2dInputGrad(dy, w, geometry, { variant }),
            grads.map(([dx]) => dx!),
          );
        if (serves.weightGrad)
          check(
            conv2dWeightGrad(x, dy, geometry, { variant }),
            grads.map(([, dw]) => dw!),
          );
        return outputs;
      };
      await expectExact(run, () => results.map(together));
      checked += results.length;
    }
    expect(checked).toBeGreaterThan(3);
  });

  // Sizes around the edges of the tiles; where a variant wants multiples of four, of those.
  const size = (step: number) => fc.integer({ min: 1, max: 35 }).map((n) => n * step);
  const matmulCases = (step: number) =>
    fc.record({
      m: fc.oneof(size(1), size(step)),
      n: size(step),
      k: size(step),
      transposes: fc.constantFrom<[boolean, boolean]>([false, false], [true, false], [false, true], [true, true]),
      bias: fc.boolean(),
      relu: fc.boolean(),
      seed: fc.nat(),
    });

  test.each(matmulVariants)('matmul, its transposes, bias and ReLU: %s', async (variant) => {
    let checked = 0;
    const cases = fc.oneof(matmulCases(1), matmulCases(4), matmulCases(4));
    await fc.assert(
      fc.asyncProperty(cases, async ({ m, n, k, transposes: [transposeA, transposeB], bias, relu, seed }) => {
        const sizes = { m, n, k, transposeA, transposeB };
        if (!matmulServes(variant, device, sizes)) return;
        checked++;
        const a = drawLike(transposeA ? [k, m] : [m, k], seed, 'integer');
        const b = drawLike(transposeB ? [n, k] : [k, n], seed + 1, 'integer');
        const added = drawLike([n], seed + 2, 'integer');
        const product = matmulReference.forward([a, b], { transposeA, transposeB });
        const expected = product.data.map((value, i) => {
          const sum = value + (bias ? added.data[i % n]! : 0);
          return relu ? Math.max(0, sum) : sum;
        });
        await expectExact(
          () => [
            matmul(upload(a), upload(b), { transposeA, transposeB, bias: bias ? upload(added) : null, relu, variant }),
          ],
          () => [{ shape: product.shape, data: expected }],
        );
      }),
      { ...drawn, numRuns: drawnCases(100) },
    );
    // A variant that serves few sizes must still have been tested on enough of them.
    expect(checked).toBeGreaterThan(30);
  });

  // Sums long enough that a bad order of additions, or one in too low a precision, would show.
  test.each(matmulVariants)('matmul over a long inner axis: %s', async (variant) => {
    const [a, b] = [drawLike([3, 20_012], 1), drawLike([20_012, 4], 2)];
    const result = scope(device, () => new Tensor(matmul(upload(a), upload(b), { variant })));
    const magnitude = matmulReference.forward([map(a, Math.abs), map(b, Math.abs)], {}).data;
    expectClose(await result.data(), matmulReference.forward([a, b], {}).data, { magnitude, rtol: 1e-6 });
    result.dispose();
  });
});
