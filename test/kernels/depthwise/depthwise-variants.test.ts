import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeviceArray } from '../../../src/kernels/array.ts';
import {
  type DepthwiseGeometry,
  type DepthwiseKernel,
  type DepthwiseVariant,
  depthwiseConv2d,
  depthwiseGeometry,
  depthwiseInputGrad,
  depthwiseSupports,
  depthwiseVariants,
  depthwiseWeightGrad,
  preferredDepthwise,
} from '../../../src/kernels/depthwise/depthwise.ts';
import { type Device, scope, Tensor, tensor } from '../../../src/node.ts';
import { type DepthwiseAttrs, depthwiseConv2d as reference } from '../../reference/depthwise.ts';
import { type NdArray, ndarray } from '../../reference/ndarray.ts';
import { depthwiseCase } from '../../support/cases-depthwise.ts';
import { describeOnDevice } from '../../support/device.ts';
import { replaceLimits } from '../../support/limits.ts';
import {
  drawInputs,
  drawLike,
  drawnCases,
  FAST_CHECK_SEED,
  type OperatorCase,
  one,
} from '../../support/operator-cases.ts';

/**
 * Every variant of the depthwise convolutions, called directly: tests of the operator run only the variant that is selected for their
 * shapes. Integers, so that the result is exact for any order of additions.
 */
const drawn = { seed: FAST_CHECK_SEED + 9, numRuns: drawnCases(15) };
const MODELS = 3;
const kernels = ['forward', 'inputGrad', 'weightGrad'] as const;

/** Around the eight and four columns of a strip, and the rows of a block. Each width needs a separate shader. */
const texts = fc.sample(
  fc.record({
    width: one([1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 24, 33]),
    kernel: fc.constantFrom([3, 3], [3, 3], [5, 5], [1, 1], [2, 2], [3, 5], [4, 3], [1, 7], [7, 7]),
    strides: fc.constantFrom([1, 1], [1, 1], [2, 2], [2, 2], [1, 2], [3, 3], [3, 2]),
    dilation: fc.constantFrom([1, 1], [1, 1], [1, 1], [2, 2], [1, 2], [3, 1]),
    padding: fc.constantFrom('valid' as const, 'same' as const, 'same' as const),
    multiplier: one([1, 1, 1, 2]),
  }),
  { seed: FAST_CHECK_SEED, numRuns: 60 },
);

const stripCase: fc.Arbitrary<OperatorCase> = fc
  .record({
    text: fc.constantFrom(...texts),
    batch: one([1, 1, 2, 5]),
    height: one([1, 2, 3, 5, 8, 9, 16, 17, 31, 64]),
    channels: one([1, 3, 4, 8, 12, 20, 65]),
    bias: fc.boolean(),
    seed: fc.nat(),
  })
  .filter(({ text: { width, kernel, dilation, padding }, height }) => {
    const reach = (axis: 0 | 1) => (kernel[axis]! - 1) * dilation[axis]! + 1;
    return padding === 'same' || (height >= reach(0) && width >= reach(1));
  })
  .filter(({ text: { width, kernel }, batch, height, channels }) => {
    return [batch, height, width, ...kernel, channels].reduce((a, b) => a * b) < 1e6; // the reference is not fast
  })
  .map(({ text: { width, kernel, multiplier, ...attrs }, batch, height, channels, bias, seed }) => ({
    inputs: [
      { shape: [batch, height, width, channels] },
      { shape: [...kernel, channels, multiplier] },
      ...(bias ? [{ shape: [channels * multiplier] }] : []),
    ],
    attrs,
    seed,
  }));

/** Replaces -0 by 0: the sign of a sum of zeros is not defined. */
const normalizeZero = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

/** Stacks arrays of one shape, one for each replica. */
const together = (arrays: NdArray[]): NdArray => ({
  shape: arrays[0]!.shape,
  data: Float64Array.from(arrays.flatMap(({ data }) => Array.from(data))),
});

/** For each kernel that the variant has for the case: its results for all replicas. */
async function run(
  device: Device,
  variant: DepthwiseVariant,
  [x, filter, bias]: NdArray[],
  dy: NdArray,
  attrs: DepthwiseAttrs,
  models: number,
): Promise<Partial<Record<DepthwiseKernel, Float32Array>>> {
  const upload = ({ shape, data }: NdArray): DeviceArray => tensor(device, data, shape, { models }).array;
  const found: DepthwiseKernel[] = [];
  const results = scope(device, () => {
    const [a, b, d, offset] = [upload(x!), upload(filter!), upload(dy), bias ? upload(bias) : null];
    const g = depthwiseGeometry(a, b, attrs);
    const compute = {
      forward: () => depthwiseConv2d(a, b, offset, g, { variant }),
      inputGrad: () => depthwiseInputGrad(d, b, g, { variant }),
      weightGrad: () => depthwiseWeightGrad(a, d, g, { variant }),
    };
    found.push(...kernels.filter((kernel) => depthwiseSupports(kernel, variant, device, g)));
    return found.map((kernel) => new Tensor(compute[kernel]()));
  });
  const values: Partial<Record<DepthwiseKernel, Float32Array>> = {};
  for (const [k, result] of results.entries()) {
    values[found[k]!] = new Float32Array((await result.data()) as Float32Array);
    result.dispose();
  }
  return values;
}

describeOnDevice('variants of depthwise convolutions', (device) => {
  test('the choice depends on the sizes of one replica; small problems are not worth generating a shader', () => {
    const sizes = (shape: number[], kernel: number, multiplier: number, models: number) =>
      scope(device, () => {
        device.choices.used.clear();
        const [batch, height, width, channels] = shape as [number, number, number, number];
        const zeros = (...dimensions: number[]) => {
          const count = models * dimensions.reduce((a, b) => a * b);
          return tensor(device, new Float32Array(count), dimensions, { models }).array;
        };
        const [x, filter] = [zeros(...shape), zeros(kernel, kernel, channels, multiplier)];
        const dy = zeros(batch, height, width, channels * multiplier);
        const g = depthwiseGeometry(x, filter, { padding: 'same' });
        const program = device.record(() => {
          depthwiseConv2d(x, filter, null, g);
          depthwiseInputGrad(dy, filter, g);
          depthwiseWeightGrad(x, dy, g);
        });
        program.dispose();
        return ['depthwiseConv2d', 'depthwiseInputGrad', 'depthwiseWeightGrad'].map((operator) => {
          return [...device.choices.used.values()].find((choice) => choice.operator === operator)?.variant;
        });
      });
    const all = (variant: string) => [variant, variant, variant];
    expect(sizes([4, 16, 32, 8], 3, 1, 1)).toEqual(all('stripsVec4'));
    expect(sizes([3, 16, 32, 10], 3, 1, 1)).toEqual(all('naive'));
    expect(sizes([3, 16, 32, 10], 3, 1, 2)).toEqual(all('naive'));
    expect(sizes([4, 16, 32, 10], 3, 1, 1)).toEqual(all('strips'));
    expect(sizes([4, 16, 32, 4], 3, 2, 1)).toEqual(['strips', 'naive', 'strips']);
    expect(sizes([1, 64, 64, 4], 9, 1, 1)).toEqual(all('naive'));
  });

  test("replicas beyond the limit of a grid's axis take several dispatches; a single one beyond it is not supported", async () => {
    const shape = [4, 16, 6, 4];
    const inputs = [drawLike([MODELS, ...shape], 1), drawLike([MODELS, 3, 3, 4, 1], 2)];
    const [x, filter] = inputs.map(({ data }, k) => {
      return new Tensor(tensor(device, data, k === 0 ? shape : [3, 3, 4, 1], { models: MODELS }).array);
    }) as [Tensor, Tensor];
    const g = depthwiseGeometry(x.array, filter.array, { padding: 'same' });
    const variant = 'stripsVec4';
    const run = () => depthwiseConv2d(x.array, filter.array, null, g, { variant });
    using expected = scope(device, () => new Tensor(run()));
    {
      using _ = replaceLimits(device, { maxComputeWorkgroupsPerDimension: 8 });
      const program = device.record(() => run().dispose());
      expect(program.commands.map(({ workgroups }) => workgroups[2])).toEqual([8, 4]); // two models of four images, then one
      program.dispose();
      using result = scope(device, () => new Tensor(run()));
      expect(await result.data()).toEqual(await expected.data());
    }
    using _ = replaceLimits(device, { maxComputeWorkgroupsPerDimension: 3 });
    expect(depthwiseSupports('forward', variant, device, g)).toBe(false);
    for (const array of [x, filter]) array.dispose();
  });

  test('on a GPU, large filters are computed one channel at a time', () => {
    const on = (isSoftware: boolean) => ({ info: { isSoftware } }) as Device;
    const preferredFor = (isSoftware: boolean, kernel: number) => {
      const sizes = { batch: 8, input: [64, 64], output: [64, 64], kernel: [kernel, kernel], outChannels: 8 };
      return preferredDepthwise(on(isSoftware), sizes as unknown as DepthwiseGeometry);
    };
    expect([3, 4, 5].map((kernel) => preferredFor(false, kernel)[0])).toEqual(['stripsVec4', 'stripsVec4', 'strips']);
    expect(preferredFor(true, 5)[0]).toBe('stripsVec4');
  });

  test.each(depthwiseVariants)('forward pass and gradients of three replicas are exact: %s', async (variant) => {
    const checked = { forward: 0, inputGrad: 0, weightGrad: 0 };
    await fc.assert(
      fc.asyncProperty(fc.oneof(depthwiseCase('full'), { weight: 3, arbitrary: stripCase }), async (c) => {
        const models = [0, 1, 2].map((model) => {
          const inputs = drawInputs({ ...c, seed: c.seed + model }, 'integer');
          const y = reference.forward(inputs as [NdArray, NdArray, NdArray?], c.attrs);
          const dy = drawLike(y.shape, c.seed + model, 'integer');
          const [dx, dw] = reference.backward(inputs as [NdArray, NdArray, NdArray?], y, dy, c.attrs);
          return { inputs, dy, forward: y, inputGrad: dx!, weightGrad: dw! };
        });
        const inputs = c.inputs.map((_, k) => together(models.map((model) => model.inputs[k]!)));
        const dy = together(models.map((model) => model.dy));
        const results = await run(device, variant, inputs, dy, c.attrs, MODELS);
        for (const kernel of kernels) {
          if (!results[kernel]) continue;
          checked[kernel]++;
          expect(normalizeZero(results[kernel]), kernel).toEqual(
            normalizeZero(together(models.map((model) => model[kernel])).data),
          );
        }
      }),
      drawn,
    );
    const least = variant === 'naive' ? drawn.numRuns : 3;
    for (const kernel of kernels) expect(checked[kernel], kernel).toBeGreaterThanOrEqual(least);
  });

  test.each(['strips', 'stripsVec4'] as const)('slices as on a GPU give the same results: %s', async (variant) => {
    const { info } = device;
    Object.assign(device, { info: { ...info, isSoftware: false } });
    try {
      for (const [i, { shape, kernel, attrs }] of [
        { shape: [2, 40, 9, 36], kernel: [3, 3], attrs: { padding: 'same' as const } },
        { shape: [3, 17, 21, 8], kernel: [3, 3], attrs: { padding: 'same' as const, strides: 2 } },
        { shape: [1, 33, 8, 72], kernel: [5, 5], attrs: {} },
      ].entries()) {
        const models = [0, 1, 2].map((model) => {
          const x = drawLike(shape, 10 * i + model, 'integer');
          const filter = drawLike([...kernel, shape[3]!, 1], 10 * i + model + 100, 'integer');
          const y = reference.forward([x, filter], attrs);
          const dy = drawLike(y.shape, 10 * i + model + 200, 'integer');
          const [dx, dw] = reference.backward([x, filter], y, dy, attrs);
          return { inputs: [x, filter], dy, forward: y, inputGrad: dx!, weightGrad: dw! };
        });
        const inputs = [0, 1].map((k) => together(models.map((model) => model.inputs[k]!)));
        const results = await run(device, variant, inputs, together(models.map(({ dy }) => dy)), attrs, MODELS);
        for (const kernel of kernels) {
          expect(normalizeZero(results[kernel]!)).toEqual(
            normalizeZero(together(models.map((model) => model[kernel])).data),
          );
        }
      }
    } finally {
      Object.assign(device, { info });
    }
  });

  // Rows are cut into parts of 512 columns. A slice is one of them, or with filters of more than 64 taps several: 4 of 12, 6 of 36.
  test.each([
    { shape: [1, 1, 1300, 2], kernel: [1, 7] },
    { shape: [3, 2, 513, 1], kernel: [2, 70] },
    { shape: [2, 9, 700, 4], kernel: [9, 9] },
  ])('weight gradient with long rows: $shape, filter $kernel', async ({ shape, kernel }) => {
    const attrs = { padding: 'same' as const };
    const [x, filter] = [drawLike(shape, 1, 'integer'), drawLike([...kernel, shape[3]!, 1], 2, 'integer')];
    const y = reference.forward([x, filter], attrs);
    const dy = drawLike(y.shape, 3, 'integer');
    const { weightGrad } = await run(device, 'naive', [x, filter], dy, attrs, 1);
    expect(normalizeZero(weightGrad!)).toEqual(normalizeZero(reference.backward([x, filter], y, dy, attrs)[1]!.data));
  });

  test.each(depthwiseVariants)('a single model has the bits of each of three replicas: %s', async (variant) => {
    // Many images, rows and columns, so that all of them are cut.
    for (const [i, { shape, attrs }] of [
      { shape: [6, 31, 29, 8], attrs: {} },
      { shape: [40, 5, 6, 36], attrs: { padding: 'same' as const, strides: 2 } },
      { shape: [1, 300, 10, 4], attrs: { padding: 'same' as const } },
    ].entries()) {
      const models = [0, 1, 2].map((model) => {
        const x = drawLike(shape, 10 * i + model);
        const filter = drawLike([3, 3, shape[3]!, 1], 10 * i + model + 100);
        const y = reference.forward([x, filter], attrs);
        return { inputs: [x, filter], dy: drawLike(y.shape, 10 * i + model + 200) };
      });
      const inputs = [0, 1].map((k) => together(models.map((model) => model.inputs[k]!)));
      const all = await run(device, variant, inputs, together(models.map(({ dy }) => dy)), attrs, MODELS);
      for (const [m, model] of models.entries()) {
        const alone = await run(device, variant, model.inputs, model.dy, attrs, 1);
        expect(Object.keys(alone)).toEqual([...kernels]);
        for (const kernel of kernels) {
          const size = alone[kernel]!.length;
          expect(alone[kernel]).toEqual(all[kernel]!.slice(m * size, (m + 1) * size));
        }
      }
    }
  });

  test.each(depthwiseVariants)(
    'NaN and infinities reach exactly the elements that depend on them: %s',
    async (variant) => {
      for (const [i, { width, attrs }] of [
        { width: 8, attrs: { padding: 'same' as const } },
        { width: 11, attrs: { padding: 'same' as const, strides: 2 } },
        { width: 13, attrs: { strides: 2 } },
        { width: 4, attrs: { padding: 'same' as const, strides: 3 } },
      ].entries()) {
        for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
          for (let place = 0; place < 9; place++) {
            const x = drawLike([2, 9, width, 4], i, 'integer');
            const filter = ndarray(
              [3, 3, 4, 1],
              Array.from({ length: 36 }, (_, k) => 1 + (k % 5)),
            );
            const y = reference.forward([x, filter], attrs);
            const dy = drawLike(y.shape, i + 50, 'integer');
            // A tap, and a pixel of x and dy each: in a corner, at an edge, in the middle.
            filter.data[place * 4 + 1] = bad;
            const positionIn = (shape: readonly number[]) => {
              const [row, column] = [Math.floor(place / 3), place % 3].map((third, axis) =>
                Math.round((third * (shape[axis + 1]! - 1)) / 2),
              );
              return (row! * shape[2]! + column!) * 4 + 2;
            };
            x.data[positionIn(x.shape)] = bad;
            dy.data[positionIn(dy.shape)] = bad;
            const expected = reference.forward([x, filter], attrs);
            const [dx, dw] = reference.backward([x, filter], expected, dy, attrs);
            const found = await run(device, variant, [x, filter], dy, attrs, 1);
            expect(normalizeZero(found.forward!), 'forward').toEqual(normalizeZero(expected.data));
            expect(normalizeZero(found.inputGrad!), 'inputGrad').toEqual(normalizeZero(dx!.data));
            expect(normalizeZero(found.weightGrad!), 'weightGrad').toEqual(normalizeZero(dw!.data));
          }
        }
      }
    },
  );
});
