import { describe, expect, test } from 'vitest';
import {
  Adam,
  AdamW,
  ArgumentError,
  BatchNormalization,
  Conv2D,
  confusionMatrix,
  Dense,
  type Device,
  Dropout,
  type EpochLogs,
  Flatten,
  ImageLoader,
  type Layer,
  MaxPooling2D,
  type Optimizer,
  RMSprop,
  regularizers,
  Sequential,
  SGD,
} from '../../src/node.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const REPLICAS = 3;
const SEED = 5;

/** What training one or several at once needs; `r` is the replica, or null for all of them. */
interface Setup {
  name: string;
  layers(r: number | null): Layer[];
  optimizer(r: number | null): Optimizer;
}

const mlp = (options: { kernelRegularizer?: regularizers.Regularizer } = {}) => [
  new Flatten({ inputShape: [6, 6, 1] }),
  new Dense({ units: 7, activation: 'relu', ...options }),
  new Dropout(0.3),
  new Dense({ units: 3, activation: 'softmax', ...options }),
];
const cnn = () => [
  new Conv2D({ filters: 5, kernelSize: 3, activation: 'relu', inputShape: [6, 6, 1] }),
  new BatchNormalization(),
  new MaxPooling2D({ poolSize: 2 }),
  new Flatten(),
  new Dense({ units: 9, activation: 'tanh' }),
  new BatchNormalization(),
  new Dropout(0.5),
  new Dense({ units: 3, activation: 'softmax' }),
];
const valuesFor = <T>(all: readonly T[], r: number | null): T | readonly T[] => (r === null ? all : all[r]!);
const rates = [0.1, 0.01, 0.3];
const lambdas = [0.001, 0, 0.05];
const l1l2 = (r: number | null) => ({
  kernelRegularizer: regularizers.l1l2({ l1: valuesFor(lambdas, r), l2: valuesFor(lambdas, r) }),
});
const optimizers = [
  ['SGD', (learningRate) => new SGD({ learningRate })],
  ['SGD with momentum', (learningRate) => new SGD({ learningRate, momentum: 0.9, nesterov: true })],
  ['Adam', (learningRate) => new Adam({ learningRate })],
  ['AdamW', (learningRate) => new AdamW({ learningRate })],
  ['RMSprop', (learningRate) => new RMSprop({ learningRate })],
  ['RMSprop, centered', (learningRate) => new RMSprop({ learningRate, momentum: 0.5, centered: true })],
] as [string, (learningRate: number | readonly number[]) => Optimizer][];
const setups: Setup[] = [
  { name: 'SGD', layers: () => mlp(), optimizer: () => new SGD({ learningRate: 0.1 }) },
  { name: 'convolutions, batch normalization, dropout, Adam', layers: cnn, optimizer: () => new Adam() },
  {
    name: 'L1 and L2, Adam',
    layers: () => mlp({ kernelRegularizer: regularizers.l1l2({ l1: 0.001, l2: 0.01 }) }),
    optimizer: () => new Adam(),
  },
  {
    name: 'clipping by the norm of all, with a penalty',
    layers: () => mlp({ kernelRegularizer: regularizers.l2(0.01) }),
    optimizer: () => new SGD({ learningRate: 0.1, globalClipNorm: 0.1 }),
  },
  {
    name: 'clipping, with different penalties',
    layers: (r) => mlp(l1l2(r)),
    optimizer: () => new SGD({ learningRate: 0.1, clipNorm: 0.1 }),
  },
  { name: 'different penalties', layers: (r) => mlp(l1l2(r)), optimizer: () => new Adam() },
  ...optimizers.map(([name, create]) => ({
    name: `different rates and penalties, ${name}`,
    layers: (r: number | null) => mlp(l1l2(r)),
    optimizer: (r: number | null) => create(valuesFor(rates, r)),
  })),
];

const metricsOf = ({ loss, accuracy, topK2, valLoss, valAccuracy, valTopK2, learningRate, epoch }: EpochLogs) => ({
  loss,
  accuracy,
  topK2,
  valLoss,
  valAccuracy,
  valTopK2,
  learningRate,
  epoch,
});

describeOnDevice('replicas', (device) => {
  const images = drawImages(22, { classes: 3, shape: [6, 6, 1] });
  const compileModel = ({ layers, optimizer }: Setup, r: number | null) =>
    new Sequential(layers(r)).compile({
      optimizer: optimizer(r),
      loss: 'sparseCategoricalCrossentropy',
      metrics: ['topK2', 'f1'],
    });
  const fitModel = async (model: Sequential, data: ImageLoader, options: { seed: number; replicas?: number }) =>
    model.fit(data, { epochs: 2, batchSize: 8, validationSplit: 0.25, classWeight: { 1: 2 }, ...options });
  const weightsOf = (model: Sequential) => Promise.all(model.weights.map(({ tensor }) => tensor.data()));
  const slice = <T extends { length: number; slice(a: number, b: number): T }>(all: T, r: number) =>
    all.slice((r * all.length) / REPLICAS, ((r + 1) * all.length) / REPLICAS);

  // The last batch is short, and the weights' sizes are no multiples of four.
  test.each(setups)('$name: each has the bits of a model trained alone with its seed', async (setup) => {
    using data = new ImageLoader(device, images);
    using together = compileModel(setup, null).build(device, { seed: SEED });
    const history = await fitModel(together, data, { seed: SEED + 20, replicas: REPLICAS });
    const weights = await weightsOf(together);
    const evaluated = await together.evaluateReplicas(data);
    const predicted = await together.predict(data, { batchSize: 5 });
    expect(predicted.length).toBe(REPLICAS * 22 * 3);
    for (let r = 0; r < REPLICAS; r++) {
      using alone = compileModel(setup, r).build(device, { seed: SEED + r });
      const { epochs } = await fitModel(alone, data, { seed: SEED + 20 + r });
      expect(history.replicas[r]!.map(metricsOf), `history of ${r}`).toEqual(epochs.map(metricsOf));
      for (const [k, weight] of (await weightsOf(alone)).entries()) {
        expectSameBits(slice(weights[k]!, r), weight, `${alone.weights[k]!.name} of ${r}`);
      }
      expect(evaluated[r]).toEqual(await alone.evaluate(data));
      expectSameBits(slice(predicted, r), await alone.predict(data, { batchSize: 22 }), `outputs of ${r}`);
      const matrix = await confusionMatrix(together, data, { replica: r });
      expect(matrix).toEqual(await confusionMatrix(alone, data));
    }
    const losses = history.replicas.map((epochs) => epochs[1]!.loss);
    expect(new Set(losses).size).toBe(REPLICAS);
    expect(history.epochs[1]!.loss).toBeCloseTo(losses.reduce((a, b) => a + b) / REPLICAS, 12);
    expect((await together.evaluate(data)).loss).toBeCloseTo(
      evaluated.reduce((a, { loss }) => a + loss, 0) / REPLICAS,
      12,
    );
  });

  test('arrays, streams and trainOnBatch have the same batches for every replica', async () => {
    const x = Array.from({ length: 12 * 36 }, (_, i) => Math.sin(i));
    const y = Array.from({ length: 12 }, (_, i) => i % 3);
    const run = async (seed: number, replicas: number) => {
      const model = compileModel(setups[0]!, null).build(device, { seed, replicas });
      await model.fit({ x, y }, { batchSize: 4, seed });
      const stream = () => [0, 1].map((i) => ({ x: x.slice(i * 216, (i + 1) * 216), y: y.slice(6 * i, 6 * i + 6) }));
      await model.fit(stream, { seed });
      const metrics = await model.trainOnBatch(x, y, { seed });
      const tested = await model.testOnBatch(x, y);
      const weights = await weightsOf(model);
      model.dispose();
      return { weights, losses: [metrics.loss, tested.loss] };
    };
    const together = await run(SEED, REPLICAS);
    const means = [0, 0];
    for (let r = 0; r < REPLICAS; r++) {
      const { weights, losses } = await run(SEED + r, 1);
      for (const [k, weight] of weights.entries())
        expectSameBits(slice(together.weights[k]!, r), weight, `weight ${k} of ${r}`);
      for (const [k, loss] of losses.entries()) means[k]! += loss / REPLICAS;
    }
    expect(together.losses[0]).toBeCloseTo(means[0]!, 12);
    expect(together.losses[1]).toBeCloseTo(means[1]!, 12);
  });

  test('replicas start with trained weights; those of a new model are drawn for each', async () => {
    using data = new ImageLoader(device, images);
    using model = compileModel(setups[0]!, null).build(device, { seed: SEED });
    await model.fit(data, { seed: 1 });
    const before = await weightsOf(model);
    expect(() => model.replicate(2)).toThrow(/compile it again/);
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' }).replicate(2);
    for (const [k, both] of (await weightsOf(model)).entries()) {
      expectSameBits(both, [...before[k]!, ...before[k]!]);
    }
    const { replicas } = await model.fit(data, { seed: 1 });
    expect(replicas[0]![0]!.loss).not.toBe(replicas[1]![0]!.loss);
  });

  test('a model is new until it is trained, also after fit threw for its data', async () => {
    using data = new ImageLoader(device, images);
    using ready = compileModel(setups[0]!, null).build(device, { seed: SEED });
    using fresh = compileModel(setups[0]!, null).build(device, { seed: SEED, replicas: REPLICAS });
    await ready.fit(data, { signal: AbortSignal.abort() });
    await expect(ready.fit(data, { replicas: 2, batchSize: 0 })).rejects.toThrow(/positive integer/);
    expect(ready.replicas).toBe(1);
    const options = { seed: 1, batchSize: 8 };
    await ready.fit(data, { ...options, replicas: REPLICAS });
    await fresh.fit(data, options);
    for (const [k, weights] of (await weightsOf(fresh)).entries()) {
      expectSameBits((await weightsOf(ready))[k]!, weights, `weight ${k}`);
    }
  });

  test('a step has as many dispatches as that of a single model, and creates nothing', async () => {
    using data = new ImageLoader(device, images);
    const count = async (replicas: number) => {
      using model = compileModel(setups[1]!, null).build(device, { replicas });
      await model.fit(data, { batchSize: 11 });
      const seen: number[] = [];
      for (const epochs of [1, 2]) {
        const { dispatches } = device.counters;
        await model.fit(data, { epochs, batchSize: 11 });
        seen.push(device.counters.dispatches - dispatches);
      }
      return seen[1]! - seen[0]!;
    };
    expect(await count(REPLICAS)).toBe(await count(1));
  });

  describe('throws for', () => {
    const model = (on: Device) => compileModel(setups[0]!, null).build(on);
    test.each([0, 1.5, -1, Number.NaN, '3'])('replicas: %s', (replicas) => {
      using built = model(device);
      expect(() => built.replicate(replicas as number)).toThrow(ArgumentError);
      expect(() => compileModel(setups[0]!, null).build(device, { replicas: replicas as number })).toThrow(
        /positive integer/,
      );
    });

    test('another number than the model has', async () => {
      using data = new ImageLoader(device, images);
      using built = model(device).replicate(2);
      await expect(built.fit(data, { replicas: 3 })).rejects.toThrow(/has 2 replicas already/);
    });

    test('lists without an entry for each replica', async () => {
      using data = new ImageLoader(device, images);
      using built = compileModel(setups[5]!, null).build(device);
      await expect(built.fit(data)).rejects.toThrow(/3 rates, but the model has 1 replicas/);
      await expect(built.evaluate(data)).rejects.toThrow(ArgumentError);
      using other = new Sequential(mlp()).build(device, { replicas: 2 });
      other.compile({ optimizer: new SGD({ learningRate: rates }), loss: 'sparseCategoricalCrossentropy' });
      await expect(other.fit(data)).rejects.toThrow(/3 learning rates, but the model has 2 replicas/);
      using later = new Sequential(mlp()).build(device);
      later.compile({ optimizer: new SGD({ learningRate: rates }), loss: 'sparseCategoricalCrossentropy' });
      await expect(later.fit(data, { replicas: 2 })).rejects.toThrow(/3 learning rates/);
      expect((await later.fit(data, { replicas: 3 })).replicas).toHaveLength(3);
      expect(() => new SGD({ learningRate: [] })).toThrow(ArgumentError);
      expect(() => new SGD({ learningRate: [0.1, -1] })).toThrow(ArgumentError);
    });

    test('a confusion matrix without a selected replica', async () => {
      using data = new ImageLoader(device, images);
      using built = model(device).replicate(2);
      await expect(confusionMatrix(built, data)).rejects.toThrow(/2 replicas.*0 to 1/);
      await expect(confusionMatrix(built, data, { replica: 2 })).rejects.toThrow(ArgumentError);
    });

    test('seeds beyond the maximum', async () => {
      using data = new ImageLoader(device, images);
      using built = model(device).replicate(2);
      await expect(built.fit(data, { seed: Number.MAX_SAFE_INTEGER })).rejects.toThrow(/seed/);
    });
  });
});
