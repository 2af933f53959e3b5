import { expect, test } from 'vitest';
import {
  ArgumentError,
  BatchNormalization,
  type BatchNormalizationOptions,
  Dense,
  Flatten,
  ImageLoader,
  initializers,
  type LayerOptions,
  regularizers,
  Sequential,
  SGD,
  ShapeError,
} from '../../src/node.ts';
import { statistics } from '../reference/batch-norm.ts';
import { references } from '../reference/index.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { batchNormMagnitude } from '../support/cases-batch-norm.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { runLayer } from '../support/run-layer.ts';

const { constant } = initializers;
const { l1, l2, l1l2 } = regularizers;

const names = (options: BatchNormalizationOptions) =>
  new BatchNormalization(options).plan([4, 5]).weights.map(({ name }) => name);

test('BatchNormalization: center and scale select the weights; all count as in Keras', () => {
  expect(names({})).toEqual(['gamma', 'beta', 'moving_mean', 'moving_variance']);
  expect(names({ center: false })).toEqual(['gamma', 'moving_mean', 'moving_variance']);
  expect(names({ scale: false })).toEqual(['beta', 'moving_mean', 'moving_variance']);
  expect(names({ scale: false, center: false })).toEqual(['moving_mean', 'moving_variance']);
  const model = new Sequential([new BatchNormalization({ inputShape: [4, 5, 7], axis: 1, scale: false })]);
  expect(model.countParams()).toBe(3 * 4);
  expect(model.summary()).toContain('Non-trainable params: 8');
  expect(model.outputShape).toEqual([4, 5, 7]);
});

const wrong = (options: object) => () => new BatchNormalization(options as BatchNormalizationOptions);
test.each<[string, () => unknown, typeof ArgumentError | typeof ShapeError, string]>([
  ['center', wrong({ center: 1 }), ArgumentError, 'center'],
  ['scale', wrong({ scale: 'no' }), ArgumentError, 'scale'],
  ['axis', wrong({ axis: 1.5 }), ArgumentError, 'axis'],
  ['a list of axes', wrong({ axis: [1] }), ArgumentError, 'axis'],
  ['gammaInitializer', wrong({ gammaInitializer: 'one' }), ArgumentError, 'gammaInitializer'],
  ['movingVarianceInitializer', wrong({ movingVarianceInitializer: 1 }), ArgumentError, 'movingVarianceInitializer'],
  ['betaRegularizer', wrong({ betaRegularizer: 'l3' }), ArgumentError, 'betaRegularizer'],
  ['the batch as axis', () => new BatchNormalization({ axis: 0 }).plan([4, 5]), ShapeError, 'axis is 0'],
  ['an axis that does not exist', () => new BatchNormalization({ axis: 3 }).plan([4, 5]), ShapeError, '[4,5]'],
  [
    'a negative axis that does not exist',
    () => new BatchNormalization({ axis: -3 }).plan([4, 5]),
    ShapeError,
    'axis is -3',
  ],
  ['single numbers', () => new BatchNormalization().plan([]), ShapeError, 'single numbers'],
])('throws for %s', (_what, call, error, says) => {
  expect(call).toThrow(error);
  expect(call).toThrow(says);
});

describeOnDevice('BatchNormalization and its options', (device) => {
  const full = (shape: readonly number[], value: number) => ndarray(shape, new Array(shape[0]!).fill(value));

  test.each<BatchNormalizationOptions & LayerOptions>([
    { inputShape: [5, 4, 3] },
    { inputShape: [5, 4, 3], center: false },
    { inputShape: [5, 4, 3], scale: false },
    { inputShape: [7], scale: false, center: false },
    { inputShape: [3, 5, 4], axis: 1 },
    { inputShape: [3, 5, 4], axis: -2, center: false },
    { inputShape: [3, 5, 4], axis: 3, epsilon: 0.1 },
    { inputShape: [6, 5], axis: 1, scale: false, trainable: false },
  ])('%j in training and in inference', async (options) => {
    for (const training of [true, false]) {
      const layer = new BatchNormalization({ ...options, momentum: 0.75 });
      const run = await runLayer(device, layer, { training });
      const rank = run.x.shape.length;
      const axis = ((options.axis ?? -1) + rank) % rank;
      const order = [...run.x.shape.keys()].filter((d) => d !== axis).concat(axis);
      const inverse = order.map((_, d) => order.indexOf(d));
      const turn = (x: NdArray, axes: number[]) => references.transpose.forward([x], { axes });
      const [x, dout] = [turn(run.x, order), turn(run.dout, order)];
      const channels = [run.x.shape[axis]!];
      const { gamma = full(channels, 1), beta = full(channels, 0), moving_mean, moving_variance } = run.weights;
      const { epsilon = 1e-3, trainable = true } = options;
      const byBatch = training && trainable;
      const inputs = byBatch ? [x, gamma, beta] : [x, gamma, beta, moving_mean!, moving_variance!];
      const reference = byBatch ? references.batchNorm : references.batchNormInference;
      const y = reference.forward(inputs, { epsilon });
      const grads = reference.backward(inputs, y, dout, { epsilon });
      const terms = batchNormMagnitude(inputs, epsilon, map(dout, Math.abs));
      const transposedTolerance = { rtol: 4e-6, magnitude: turn(terms.output, inverse).data };
      expectClose(run.output.data, turn(y, inverse).data, transposedTolerance, 'output');
      const dx = { rtol: 4e-6, magnitude: turn(terms.grads[0]!, inverse).data };
      expectClose(run.dx.data, turn(grads[0]!, inverse).data, dx, 'dx');
      const trained = trainable ? ['gamma', 'beta'].filter((name) => name in run.weights) : [];
      expect(Object.keys(run.gradients)).toEqual(trained);
      for (const name of trained) {
        const k = name === 'gamma' ? 1 : 2;
        const tolerance = { rtol: 4e-6, magnitude: terms.grads[k]!.data };
        expectClose(run.gradients[name]!.data, grads[k]!.data, tolerance, name);
      }
      const batch = statistics(x);
      const movingAverage = (old: NdArray, now: NdArray) =>
        map(old, (v, i) => (byBatch ? 0.75 * v + 0.25 * now.data[i]! : v));
      const near = { rtol: 4e-6, magnitude: full(channels, 4).data };
      expectClose(run.after.moving_mean!.data, movingAverage(moving_mean!, batch.mean).data, near, 'moving mean');
      expectClose(
        run.after.moving_variance!.data,
        movingAverage(moving_variance!, batch.variance).data,
        near,
        'variance',
      );
    }
  });

  test('uses its initializers', async () => {
    const options = {
      gammaInitializer: constant(2),
      betaInitializer: 'ones',
      movingMeanInitializer: constant(-3),
      movingVarianceInitializer: constant(0.5),
    } as const;
    using model = new Sequential([new BatchNormalization({ inputShape: [2], ...options })]).build(device);
    const start = await Promise.all(model.weights.map(async ({ tensor }) => [...(await tensor.data())]));
    expect(start).toEqual([
      [2, 2],
      [1, 1],
      [-3, -3],
      [0.5, 0.5],
    ]);
  });

  test('penalties on gamma and beta are part of the loss and of the step', async () => {
    const learningRate = 0.125;
    const penalties = { gammaRegularizer: l2(0.5), betaRegularizer: l1l2({ l1: 0.25, l2: 1 }) };
    const train = async (options: BatchNormalizationOptions) => {
      using loader = new ImageLoader(device, drawImages(9, { classes: 3, shape: [4, 4, 1] }));
      using model = new Sequential([
        new Flatten({ inputShape: [4, 4, 1] }),
        new BatchNormalization({ gammaInitializer: constant(1.5), betaInitializer: constant(-0.5), ...options }),
        new Dense({ units: 3, activation: 'softmax' }),
      ])
        .build(device, { seed: 5 })
        .compile({ optimizer: new SGD({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
      const { epochs } = await model.fit(loader, { batchSize: 9 });
      const [gamma, beta] = await Promise.all(model.weights.slice(0, 2).map(({ tensor }) => tensor.data()));
      return { loss: epochs[0]!.loss, gamma: [...gamma!], beta: [...beta!] };
    };
    const [plain, both] = [await train({}), await train(penalties)];
    const added = 16 * (0.5 * 1.5 ** 2 + 0.25 * 0.5 + 0.5 ** 2);
    expectClose([both.loss], [plain.loss + added], { rtol: 1e-6 });
    const steps = (value: number) => learningRate * value;
    const close = { rtol: 1e-6, magnitude: new Array(16).fill(1) };
    expectClose(
      both.gamma,
      plain.gamma.map((g) => g - steps(2 * 0.5 * 1.5)),
      close,
    );
    expectClose(
      both.beta,
      plain.beta.map((b) => b - steps(-0.25 + 2 * -0.5)),
      close,
    );
    const named = await train({ gammaRegularizer: 'l1' });
    expectClose([named.loss], [(await train({ gammaRegularizer: l1(0.01) })).loss], { rtol: 1e-7 });
  });
});
