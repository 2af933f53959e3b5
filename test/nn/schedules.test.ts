import { expect, test } from 'vitest';
import {
  Adam,
  ArgumentError,
  type Callback,
  Dense,
  type Device,
  Flatten,
  ImageLoader,
  LearningRateScheduler,
  type OptimizerName,
  type Rate,
  ReduceLROnPlateau,
  Sequential,
  SGD,
  schedules,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const { constant, cosineDecay, exponentialDecay, piecewiseConstantDecay, warmUp } = schedules;

// Computed by hand from the formulas in Keras's learning_rate_schedule.py.
test.each([
  [
    'constant',
    constant(0.3),
    [
      [0, 0.3],
      [1e6, 0.3],
    ],
  ],
  [
    'piecewise',
    piecewiseConstantDecay({ boundaries: [100, 110], values: [1, 0.5, 0.1] }),
    [
      [0, 1],
      [100, 1],
      [101, 0.5],
      [110, 0.5],
      [111, 0.1],
      [1e6, 0.1],
    ],
  ],
  [
    'piecewise of one piece',
    piecewiseConstantDecay({ boundaries: [], values: [0.2] }),
    [
      [0, 0.2],
      [9, 0.2],
    ],
  ],
  [
    'exponential',
    exponentialDecay({ initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.25 }),
    [
      [0, 0.1],
      [5, 0.05],
      [10, 0.025],
      [15, 0.0125],
      [20, 0.00625],
    ],
  ],
  [
    'steps',
    exponentialDecay({ initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.5, staircase: true }),
    [
      [0, 0.1],
      [9, 0.1],
      [10, 0.05],
      [19, 0.05],
      [20, 0.025],
    ],
  ],
  [
    'cosine',
    cosineDecay({ initialLearningRate: 0.8, decaySteps: 6 }),
    // cos of 0, 60, 90, 120 and 180 degrees
    [
      [0, 0.8],
      [2, 0.6],
      [3, 0.4],
      [4, 0.2],
      [6, 0],
      [100, 0],
    ],
  ],
  [
    'cosine to a floor',
    cosineDecay({ initialLearningRate: 0.8, decaySteps: 6, alpha: 0.5 }),
    [
      [0, 0.8],
      [2, 0.7],
      [3, 0.6],
      [6, 0.4],
      [7, 0.4],
    ],
  ],
  [
    'cosine after a warm-up',
    cosineDecay({ initialLearningRate: 0.1, decaySteps: 6, warmupTarget: 0.8, warmupSteps: 7 }),
    [
      [0, 0.1],
      [1, 0.2],
      [6, 0.7],
      [7, 0.8],
      [9, 0.6],
      [10, 0.4],
      [13, 0],
      [99, 0],
    ],
  ],
  [
    'warm-up',
    warmUp({ steps: 4, target: 0.2 }),
    [
      [0, 0],
      [1, 0.05],
      [3, 0.15],
      [4, 0.2],
      [99, 0.2],
    ],
  ],
  [
    'warm-up and a schedule',
    warmUp({ steps: 2, initialLearningRate: 0.1, target: (step) => 1 / (step + 1) }),
    [
      [0, 0.1],
      [1, 0.55],
      [2, 1],
      [3, 0.5],
      [4, 1 / 3],
    ],
  ],
] as [string, (step: number) => number, [number, number][]][])('%s', (_name, schedule, values) => {
  for (const [step, rate] of values) expect(schedule(step), `step ${step}`).toBeCloseTo(rate, 12);
});

test.each([
  ['constant', () => constant(-1)],
  ['piecewiseConstantDecay', () => piecewiseConstantDecay({ boundaries: [1], values: [1] })],
  ['piecewiseConstantDecay', () => piecewiseConstantDecay({ boundaries: [2, 2], values: [1, 2, 3] })],
  ['piecewiseConstantDecay', () => piecewiseConstantDecay({ boundaries: [2], values: [1, Number.NaN] })],
  ['exponentialDecay', () => exponentialDecay({ initialLearningRate: 1, decaySteps: 0, decayRate: 1 })],
  ['exponentialDecay', () => exponentialDecay(undefined as unknown as Parameters<typeof exponentialDecay>[0])],
  ['cosineDecay', () => cosineDecay({ initialLearningRate: 1, decaySteps: -1 })],
  ['cosineDecay', () => cosineDecay({ initialLearningRate: 1, decaySteps: 1, warmupTarget: -1 })],
  ['warmUp', () => warmUp({ steps: -1, target: 1 })],
  ['LearningRateScheduler', () => new LearningRateScheduler(0.1 as unknown as () => number)],
])('%s: throws for impossible options', (name, create) => {
  expect(create).toThrow(ArgumentError);
  expect(create).toThrow(name);
});

test('Optimizer: calls its schedule with steps from 0; an assigned rate replaces it', () => {
  const optimizer = new Adam({ learningRate: (step) => 1 + step, beta1: 0, beta2: 0 });
  expect(optimizer.learningRate).toBe(1);
  expect(optimizer.ratesAt(1)).toEqual([{ rate: 1, stepSize: 1 }]);
  optimizer.iterations = 6;
  expect(optimizer.learningRate).toBe(7);
  expect(optimizer.ratesAt(7)[0]!.rate).toBe(7);
  optimizer.learningRate = 0.25;
  expect(optimizer.ratesAt(7)[0]!.stepSize).toBe(0.25);
  optimizer.learningRate = constant(0);
  expect(optimizer.ratesAt(8)[0]!.stepSize).toBe(0);
});

describeOnDevice('the learning rate in fit', (device) => {
  const build = (on: Device, learningRate: Rate) => {
    const optimizer = new SGD({ learningRate });
    const layers = [new Flatten({ inputShape: [4, 4, 1] }), new Dense({ units: 3, activation: 'softmax' })];
    const model = new Sequential(layers).build(on).compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
    return { model, optimizer };
  };
  const images = drawImages(8, { classes: 3, shape: [4, 4, 1] });

  /** Weights after three epochs of two steps, and the rates in the epochs' logs. */
  async function train(learningRate: Rate, callbacks: (optimizer: SGD) => Callback[] = () => []) {
    using loader = new ImageLoader(device, images);
    const { model, optimizer } = build(device, learningRate);
    using trained = model;
    const { epochs } = await trained.fit(loader, { epochs: 3, batchSize: 4, callbacks: callbacks(optimizer) });
    const weights = await Promise.all(trained.weights.map(async ({ tensor }) => [...(await tensor.data())]));
    return { weights, rates: epochs.map((epoch) => epoch.learningRate) };
  }

  test('fit: throws if a callback sets the rate of an optimizer with a schedule', async () => {
    const fitWith = (callback: Callback) =>
      train(
        () => 0.1,
        () => [callback],
      );
    await expect(fitWith(new LearningRateScheduler((_, rate) => rate))).rejects.toThrow(ArgumentError);
    await expect(fitWith(new ReduceLROnPlateau({ monitor: 'loss' }))).rejects.toThrow(
      /ReduceLROnPlateau: .* is a schedule/,
    );
  });

  test('equal rates from a schedule, a callback and assignments give the same training', async () => {
    const rates = [0.5, 0.25, 0.125];
    const bySchedule = await train((step) => rates[Math.min(2, Math.floor(step / 2))]!);
    const byCallback = await train(0.5, () => [new LearningRateScheduler((epoch, rate) => (epoch ? rate / 2 : rate))]);
    const byHand = await train(0.5, (optimizer) => [
      {
        onEpochEnd() {
          optimizer.learningRate /= 2;
        },
      },
    ]);
    expect(byCallback.weights).toEqual(bySchedule.weights);
    expect(byHand.weights).toEqual(bySchedule.weights);
    expect(byCallback.rates).toEqual(rates);
    expect((await train(0.5)).weights).not.toEqual(bySchedule.weights);
  });

  test('a rate of 0 changes nothing', async () => {
    const { model } = build(device, 1);
    using untrained = model;
    const before = await Promise.all(untrained.weights.map(async ({ tensor }) => [...(await tensor.data())]));
    expect((await train(constant(0))).weights).toEqual(before);
  });

  test.each(['sgd', 'adam', 'adamw', 'rmsprop'] as OptimizerName[])('%s by name', async (optimizer) => {
    using loader = new ImageLoader(device, images);
    using model = new Sequential([
      new Flatten({ inputShape: [4, 4, 1] }),
      new Dense({ units: 3, activation: 'softmax' }),
    ]).build(device);
    model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
    const { epochs } = await model.fit(loader, { epochs: 4, batchSize: 4 });
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
    expect(epochs[0]!.learningRate).toBe(optimizer === 'sgd' ? 0.01 : 0.001);
  });

  test('compile: throws for an unknown optimizer name', () => {
    const model = new Sequential([new Dense({ units: 1, activation: 'softmax', inputShape: [1] })]);
    const compile = (optimizer: string) =>
      model.compile({ optimizer: optimizer as OptimizerName, loss: 'sparseCategoricalCrossentropy' });
    expect(() => compile('adagrad')).toThrow(/optimizer.*adamw.*"adagrad"/);
    expect(() => compile('toString')).toThrow(ArgumentError);
  });
});
