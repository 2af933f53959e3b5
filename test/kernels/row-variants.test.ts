import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeviceArray } from '../../src/kernels/array.ts';
import {
  batchNorm,
  batchNormParameterGrads,
  batchNormVariants,
  batchStatistics,
} from '../../src/kernels/norm/batch-norm.ts';
import { unary, unaryGrad } from '../../src/kernels/pointwise/pointwise-rows.ts';
import { reduceMiddle, reduceSupports, reduceVariants } from '../../src/kernels/reduce/reduce-variants.ts';
import * as kernels from '../../src/kernels/softmax/softmax.ts';
import { scope, Tensor, tensor } from '../../src/node.ts';
import { columnSums, standardize, statistics } from '../reference/batch-norm.ts';
import { softmaxCrossEntropy as crossEntropyReference } from '../reference/loss.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { max, min, sum } from '../reference/reduce.ts';
import { logSoftmax, softmax } from '../reference/softmax.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike, drawnCases, FAST_CHECK_SEED, one, seed } from '../support/operator-cases.ts';

/** Every variant of the kernels that reduce rows, called directly: tests of operators run only the one selected for their shapes. */
const drawn = { seed: FAST_CHECK_SEED + 7, numRuns: drawnCases(25) };
const MODELS = 3;

/** Replaces -0 by 0: the sign of a sum of zeros is not defined. */
const normalizeZero = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

describeOnDevice('variants of softmax and reductions', (device) => {
  const lanes = device?.subgroupLanes ?? null;
  const withVariant = (variant: string) => test.skipIf(variant === 'subgroup' && lanes === null);

  /** The values of replica `model` of `MODELS`. */
  const ofModel = (values: ArrayLike<number>, model: number) => {
    const size = values.length / MODELS;
    return Array.from(values).slice(model * size, (model + 1) * size);
  };

  interface Input extends NdArray {
    dtype?: 'u32';
  }

  /**
   * Results of `run` for the inputs of three replicas, each [MODELS, ...]. Expects that each replica has the bits of a single model.
   * @returns the values of each result
   */
  async function withModels(inputs: Input[], run: (arrays: DeviceArray[]) => DeviceArray[]): Promise<Float32Array[]> {
    const compute = async (values: (input: Input) => ArrayLike<number>, models: number) => {
      const results = scope(device, () => {
        const arrays = inputs.map((input) => {
          const { dtype, shape } = input;
          return tensor(device, values(input), shape.slice(1), { dtype, models }).array;
        });
        return run(arrays).map((array) => new Tensor(array));
      });
      const data = await Promise.all(results.map((result) => result.data() as Promise<Float32Array>));
      for (const result of results) result.dispose();
      return data;
    };
    const together = await compute(({ data }) => data, MODELS);
    for (let model = 0; model < MODELS; model++) {
      const alone = await compute(({ data }) => ofModel(data, model), 1);
      for (const [k, result] of alone.entries()) {
        expectSameBits(result, ofModel(together[k]!, model), `model ${model} alone, result ${k}`);
      }
    }
    return together;
  }

  // Around a vector, the eight lanes of a subgroup, 64 rows in one pass, a workgroup's 256 invocations and its 4096 values.
  const rowCounts = [1, 2, 3, 4, 7, 8, 9, 31, 64, 65, 128, 255, 256, 257, 260, 1027, 4096, 4097, 8200];
  const reductions = fc
    .record({
      outer: one([1, 2, 3, 9]),
      rows: one(rowCounts),
      channels: one([1, 1, 2, 3, 4, 6, 8, 31, 32, 33, 36, 64]),
      nan: fc.boolean(),
      seed,
    })
    .filter(({ outer, rows, channels }) => outer * rows * channels < 60_000);

  for (const variant of reduceVariants) {
    withVariant(variant)(`sums, maxima and minima: ${variant}`, async () => {
      await fc.assert(
        fc.asyncProperty(reductions, async ({ outer, rows, channels, nan, seed }) => {
          fc.pre(reduceSupports(variant, device, { outer, rows, channels }));
          const x = drawLike([MODELS, outer, rows, channels], seed, 'integer');
          if (nan) x.data[seed % x.data.length] = Number.NaN;
          const results = await withModels([x], ([array]) => {
            const layout = { outer: outer * array!.replicas, rows, channels };
            const reduce = (reduction: 'reduceSum' | 'reduceExtreme', factor: number) => {
              const { replicas: models } = array!;
              const y = tensor(device, new Float32Array(models * outer * channels).fill(9), [outer, channels], {
                models,
              });
              reduceMiddle(reduction, array!, layout, y.array, { factor, variant });
              return y.array;
            };
            return [reduce('reduceSum', 2), reduce('reduceExtreme', 1), reduce('reduceExtreme', -1)];
          });
          const expected = [
            map(sum.forward([x], { axis: 2 }), (s) => 2 * s),
            ...[max, min].map((of) => of.forward([x], { axis: 2 })),
          ];
          for (const [k, { data }] of expected.entries())
            expect(normalizeZero(results[k]!)).toEqual(normalizeZero(data));
        }),
        drawn,
      );
    });

    withVariant(variant)(
      `a long sum of numbers that are not whole, its bits by the shape of one model: ${variant}`,
      async () => {
        for (const [outer, rows, channels] of [
          [1, 20_012, 1],
          [1, 5003, 4],
          [2, 3001, 6],
        ] as const) {
          if (!reduceSupports(variant, device, { outer, rows, channels })) continue;
          const x = drawLike([MODELS, outer, rows, channels], rows);
          const [y] = await withModels([x], ([array]) => {
            const { replicas: models } = array!;
            const into = tensor(device, new Float32Array(models * outer * channels), [outer, channels], {
              models,
            }).array;
            reduceMiddle('reduceSum', array!, { outer: outer * models, rows, channels }, into, { factor: 1, variant });
            return [into];
          });
          const magnitude = sum.forward([map(x, Math.abs)], { axis: 2 }).data;
          expectClose(y!, sum.forward([x], { axis: 2 }).data, { magnitude, rtol: 1e-6 });
        }
      },
    );
  }

  const rowsOfClasses = fc
    .record({
      outer: one([1, 2, 3, 7, 9, 65]),
      classes: one([1, 2, 3, 7, 8, 9, 10, 16, 17, 63, 64, 65, 255, 256, 257, 600]),
      inner: one([1, 1, 2, 5]),
      missing: fc.boolean(),
      seed,
    })
    .filter(({ outer, classes, inner }) => outer * classes * inner < 10_000);

  for (const variant of kernels.softmaxVariants) {
    withVariant(variant)(`softmax, its logarithm and their gradients: ${variant}`, async () => {
      await fc.assert(
        fc.asyncProperty(rowsOfClasses, async ({ outer, classes, inner, missing, seed }) => {
          const shape = [MODELS, outer, classes, inner];
          // Far from 0, where exp over- and underflows unless the maximum is taken off.
          const x = map(drawLike(shape, seed), (value, i) => 3 * value + (i % 2 === 0 ? 200 : -200) * (seed % 2));
          if (missing) x.data[seed % x.data.length] = Number.NaN;
          const dy = drawLike(shape, seed + 1);
          const results = await withModels([x, dy], ([array, dout]) => {
            const [y, logs] = [kernels.softmax(array!, 1, { variant }), kernels.logSoftmax(array!, 1, { variant })];
            const [dx, dlogs] = [
              kernels.softmaxGrad(y, dout!, 1, { variant }),
              kernels.logSoftmaxGrad(logs, dout!, 1, { variant }),
            ];
            return [y, logs, dx, dlogs];
          });
          const axis = { axis: 2 };
          const x32 = map(x, Math.fround); // differences of numbers this large depend on their last bits
          const expected = [softmax.forward([x32], axis), logSoftmax.forward([x32], axis)];
          const [grads, logGrads] = [softmax, logSoftmax].map(
            (of, k) => of.backward([x32], expected[k]!, dy, axis)[0]!,
          );
          const one = x.data.map(() => 1);
          const classesOf = x.data.map(() => classes);
          expectClose(results[0]!, expected[0]!.data, { magnitude: one, rtol: 2e-6 }); // hundreds of terms, added one by one
          expectClose(results[1]!, expected[1]!.data, { magnitude: one, rtol: 1e-5 });
          expectClose(results[2]!, grads!.data, { magnitude: one, rtol: 2e-5 });
          expectClose(results[3]!, logGrads!.data, { magnitude: classesOf, rtol: 1e-5 });
        }),
        drawn,
      );
    });

    withVariant(variant)(
      `cross-entropy, its gradient and hits, ties and labels that are no class: ${variant}`,
      async () => {
        await fc.assert(
          fc.asyncProperty(rowsOfClasses, async ({ outer: rows, classes, missing, seed }) => {
            // Integers, so that several classes tie for the largest.
            const logits = drawLike([MODELS, rows, classes], seed, 'integer');
            const labels = Array.from({ length: MODELS * rows }, (_, i) => (i * 7 + seed) % classes);
            const wrong = seed % labels.length;
            if (missing) labels[wrong] = classes + (seed % 5);
            const results = await withModels(
              [logits, { ...ndarray([MODELS, rows], labels), dtype: 'u32' }],
              ([x, y]) => {
                const { loss, rowHit, dlogits } = kernels.softmaxCrossEntropy(x!, y!, { variant });
                return [loss, rowHit, dlogits];
              },
            );
            const hits = labels.map((label, i) => {
              const row = Array.from(logits.data.subarray(i * classes, (i + 1) * classes));
              return row.indexOf(Math.max(...row)) === label ? 1 : 0;
            });
            expect(Array.from(results[1]!)).toEqual(hits);
            for (let model = 0; model < MODELS; model++) {
              const inputs = [
                ndarray([rows, classes], ofModel(logits.data, model)),
                ndarray([rows], ofModel(labels, model)),
              ] as [NdArray, NdArray];
              const loss = crossEntropyReference.forward(inputs, {});
              const dlogits = crossEntropyReference.backward(inputs, loss, ndarray([], [1]), {})[0]!.data;
              const row = wrong - model * rows;
              if (missing && row >= 0 && row < rows) dlogits.fill(Number.NaN, row * classes, (row + 1) * classes);
              expectClose(ofModel(results[0]!, model), loss.data, { magnitude: [1], rtol: 1e-5 });
              expectClose(ofModel(results[2]!, model), dlogits, { magnitude: dlogits.map(() => 1 / rows), rtol: 1e-5 });
            }
          }),
          drawn,
        );
      },
    );
  }

  // As in shaders/metrics/hits.wgsl, for any labels.
  for (const variant of kernels.softmaxVariants) {
    withVariant(variant)(
      `cross-entropy: a row with NaN hits nothing, and its gradient is NaN: ${variant}`,
      async () => {
        const classes = 21;
        /** A row whose largest logit is at its label, apart from NaN. */
        const row = (label: number, nans: number[]) =>
          Array.from({ length: classes }, (_, c) => (nans.includes(c) ? Number.NaN : c === label ? 9 : c / 10));
        const all = [...Array(classes).keys()];
        const rows: [label: number, nans: number[]][] = [
          ...[0, 3, 20].map((label): [number, number[]] => [label, []]),
          ...[0, 3, 20].map((label): [number, number[]] => [label, all]),
          ...[0, 3, 20].map((label): [number, number[]] => [label, [label]]),
          ...[0, 3, 20].flatMap((label) => [1, 19].map((nan): [number, number[]] => [label, [nan]])),
          [3, [0, 7, 20]],
        ];
        const [hits, gradients] = scope(device, () => {
          const logits = tensor(
            device,
            rows.flatMap(([label, nans]) => row(label, nans)),
            [rows.length, classes],
          );
          const labels = tensor(
            device,
            rows.map(([label]) => label),
            [rows.length],
            { dtype: 'u32' },
          );
          const { rowHit, dlogits } = kernels.softmaxCrossEntropy(logits.array, labels.array, { variant });
          return [new Tensor(rowHit), new Tensor(dlogits)];
        });
        expect([...(await hits.data())]).toEqual(rows.map(([, nans]) => (nans.length === 0 ? 1 : 0)));
        const gradient = await gradients.data();
        const spoilt = rows.map((_, i) => gradient.subarray(i * classes, (i + 1) * classes).every(Number.isNaN));
        expect(spoilt).toEqual(rows.map(([, nans]) => nans.length > 0));
        hits.dispose();
        gradients.dispose();
      },
    );
  }

  const normalized = fc
    .record({ rows: one(rowCounts), channels: one([1, 2, 3, 4, 6, 8, 31, 32, 33, 36, 64]), nan: fc.boolean(), seed })
    .filter(({ rows, channels }) => rows * channels < 40_000);

  for (const variant of batchNormVariants) {
    withVariant(variant)(`statistics of a batch and the sums of their gradient: ${variant}`, async () => {
      await fc.assert(
        fc.asyncProperty(normalized, async ({ rows, channels, nan, seed }) => {
          // A mean far from 0, where a variance by squares would cancel.
          const x = map(drawLike([MODELS, rows, channels], seed), (value) => Math.fround(value + 1000));
          const dy = drawLike([MODELS, rows, channels], seed + 1);
          if (nan) x.data[seed % x.data.length] = Number.NaN;
          const results = await withModels([x, dy], ([array, dout]) => {
            const found = batchStatistics('batchNorm', array!, null, { variant });
            const { dscale, doffset } = batchNormParameterGrads(array!, dout!, found, 0.1, { variant });
            return [found.mean, found.variance, doffset, dscale];
          });
          for (let model = 0; model < MODELS; model++) {
            const [input, dout] = [x, dy].map(({ data }) => ndarray([rows, channels], ofModel(data, model))) as [
              NdArray,
              NdArray,
            ];
            const { mean, variance } = statistics(input);
            const [parts, ownVariance, doffset, dscale] = results.map((values) => ofModel(values, model));
            // The mean, and its rounding error.
            const sums = mean.data.map((_, c) => parts![c]! + parts![channels + c]!);
            expectClose(sums, mean.data, { magnitude: mean.data.map(() => 1000), rtol: 1e-6 });
            expectClose(ownVariance!, variance.data, { magnitude: variance.data.map((v) => v + 1), rtol: 1e-4 });
            const magnitude = columnSums(map(dout, Math.abs)).data;
            expectClose(doffset!, columnSums(dout).data, { magnitude, rtol: 1e-6 });
            const z = standardize(input, mean, ndarray([channels], ownVariance), 0.1);
            const products = map(dout, (value, i) => value * z.data[i]!);
            expectClose(dscale!, columnSums(products).data, {
              magnitude: columnSums(map(products, Math.abs)).data,
              rtol: 1e-5,
            });
          }
        }),
        drawn,
      );
    });

    withVariant(variant)(`sums of a gradient below an activation: ${variant}`, async () => {
      for (const [rows, channels] of [
        [300, 3],
        [150, 8],
        [70, 33],
      ] as const) {
        const shape = [MODELS, rows, channels];
        const arrays = [
          drawLike(shape, 1),
          drawLike(shape, 2),
          drawLike([MODELS, channels], 3),
          drawLike([MODELS, channels], 4),
        ];
        const results = await withModels(arrays, ([x, dy, scale, offset]) => {
          const found = batchStatistics('batchNorm', x!, null, { variant });
          return (['relu', 'relu6'] as const).flatMap((activation) => {
            const following = { activation, scale: scale!, offset: offset! };
            const fused = batchNormParameterGrads(x!, dy!, found, 0.1, { variant, following });
            const normal = batchNorm(x!, scale!, offset!, found, 0.1);
            const below = unaryGrad(activation, normal, unary(activation, normal, [0, 0]), dy!, [0, 0]);
            const apart = batchNormParameterGrads(x!, below, found, 0.1, { variant });
            return [fused.doffset, apart.doffset, fused.dscale, apart.dscale];
          });
        });
        for (let i = 0; i < results.length; i += 2)
          expectClose(results[i]!, Array.from(results[i + 1]!), { atol: 1e-4, rtol: 1e-6 });
      }
    });
  }
});
