import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DeviceArray } from '../../src/kernels/array.ts';
import { conv2d } from '../../src/kernels/conv2d/conv2d.ts';
import { fusedActivations } from '../../src/kernels/epilogue.ts';
import { matmul, matmulVariants } from '../../src/kernels/matmul/matmul.ts';
import * as metrics from '../../src/kernels/metrics/metrics.ts';
import {
  batchNorm,
  batchNormInputGrad,
  batchNormParameterGrads,
  batchNormVariants,
  normActivations,
} from '../../src/kernels/norm/batch-norm.ts';
import { StepState } from '../../src/kernels/optimizers/step-state.ts';
import { cast } from '../../src/kernels/pointwise/cast.ts';
import { reluGrad } from '../../src/kernels/pointwise/pointwise.ts';
import * as pointwise from '../../src/kernels/pointwise/pointwise-rows.ts';
import {
  type BinaryName,
  binaryTable,
  type ComparisonName,
  comparisonTable,
  type PredicateName,
  predicateTable,
  type UnaryName,
  type UnaryRow,
  unaryTable,
} from '../../src/kernels/pointwise/pointwise-table.ts';
import { maxPool2d, maxPool2dGrad } from '../../src/kernels/pool/pooling.ts';
import { randomContrast, randomContrastGrad } from '../../src/kernels/random/augmentation-pixels.ts';
import { argExtreme, extremeGrad } from '../../src/kernels/reduce/reduce.ts';
import { reduceMiddle, reduceSupports, reduceVariants } from '../../src/kernels/reduce/reduce-variants.ts';
import * as softmax from '../../src/kernels/softmax/softmax.ts';
import { ParameterStore } from '../../src/nn/weights/parameters.ts';
import {
  Adam,
  AdamW,
  type Device,
  type Optimizer,
  openDevice,
  RMSprop,
  regularizers,
  SGD,
  scope,
  Tensor,
  tensor,
  zeros,
} from '../../src/node.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { assumeNoNaN, negateComparisons } from '../support/no-nan.ts';
import { matmulLength } from '../support/variants.ts';

// NaN and infinities with a compiler that assumes there are none. Every kernel whose result depends on comparisons of values that may
// be NaN runs twice: unchanged, as other tests compare it with the references, and with all comparisons negated.

test('assumeNoNaN: negates comparisons, and changes nothing else', () => {
  const code =
    'let a = f(x, y[i + 1u] * 2.0 <= 0.0) && b != c; // x < y\nfor (var i = 0u; i < n; i++) { z = array<f32, 4>(x); }';
  expect(assumeNoNaN(code)).toBe(
    'let a = f(x, !(y[i + 1u] * 2.0>0.0)) && ((b<c)|(b>c)); \nfor (var i = 0u; !(i>=n); i++) { z = array<f32, 4>(x); }',
  );
});

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
/** NaN of both signs (as bits), infinities, zeros, numbers that round and numbers that do not. */
const special = new Float32Array(new Uint32Array([0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff]).buffer);
const values = Float32Array.of(...[inf, -inf, 0, -0, 1, -1, 6, 7, -2.5, 0.3, 1e-30, -1e-30, 3e38, -3e38, 2, -3]);
const x = new Float32Array(special.length + values.length);
x.set(special);
x.set(values, special.length);
const n = x.length;
/** The same values in another order, so that every value is paired with others. */
const rotatedBy = (by: number) => {
  const y = new Float32Array(n);
  y.set(x.subarray(by));
  y.set(x.subarray(0, by), n - by);
  return y;
};

describeOnDevice('kernels if the compiler assumes that there is no NaN', (plain) => {
  let negated: Device;
  beforeAll(async () => {
    negated = negateComparisons(await openDevice());
  });
  afterAll(() => negated?.dispose());

  type Run = (on: Device) => DeviceArray[];

  /** The values of the arrays that `run` returns on a device. */
  async function compute(on: Device, run: Run): Promise<ArrayLike<number>[]> {
    const results = scope(on, () => run(on).map((array) => new Tensor(array)));
    const data = await Promise.all(results.map((result) => result.data()));
    for (const result of results) result.dispose();
    return data;
  }

  /** Expects the same bits on both devices, and some NaN unless `isNumber`. */
  async function expectSame(run: Run, { isNumber = false } = {}): Promise<void> {
    const [expected, actual] = [await compute(plain, run), await compute(negated, run)];
    for (const [k, result] of expected.entries()) expectSameBits(actual[k]!, result, `result ${k}`);
    expect(expected.some((result) => Array.from(result).some(Number.isNaN))).toBe(!isNumber);
  }

  const of = (on: Device, data: ArrayLike<number>, shape: readonly number[] = [data.length], dtype?: 'u32' | 'i32') =>
    tensor(on, data, shape, { dtype }).array;
  const onesOn = (on: Device, shape: readonly number[] = [n]) =>
    of(on, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape);

  test('upload: values reach the adapter with their signs', async () => {
    const [bits] = await compute(plain, (on) => [of(on, x)]);
    expect([...new Uint32Array((bits as Float32Array).buffer)]).toEqual([...new Uint32Array(x.buffer)]);
  });

  test('the test can fail: a ReLU that compares floats loses NaN', async () => {
    const run: Run = (on) => {
      const y = of(on, new Float32Array(n));
      const code = `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
  if (i < ${n}u) { y[i] = select(x[i], 0.0, x[i] <= 0.0); }
}`;
      on.dispatch(on.pipeline({ name: 'relu_by_comparison', code }), [of(on, x).storage, y.storage], [1, 1, 1]);
      return [y];
    };
    const countNaN = async (on: Device) => Array.from((await compute(on, run))[0]!).filter(Number.isNaN).length;
    expect([await countNaN(plain), await countNaN(negated)]).toEqual([special.length, 0]);
  });

  test.each(Object.keys(unaryTable) as UnaryName[])('%s and its gradient', async (name) => {
    const row: UnaryRow = unaryTable[name];
    const limits = name === 'clip' ? [-1, 2] : Object.values(row.options ?? {});
    for (const p of name === 'power' ? [0, 3, -2, 0.5, 9.5] : [limits[0] ?? 0]) {
      const options = [p, limits[1] ?? 0] as const;
      await expectSame((on) => {
        const input = of(on, x);
        const y = pointwise.unary(name, input, options);
        const grads = [onesOn(on), of(on, rotatedBy(7))].map((dy) => pointwise.unaryGrad(name, input, y, dy, options));
        return [y, ...grads];
      });
    }
  });

  test.each(Object.keys(binaryTable) as BinaryName[])('%s and its gradients', async (name) => {
    for (const by of [0, 1, 7]) {
      await expectSame((on) => {
        const [a, b] = [of(on, x), of(on, rotatedBy(by))];
        const y = pointwise.binary(name, a, b);
        const dy = onesOn(on);
        return [y, ...([0, 1] as const).map((which) => pointwise.binaryGrad(name, which, { a, b, y, dy }))];
      });
    }
  });

  test.each(Object.keys(comparisonTable) as ComparisonName[])('%s, which has no NaN', async (name) => {
    for (const by of [0, 1, 7]) {
      await expectSame((on) => [pointwise.compare(name, of(on, x), of(on, rotatedBy(by)))], { isNumber: true });
    }
  });

  test('predicates and casts', async () => {
    const names = Object.keys(predicateTable) as PredicateName[];
    await expectSame((on) => names.map((name) => pointwise.predicate(name, of(on, x))), { isNumber: true });
    await expectSame((on) => (['u32', 'i32'] as const).map((dtype) => cast(of(on, x), dtype)), { isNumber: true });
  });

  test.each(fusedActivations)('%s in the epilogue of products and convolutions', async (name) => {
    const activation = { name, p: 0.25 };
    const variants = name === 'relu' ? matmulVariants : (['naive'] as const);
    for (const variant of variants.filter((v) => v !== 'subgroup' || plain.subgroupLanes !== null)) {
      const transposeA = variant.startsWith('blocks'); // which need multiples of four along the contiguous axes
      const ones = [1, matmulLength(variant, 5)];
      await expectSame((on) => [
        matmul(of(on, x, transposeA ? [1, n] : [n, 1]), onesOn(on, ones), { activation, variant, transposeA }),
      ]);
    }
    const [shape, filter] = [
      [1, n, 4, 4],
      [1, 1, 4, 8],
    ];
    const image = new Float32Array(16 * n);
    for (let i = 0; i < n; i++) image.set(x.subarray(i, i + 1), 16 * i);
    // Other convolutions end in the same function (src/kernels/epilogue.ts).
    const convolutions = ['naive', 'gemmTiled'] as const;
    for (const variant of convolutions) {
      const run: Run = (on) => [conv2d(of(on, image, shape), onesOn(on, filter), { activation, variant })];
      await expectSame(run);
    }
  });

  test('gradients through a ReLU, in separate kernels and in the epilogue of a product', async () => {
    await expectSame((on) => {
      const y = pointwise.unary('relu', of(on, x), [0, 0]);
      const gate = of(
        on,
        Float32Array.from({ length: 4 * n }, (_, i) => x[i >> 2]!),
        [n, 4],
      );
      const reluOutput = pointwise.unary('relu', gate, [0, 0]);
      const products = matmulVariants
        .filter((v) => v !== 'subgroup' || on.subgroupLanes !== null)
        .map((variant) => {
          const transposeA = variant.startsWith('blocks');
          const ones = onesOn(on, transposeA ? [1, n] : [n, 1]);
          return matmul(ones, onesOn(on, [1, 4]), { reluMask: reluOutput, variant, transposeA });
        });
      return [reluGrad(y, onesOn(on)), reluGrad(y, of(on, rotatedBy(7))), ...products];
    });
  });

  test.each([null, ...normActivations])(
    'batch normalization with activation %s, and its gradients',
    async (activation) => {
      for (const channels of [1, 4]) {
        const input = Float32Array.from({ length: channels * n }, (_, i) => x[(i * 3) % n]!);
        await expectSame((on) => {
          const [data, dy] = [of(on, input, [n, channels]), onesOn(on, [n, channels])];
          const relu = pointwise.unary('relu', data, [0, 0]);
          const [scale, offset] = [onesOn(on, [channels]), of(on, new Float32Array(channels))];
          const statistics = { mean: offset, variance: scale };
          const following = activation && { activation, scale, offset };
          const grads = [data, relu].flatMap((from) => {
            const options = { inputIsRelu: from === relu, activation };
            return [batchNormInputGrad(from, dy, { scale, offset }, statistics, 0.5, null, options)];
          });
          const sums = batchNormVariants.map((variant) =>
            batchNormParameterGrads(data, dy, statistics, 0.5, { following, variant }),
          );
          const y = batchNorm(data, scale, offset, statistics, 0.5, activation);
          return [y, ...grads, ...sums.flatMap(({ dscale, doffset }) => [dscale, doffset])];
        });
      }
    },
  );

  test('random contrast with clipping, and its gradient', async () => {
    const shape = [n, 1, 1, 1]; // an image is a single value, so it is its mean
    const draw = { seed: 1, layer: 0, step: 1, hasOwnSeed: false };
    const valueRange = [-1, 2] as const;
    await expectSame((on) => {
      const [images, dy] = [of(on, x, shape), of(on, rotatedBy(7), shape)];
      const { y, sample } = randomContrast('test', images, { factor: { low: 0.5, high: 1.5 }, valueRange }, draw);
      return [y, randomContrastGrad(images, dy, sample, valueRange)];
    });
  });

  test('max pooling and its gradients', async () => {
    for (const [channels, options] of [
      [1, { poolSize: 2 }],
      [2, { poolSize: 3, strides: 2, padding: 'same' }],
      [4, { poolSize: 2, strides: 1 }],
      [4, { poolSize: 3 }],
    ] as const) {
      const shape = [1, 6, 10, channels];
      const image = Float32Array.from({ length: 60 * channels }, (_, i) => x[(i * 7) % n]!);
      await expectSame((on) => {
        const data = of(on, image, shape);
        const relu = pointwise.unary('relu', data, [0, 0]);
        return [data, relu].flatMap((from) => {
          const pool = maxPool2d(from, options);
          const dy = onesOn(on, pool.y.shape);
          return [pool.y, pool.argmax, maxPool2dGrad(dy, pool, { inputIsRelu: from === relu })];
        });
      });
    }
  });

  test('max, min, argmax, argmin and their gradients', async () => {
    const [outer, rows, channels] = [3, 5, 4];
    const data = Float32Array.from({ length: outer * rows * channels }, (_, i) => x[(i * 3 + (i >> 4)) % n]!);
    for (const sign of [1, -1] as const) {
      for (const variant of reduceVariants) {
        if (!reduceSupports(variant, plain, { outer, rows, channels })) continue;
        await expectSame((on) => {
          const y = of(on, new Float32Array(outer * channels), [outer, channels]);
          const input = of(on, data, [outer, rows, channels]);
          reduceMiddle('reduceExtreme', input, { outer, rows, channels }, y, { factor: sign, variant });
          const grad = extremeGrad('max', input, y, onesOn(on, [outer, channels]), [1]);
          return [y, grad, argExtreme('argmax', input, [1], [outer, channels], sign)];
        });
      }
    }
  });

  /** Rows with one NaN, rows of infinities, and rows of numbers. */
  const logits = Float32Array.from([
    0,
    1,
    2,
    3,
    9,
    nan,
    1,
    2,
    3,
    2,
    1,
    nan,
    inf,
    1,
    0,
    2,
    -inf,
    1,
    1,
    0,
    5,
    5,
    -40,
    5,
    nan,
    nan,
    9,
    1,
  ]);

  test.each(softmax.softmaxVariants)(
    'softmax, its logarithm, cross-entropy and their gradients: %s',
    async (variant) => {
      if (!softmax.softmaxSupports(variant, plain)) return;
      const shape = [7, 4];
      await expectSame((on) => {
        const [input, dy] = [
          of(on, logits, shape),
          of(
            on,
            Float32Array.from({ length: 28 }, (_, i) => i),
            shape,
          ),
        ];
        const [y, log] = [softmax.softmax(input, 1, { variant }), softmax.logSoftmax(input, 1, { variant })];
        const labels = of(on, [3, 0, 1, 0, 1, 1, 2], [7], 'u32');
        const { loss, rowHit, dlogits } = softmax.softmaxCrossEntropy(input, labels, { variant });
        const grads = [softmax.softmaxGrad(y, dy, 1, { variant }), softmax.logSoftmaxGrad(log, dy, 1, { variant })];
        return [y, log, ...grads, loss, rowHit, dlogits];
      });
    },
  );

  test('hits and confusion counts', async () => {
    await expectSame(
      (on) => {
        const [y, labels] = [of(on, logits, [7, 4]), of(on, [3, 0, 1, 0, 1, 1, 2], [7], 'u32')];
        const [one, target] = [
          of(on, x, [n, 1]),
          of(
            on,
            Float32Array.from(x, (_, i) => i % 2),
            [n, 1],
          ),
        ];
        const counts = of(on, new Uint32Array(metrics.labelWords(1)), [metrics.labelWords(1)], 'u32');
        metrics.countLabels(one, target, counts, { threshold: 0.5 });
        const top = of(on, [0], [1], 'u32');
        metrics.countTopK(y, labels, top, { k: 2 });
        const classes = [metrics.classesOf(y, 0.5), metrics.classesOf(one, 0.5)];
        return [counts, top, ...classes, metrics.countHits(y, labels), metrics.binaryHits(one, target, 0.5)];
      },
      { isNumber: true },
    );
  });

  test.each<[string, () => Optimizer]>([
    ['SGD with penalties', () => new SGD({ learningRate: 0.1 })],
    ['SGD with momentum, values clipped', () => new SGD({ learningRate: 0.1, momentum: 0.9, clipValue: 0.5 })],
    ['Adam, norms clipped', () => new Adam({ clipNorm: 1 })],
    ['AdamW, the norm of all clipped', () => new AdamW({ globalClipNorm: 1 })],
    ['Adam, gradients accumulated over two steps', () => new Adam({ gradientAccumulationSteps: 2 })],
    ['RMSprop', () => new RMSprop()],
    ['RMSprop, centered', () => new RMSprop({ centered: true, momentum: 0.9 })],
  ])('two steps of %s', async (_, create) => {
    const regularizer = regularizers.l1l2({ l1: 0.1, l2: 0.2 });
    const steps = async (on: Device) => {
      const optimizer = create();
      const specs = ['a', 'b', 'c'].map((name) => ({ name, shape: [n], initializer: zeros, regularizer }));
      const store = new ParameterStore(on, specs, 0);
      const state = new StepState(on);
      optimizer.build(store);
      store.weights.forEach(({ tensor: weight, offset }, k) => {
        on.upload(weight.array.storage, k === 0 ? x : new Float32Array(n).fill(k - 1.5));
        const gradient = k === 2 ? new Float32Array(n).fill(0.25) : rotatedBy(5 * k);
        on.upload(store.gradients.storage, gradient, 4 * offset!);
      });
      for (let step = 1; step <= 2; step++) {
        state.write({ batchStart: 0, step, rates: [{ stepSize: 0.1, rate: 0.1 }] });
        optimizer.apply(store, state);
      }
      const weights = await Promise.all(store.weights.map(({ tensor: weight }) => weight.data()));
      for (const owned of [state, optimizer, store]) owned.dispose();
      return weights;
    };
    const [expected, actual] = [await steps(plain), await steps(negated)];
    expect(Array.from(expected[0]!).filter(Number.isNaN).length).toBeGreaterThan(0);
    for (const [k, weights] of expected.entries()) expectSameBits(actual[k]!, weights, `weight ${k}`);
  });
});
