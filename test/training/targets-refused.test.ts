import { describe, expect, test } from 'vitest';
import {
  Activation,
  ArgumentError,
  ArrayLoader,
  type BatchSource,
  BinaryCrossentropy,
  CategoricalCrossentropy,
  type CompileOptions,
  Conv2D,
  confusionMatrix,
  DataError,
  Dense,
  Flatten,
  Huber,
  ImageLoader,
  input,
  type Layer,
  Model,
  Sequential,
  SGD,
  type TrainingData,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

type Route = (model: Sequential, x: number[], y: number[]) => Promise<unknown>;

/** Every way to pass targets to a model, except a loader. */
const routes: Record<string, Route> = {
  fit: (model, x, y) => model.fit({ x, y }),
  'fit with class weights': (model, x, y) => model.fit({ x, y }, { classWeight: { 0: 2 } }),
  'fit with replicas': (model, x, y) => model.fit({ x, y }, { replicas: 2 }),
  'fit with a split': (model, x, y) => model.fit({ x, y }, { validationSplit: 0.5 }),
  'fit, validation': (model, x, y) => model.fit({ x, y: y.map(() => 0) }, { validationData: { x, y } }),
  'fit on a stream': (model, x, y) => model.fit(() => [{ x, y }]),
  'fit on a stream with class weights': (model, x, y) => model.fit(() => [{ x, y }], { classWeight: { 0: 2 } }),
  'fit, validation by a stream': (model, x, y) =>
    model.fit({ x, y: y.map(() => 0) }, { validationData: () => [{ x, y }] }),
  evaluate: (model, x, y) => model.evaluate({ x, y }),
  'evaluate on a stream': (model, x, y) => model.evaluate(() => [{ x, y }]),
  trainOnBatch: (model, x, y) => model.trainOnBatch(x, y),
  'trainOnBatch with class weights': (model, x, y) => model.trainOnBatch(x, y, { classWeight: { 0: 2 } }),
  testOnBatch: (model, x, y) => model.testOnBatch(x, y),
  confusionMatrix: (model, x, y) => confusionMatrix(model, { x, y }, model.replicas > 1 ? { replica: 0 } : {}),
};
/** The same for an existing loader. */
const loaderRoutes: Record<string, (model: Sequential, data: TrainingData, fine: TrainingData) => Promise<unknown>> = {
  'fit on a loader': (model, data) => model.fit(data),
  'fit on a loader, validation': (model, data, fine) => model.fit(fine, { validationData: data }),
  'evaluate a loader': (model, data) => model.evaluate(data),
};

/** The model was not trained, except with a stream of validation data, which is first read after an epoch. */
const expectUntrained = (model: Sequential, route: string) =>
  expect(model.training.optimizer.iterations).toBe(route === 'fit, validation by a stream' ? 1 : 0);

describeOnDevice('targets that the loss does not accept', (device) => {
  const x = [0, 1, 2, 3, 4, 5, 6, 7];
  const compile = (last: Layer, loss: CompileOptions['loss']) =>
    new Sequential([new Flatten({ inputShape: [2] }), last]).build(device).compile({ optimizer: new SGD(), loss });
  const units = (n: number, activation?: 'sigmoid' | 'softmax') => new Dense({ units: n, activation });

  /** Four samples: the loss, the last layer, the targets, and the value in the message with its position. */
  const outside: [name: string, loss: CompileOptions['loss'], last: () => Layer, y: number[], says: RegExp][] = [
    ['-1 and 1', 'binaryCrossentropy', () => units(1, 'sigmoid'), [1, 1, -1, 1], /-1 of sample 2 /],
    ['1 and 2', 'binaryCrossentropy', () => units(1, 'sigmoid'), [1, 1, 1, 2], /2 of sample 3 .*count from 0/],
    ['0 and 255', 'binaryCrossentropy', () => units(1, 'sigmoid'), [0, 255, 0, 0], /255 of sample 1 /],
    [
      'with label smoothing, from logits',
      new BinaryCrossentropy({ fromLogits: true, labelSmoothing: 0.2 }),
      () => units(1),
      [0, 1.25, 0, 0],
      /1.25 of sample 1 /,
    ],
    [
      'several labels',
      'binaryCrossentropy',
      () => units(2, 'sigmoid'),
      [0, 1, 0, 1, 0, -0.5, 1, 1],
      /-0.5 of sample 2 \(column 1\)/,
    ],
    [
      'rows for a softmax',
      'categoricalCrossentropy',
      () => units(2, 'softmax'),
      [0, 1, 0, 255, 1, 0, 0, 1],
      /255 of sample 1 \(column 1\)/,
    ],
    [
      'rows for logits',
      new CategoricalCrossentropy({ fromLogits: true, labelSmoothing: 0.1 }),
      () => units(2),
      [0, 1, -1, 1, 1, 0, 0, 1],
      /-1 of sample 1 \(column 0\)/,
    ],
  ];

  describe.each(outside)('outside 0 to 1: %s', (_name, loss, last, y, says) => {
    test.each(Object.entries(routes))('%s', async (route, call) => {
      using model = compile(last(), loss);
      const rejection = expect(call(model, x, y)).rejects;
      await rejection.toThrow(says);
      expectUntrained(model, route);
    });
    test.each(Object.entries(loaderRoutes))('%s', async (_route, call) => {
      using model = compile(last(), loss);
      const options = { x, shape: [2], targetShape: model.outputShape };
      using data = new ArrayLoader(device, { ...options, y });
      using fine = new ArrayLoader(device, { ...options, y: y.map(() => 0) });
      await expect(call(model, data, fine)).rejects.toThrow(DataError);
      await expect(call(model, data, fine)).rejects.toThrow(says);
    });
  });

  test('probabilities are accepted, also if rows do not sum to 1; other losses accept any number', async () => {
    const train = async (last: Layer, loss: CompileOptions['loss'], y: number[]) => {
      using model = compile(last, loss);
      const { epochs } = await model.fit({ x, y });
      expect(epochs[0]!.loss).toBeGreaterThan(0);
    };
    await train(units(1, 'sigmoid'), 'binaryCrossentropy', [0, 0.25, 0.5, 1]);
    await train(units(2, 'softmax'), 'categoricalCrossentropy', [1, 1, 0, 0.5, 0.25, 0, 1, 0]);
    for (const loss of ['meanSquaredError', 'meanAbsoluteError', new Huber()] as const) {
      await train(units(1), loss, [-1, 2, 255, 0]);
    }
  });

  test('a custom source: its labels and extremes are checked if the host has them', async () => {
    const unusedStream = () => {
      throw new Error('no batch is asked for');
    };
    const source = { device, size: 4, sampleShape: [2], batch: unusedStream };
    using classes = compile(units(3, 'softmax'), 'sparseCategoricalCrossentropy');
    for (const bad of [3, -1, 0.5, Number.NaN]) {
      const data = { ...source, classes: 3, labels: [0, 1, 2, bad] };
      await expect(classes.fit(data)).rejects.toThrow(
        new RegExp(`fit: label ${bad} of sample 3 is not one of the 3 classes`),
      );
    }
    using values = compile(units(2, 'sigmoid'), 'binaryCrossentropy');
    const targetExtremes = [{ value: -2, index: 5 }];
    const data = { ...source, classes: null, targetShape: [2], targetExtremes };
    await expect(values.evaluate(data)).rejects.toThrow(/evaluate: y: target -2 of sample 2 \(column 1\)/);
  });

  /** Without extremes: the adapter checks the targets, and reading the metrics throws. */
  const bare = (loader: ArrayLoader): BatchSource => {
    const { size, sampleShape, classes, targetShape } = loader;
    return { ...{ device, size, sampleShape, classes, targetShape }, batch: (...of) => loader.batch(...of) };
  };
  test.each<[string, number[], RegExp]>([
    ['above', [0, 1, 255, 1, 0, 0, 2, 1], /2 targets \(from 2 to 255\) do not lie between 0 and 1/],
    ['below', [0, -0.5, 0, 1, 0, 0, 1, 1], /1 targets \(-0.5\) do not lie between 0 and 1/],
    ['both', [-3, 1, 0, 1, 0, 4, 1, -1], /3 targets \(from -3 to 4\)/],
  ])('a custom source without extremes, %s: throws at the end of the first epoch', async (_what, y, says) => {
    using loader = new ArrayLoader(device, { x, y, shape: [2], targetShape: [2] });
    using fine = new ArrayLoader(device, { x, y: y.map(() => 0), shape: [2], targetShape: [2] });
    for (const replicas of [1, 2]) {
      using model = compile(units(2, 'sigmoid'), 'binaryCrossentropy');
      await expect(model.fit(bare(loader), { replicas, batchSize: 3 })).rejects.toThrow(says);
      await expect(model.fit(bare(fine), { validationData: bare(loader) })).rejects.toThrow(DataError);
      await expect(model.evaluate(bare(loader))).rejects.toThrow(says);
      const matrix = confusionMatrix(model, bare(loader), { label: 1, replica: 0 });
      await expect(matrix).rejects.toThrow(says);
      await model.fit(bare(fine), { epochs: 2 });
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      await model.fit(bare(loader));
    }
  });

  const labels: [what: string, y: number[], says: RegExp][] = [
    ['negative', [0, 1, -1, 2], /label -1 of sample 2 /],
    ['too large', [0, 1, 2, 3], /label 3 of sample 3 /],
    ['a fraction', [0, 1.5, 2, 0], /label 1.5 of sample 1 /],
    ['NaN', [Number.NaN, 1, 2, 0], /label NaN of sample 0/],
    ['infinite', [0, 1, 2, Number.POSITIVE_INFINITY], /label Infinity of sample 3|number 3 is Infinity/],
  ];
  const losses = ['sparseCategoricalCrossentropy', 'categoricalCrossentropy', 'binaryCrossentropy'] as const;
  describe.each(losses)('labels that are not classes, %s', (loss) => {
    describe.each(labels)('%s', (_what, y, says) => {
      test.each(Object.entries(routes))('%s', async (route, call) => {
        using model = compile(units(3, loss === 'binaryCrossentropy' ? 'sigmoid' : 'softmax'), loss);
        const error = await call(model, x, y).catch((caught: unknown) => caught);
        expect(error).toBeInstanceOf(DataError);
        expect((error as Error).message).toMatch(says);
        expectUntrained(model, route);
      });
      test('of a loader', () => {
        expect(() => new ArrayLoader(device, { x, y, shape: [2], classes: 3 })).toThrow(says);
      });
    });
  });
});

describe('compile: throws for a softmax with one output', () => {
  const sequential = (...layers: Layer[]) => new Sequential([new Flatten({ inputShape: [4, 4, 1] }), ...layers]);
  const nestedModel = () => {
    const x = input([3]);
    return new Model({ inputs: x, outputs: new Dense({ units: 1, activation: 'softmax' }).apply(x) });
  };
  test.each<[string, () => Model, RegExp]>([
    ['Dense', () => sequential(new Dense({ units: 1, activation: 'softmax' })), /dense/],
    ['Activation', () => sequential(new Dense({ units: 1 }), new Activation('softmax', { name: 'last' })), /last/],
    [
      'Conv2D',
      () => new Sequential([new Conv2D({ filters: 1, kernelSize: 1, activation: 'softmax', inputShape: [2, 2, 3] })]),
      /conv2d/,
    ],
    [
      'before the last layer',
      () => sequential(new Dense({ units: 1, activation: 'softmax' }), new Dense({ units: 2, activation: 'softmax' })),
      /dense/,
    ],
    ['a model inside', () => new Sequential([new Flatten({ inputShape: [3] }), nestedModel()]), /dense/],
  ])('%s', (_what, make, names) => {
    for (const loss of ['binaryCrossentropy', 'meanSquaredError', 'categoricalCrossentropy'] as const) {
      const compile = () => make().compile({ optimizer: 'sgd', loss });
      expect(compile).toThrow(ArgumentError);
      expect(compile).toThrow(/^compile: .*sigmoid.*binaryCrossentropy/);
      expect(compile).toThrow(names);
    }
  });

  test.each(['sparseCategoricalCrossentropy', 'categoricalCrossentropy'] as const)(
    '%s throws for one output too',
    (loss) => {
      const compile = (activation?: 'sigmoid') =>
        sequential(new Dense({ units: 1, activation })).compile({ optimizer: 'sgd', loss });
      expect(() => compile()).toThrow(/^compile: .*one unit.*sigmoid.*binaryCrossentropy/);
      expect(() => compile('sigmoid')).toThrow(ArgumentError);
    },
  );
});

describeOnDevice('labels for a model whose output is an image', (device) => {
  const shape = [4, 8, 8, 1];
  const x = { shape, data: new Float32Array(4 * 64) };
  const maps = (loss: CompileOptions['loss'], units = 2) =>
    new Sequential([new Conv2D({ filters: 3, kernelSize: 3, inputShape: [8, 8, 1] }), new Dense({ units })])
      .build(device)
      .compile({ optimizer: 'adam', loss });
  const flatten = 'put Flatten or GlobalAveragePooling2D before the last Dense, so that it ends in \\[';

  test.each<[loss: CompileOptions['loss'], units: number, y: unknown, says: RegExp]>([
    [
      'sparseCategoricalCrossentropy',
      2,
      [0, 1, 0, 1],
      RegExp(
        `fit: the model ends in \\[6,6,2\\] for each sample, but y has one number for each of 4 samples; ${flatten}2\\]`,
      ),
    ],
    [
      'categoricalCrossentropy',
      2,
      [
        [1, 0],
        [0, 1],
        [1, 0],
        [0, 1],
      ],
      RegExp(`y has 2 numbers for each of 4 samples; ${flatten}2\\]`),
    ],
    ['categoricalCrossentropy', 2, [0, 1, 0, 1], RegExp(`one number for each of 4 samples; ${flatten}2\\]`)],
    ['binaryCrossentropy', 1, [0, 1, 0, 1], RegExp(`the model ends in \\[6,6,1\\].*; ${flatten}1\\]`)],
    ['meanSquaredError', 1, [0.5, 1, 0, 1], RegExp(`y has one number for each of 4 samples; ${flatten}1\\]`)],
    [
      'sparseCategoricalCrossentropy',
      2,
      [0, 1, 0],
      /fit: sparseCategoricalCrossentropy needs a model that ends in \[classes\], but it ends in \[6,6,2\]; put Flatten/,
    ],
    [
      'meanSquaredError',
      1,
      [0, 1, 0],
      /4 samples need 144 numbers \(\[6,6,1\] each\) as y for meanSquaredError, but there are 3/,
    ],
  ])('%s of %i, y %j', async (loss, units, y, says) => {
    using model = maps(loss, units);
    await expect(model.fit({ x, y } as TrainingData)).rejects.toThrow(says);
    expect(model.training.optimizer.iterations).toBe(0);
  });

  test('of an ImageLoader', async () => {
    using model = maps('sparseCategoricalCrossentropy');
    const images = drawImages(4, { shape: [8, 8, 1], classes: 2 });
    await expect(model.fit(new ImageLoader(device, images))).rejects.toThrow(
      RegExp(`must end in \\[2\\], but ends in \\[6,6,2\\]; ${flatten}2\\]`),
    );
  });
});
