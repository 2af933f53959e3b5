import { expect, test } from 'vitest';
import {
  Adam,
  ArgumentError,
  BatchNormalization,
  Conv2D,
  Dense,
  DepthwiseConv2D,
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
  ShapeError,
  schedules,
} from '../../src/node.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

/** No two seeds are consecutive; the low word of the second is all ones, and two replicas share a seed. */
const SEEDS = [11, 2 ** 32 - 1, 4, 11];
const REPLICAS = SEEDS.length;
const FIT_SEEDS = [3, 3, 2 ** 40 + 7, 0];
const RATES = [0.1, 0.01, 0.3, 0.1];
const DROPOUTS = [0, 0.5, 0.1, 0.5];
const MORE_DROPOUTS = [0.25, 0, 0.9, 0.3];
const PENALTIES = [0, 0.001, 0.05, 0];

/** Values of all replicas, or of replica `r`. */
const of = <T>(all: readonly T[], r: number | null): T | readonly T[] => (r === null ? all : all[r]!);
const penalty = (r: number | null) => regularizers.l1l2({ l1: of(PENALTIES, r), l2: of(PENALTIES.toReversed(), r) });

interface Setup {
  name: string;
  layers(r: number | null): Layer[];
  optimizer(r: number | null): Optimizer;
}

const mlp = (r: number | null) => [
  new Flatten({ inputShape: [6, 6, 1] }),
  new Dropout(of(MORE_DROPOUTS, r)),
  new Dense({ units: 7, activation: 'relu', kernelRegularizer: penalty(r) }),
  new Dropout(of(DROPOUTS, r)),
  new Dropout(0.2),
  new Dense({ units: 3, activation: 'softmax', kernelRegularizer: penalty(r) }),
];
const cnn = (r: number | null) => [
  new Conv2D({ filters: 5, kernelSize: 3, inputShape: [6, 6, 1], kernelRegularizer: penalty(r) }),
  new BatchNormalization({ gammaRegularizer: penalty(r) }),
  new Dropout(of(DROPOUTS, r)),
  new DepthwiseConv2D({ kernelSize: 2, activation: 'relu', depthwiseRegularizer: penalty(r) }),
  new Dropout(of(MORE_DROPOUTS, r)),
  new MaxPooling2D({ poolSize: 2 }),
  new Flatten(),
  new Dense({ units: 9, activation: 'tanh' }),
  new BatchNormalization(),
  new Dropout(of(DROPOUTS, r)),
  new Dense({ units: 3, activation: 'softmax' }),
];
const setups: Setup[] = [
  { name: 'dense layers, SGD', layers: mlp, optimizer: (r) => new SGD({ learningRate: of(RATES, r) }) },
  { name: 'dense layers, one rate, Adam', layers: mlp, optimizer: () => new Adam() },
  { name: 'convolutions, Adam', layers: cnn, optimizer: (r) => new Adam({ learningRate: of(RATES, r) }) },
  {
    name: 'convolutions, RMSprop, clipping',
    layers: cnn,
    optimizer: (r) => new RMSprop({ learningRate: of(RATES, r), momentum: 0.5, globalClipNorm: 1 }),
  },
];

const withoutTimes = ({ seconds: _, samplesPerSecond: __, ...figures }: EpochLogs) => figures;

describeOnDevice('replicas with different seeds, rates, penalties and dropout', (device) => {
  const images = drawImages(22, { classes: 3, shape: [6, 6, 1] });
  const compileModel = ({ layers, optimizer }: Setup, r: number | null) =>
    new Sequential(layers(r)).compile({
      optimizer: optimizer(r),
      loss: 'sparseCategoricalCrossentropy',
      metrics: ['topK2', 'f1'],
    });
  const options = { epochs: 3, batchSize: 8, validationSplit: 0.25, classWeight: { 1: 2 } };
  const weightsOf = (model: Sequential) => Promise.all(model.weights.map(({ tensor }) => tensor.data()));
  const slice = <T extends { length: number; slice(a: number, b: number): T }>(all: T, r: number) =>
    all.slice((r * all.length) / REPLICAS, ((r + 1) * all.length) / REPLICAS);

  test.each(setups)('$name: each has the bits of a model trained alone', async (setup) => {
    using data = new ImageLoader(device, images);
    using together = compileModel(setup, null).build(device, { seed: SEEDS });
    expect(together.replicas).toBe(REPLICAS);
    const initialWeights = await weightsOf(together);
    const history = await together.fit(data, { ...options, seed: FIT_SEEDS });
    const weights = await weightsOf(together);
    const evaluated = await together.evaluateReplicas(data);
    const predicted = await together.predict(data, { batchSize: 5 });
    for (let r = 0; r < REPLICAS; r++) {
      using alone = compileModel(setup, r).build(device, { seed: SEEDS[r]! });
      for (const [k, weight] of (await weightsOf(alone)).entries())
        expectSameBits(slice(initialWeights[k]!, r), weight);
      const { epochs } = await alone.fit(data, { ...options, seed: FIT_SEEDS[r]! });
      expect(history.replicas[r]!.map(withoutTimes), `history of ${r}`).toEqual(epochs.map(withoutTimes));
      for (const [k, weight] of (await weightsOf(alone)).entries()) {
        expectSameBits(slice(weights[k]!, r), weight, `${alone.weights[k]!.name} of ${r}`);
      }
      expect(evaluated[r]).toEqual(await alone.evaluate(data));
      expectSameBits(slice(predicted, r), await alone.predict(data, { batchSize: 22 }), `outputs of ${r}`);
    }
    expect(new Set(history.replicas.map((epochs) => epochs[2]!.loss)).size).toBe(REPLICAS);
  });

  test("trainOnBatch: dropout uses each replica's seed and rate", async () => {
    const x = Array.from({ length: 8 * 36 }, (_, i) => Math.sin(i));
    const y = Array.from({ length: 8 }, (_, i) => i % 3);
    const shaped = { x: new Float32Array(x), y };
    using together = compileModel(setups[0]!, null).build(device, { seed: SEEDS });
    for (let i = 0; i < 2; i++) await together.trainOnBatch(shaped.x, y, { seed: FIT_SEEDS });
    const weights = await weightsOf(together);
    for (let r = 0; r < REPLICAS; r++) {
      using alone = compileModel(setups[0]!, r).build(device, { seed: SEEDS[r]! });
      for (let i = 0; i < 2; i++) await alone.trainOnBatch(shaped.x, y, { seed: FIT_SEEDS[r]! });
      for (const [k, weight] of (await weightsOf(alone)).entries()) expectSameBits(slice(weights[k]!, r), weight);
    }
  });

  test('a list of seeds sets the number of replicas, also in fit', async () => {
    using data = new ImageLoader(device, images);
    using model = compileModel(setups[1]!, null).build(device, { seed: 5 });
    const { replicas } = await model.fit(data, { seed: FIT_SEEDS });
    expect(replicas).toHaveLength(REPLICAS);
    using counted = compileModel(setups[1]!, null).build(device, { seed: 5, replicas: REPLICAS });
    await counted.fit(data, { seed: FIT_SEEDS });
    const weights = await weightsOf(counted);
    for (const [k, weight] of (await weightsOf(model)).entries()) expectSameBits(weight, weights[k]!);
  });

  test('schedules may differ, and some may be constant', async () => {
    using data = new ImageLoader(device, images);
    const rates = [
      schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 2, decayRate: 0.5 }),
      0.05,
      schedules.cosineDecay({ initialLearningRate: 0.3, decaySteps: 5 }),
      0.05,
    ];
    const setup = (r: number | null) => ({
      ...setups[0]!,
      optimizer: () => new Adam({ learningRate: r === null ? rates : rates[r]! }),
    });
    using together = compileModel(setup(null), null).build(device, { seed: SEEDS });
    const history = await together.fit(data, { ...options, seed: FIT_SEEDS });
    for (let r = 0; r < REPLICAS; r++) {
      using alone = compileModel(setup(r), r).build(device, { seed: SEEDS[r]! });
      const { epochs } = await alone.fit(data, { ...options, seed: FIT_SEEDS[r]! });
      expect(history.replicas[r]!.map(withoutTimes)).toEqual(epochs.map(withoutTimes));
      for (const [k, weight] of (await weightsOf(alone)).entries()) {
        expectSameBits(slice(await together.weights[k]!.tensor.data(), r), weight);
      }
    }
  });

  test('a list with one seed is that seed', async () => {
    const initialWeights = async (seed: number | readonly number[]) => {
      using model = compileModel(setups[1]!, 0).build(device, { seed });
      return weightsOf(model.replicate(2));
    };
    const [one, listed] = [await initialWeights(7), await initialWeights([7])];
    for (const [k, weights] of one.entries()) expectSameBits(listed[k]!, weights);
  });

  test('a step has as many dispatches as that of a single model, creates nothing and reads nothing back', async () => {
    using data = new ImageLoader(device, images);
    const steps = async (model: Sequential, seed: number | readonly number[]) => {
      await model.fit(data, { batchSize: 11, seed });
      const seen: Record<string, number>[] = [];
      for (const epochs of [2, 5]) {
        const { dispatches, submits, readBacks } = device.counters;
        await model.fit(data, { epochs, batchSize: 11, seed });
        seen.push({
          dispatches: device.counters.dispatches - dispatches,
          submits: device.counters.submits - submits,
          readBacks: device.counters.readBacks - readBacks,
        });
      }
      const [few, many] = seen as [Record<string, number>, Record<string, number>];
      return Object.fromEntries(Object.entries(many).map(([name, count]) => [name, (count - few[name]!) / 3]));
    };
    // No rate of replica 2 is 0, so as a single model it has all dispatches of dropout too.
    using together = compileModel(setups[3]!, null).build(device, { seed: SEEDS });
    using alone = compileModel(setups[3]!, 2).build(device);
    expect(await steps(together, FIT_SEEDS)).toEqual(await steps(alone, 0));
  });

  test.each<[what: string, seed: unknown]>([
    ['a fraction', [1, 1.5]],
    ['a negative seed', [1, -1]],
    ['text', [1, '2']],
    ['a hole', [1, undefined]],
    ['none', []],
    ['text instead of a list', '12'],
  ])('throws for a list of seeds with %s', async (_, given) => {
    const seed = given as number[];
    expect(() => compileModel(setups[1]!, 0).build(device, { seed })).toThrow(ArgumentError);
    expect(() => compileModel(setups[1]!, 0).build(device, { seed })).toThrow(/build: seed/);
    using model = compileModel(setups[1]!, 0).build(device);
    await expect(model.fit({ x: [0], y: [0] }, { seed })).rejects.toThrow(/fit: seed/);
    await expect(model.trainOnBatch([0], [0], { seed })).rejects.toThrow(/trainOnBatch: seed/);
    expect(model.replicas).toBe(1);
  });

  test('throws for lists with another length than the number of replicas', async () => {
    using data = new ImageLoader(device, images);
    const model = () => compileModel(setups[1]!, 0);
    expect(() => model().build(device, { seed: [1, 2, 4], replicas: 2 })).toThrow(
      /build: 3 seeds are for as many replicas, but there are 2/,
    );
    using two = model().build(device, { seed: [1, 5] });
    await expect(two.fit(data, { seed: [1, 2, 4] })).rejects.toThrow(/has 2 replicas already, so it cannot have 3/);
    await expect(two.fit(data, { seed: [1, 2, 4], replicas: 2 })).rejects.toThrow(ArgumentError);
    await expect(two.trainOnBatch(new Float32Array(36), [0], { seed: [1] })).rejects.toThrow(
      /trainOnBatch: 1 seed is for as many replicas, but there are 2/,
    );
    using dropped = new Sequential(mlp(null)).build(device, { seed: [1, 5] });
    dropped.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    await expect(dropped.fit(data)).rejects.toThrow(ShapeError);
    await expect(dropped.fit(data)).rejects.toThrow(/dropout: 4 rates are for as many replicas, but the input has 2/);
  });
});
