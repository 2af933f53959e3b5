import { expect, test } from 'vitest';
import {
  Adam,
  ArgumentError,
  type BatchLogs,
  BatchNormalization,
  type Callback,
  Dense,
  type Device,
  EarlyStopping,
  type EarlyStoppingOptions,
  type EpochLogs,
  LambdaCallback,
  LearningRateScheduler,
  type Model,
  ProgressLine,
  ReduceLROnPlateau,
  type ReduceLROnPlateauOptions,
  Sequential,
  SGD,
  TerminateOnNaN,
  WeightCopy,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { random } from '../support/random.ts';

const NAMES = ['loss', 'accuracy', 'valLoss', 'valAccuracy', 'valTopK5', 'learningRate'];
const epochLogs = (epoch: number, figures: Record<string, number>): EpochLogs => ({
  loss: 1,
  learningRate: 0.1,
  seconds: 1,
  samplesPerSecond: 1,
  ...figures,
  epoch,
});

/** Feeds made-up figures, as `fit` would. @returns the epoch after which training stopped, or 0, and the callback's view */
function feed(options: EarlyStoppingOptions, values: number[]) {
  const callback = new EarlyStopping(options);
  const model = { stopTraining: false } as Model;
  callback.onTrainBegin({ model, monitored: NAMES });
  const ran = values.findIndex((value, i) => {
    callback.onEpochEnd(epochLogs(i + 1, { [options.monitor ?? 'valLoss']: value }));
    return model.stopTraining;
  });
  callback.onTrainEnd();
  const { best, bestEpoch, stoppedEpoch } = callback;
  return { ran: ran + 1, best, bestEpoch, stoppedEpoch };
}

// What Keras 3's EarlyStopping does with the same figures (its epochs count from 0, ours from 1).
test.each<[string, EarlyStoppingOptions, number[], ReturnType<typeof feed>]>([
  [
    'patience 0: the first epoch without improvement',
    {},
    [3, 2, 2, 1],
    { ran: 3, best: 2, bestEpoch: 2, stoppedEpoch: 3 },
  ],
  ['patience 2', { patience: 2 }, [3, 2, 4, 1.5, 5, 6, 7], { ran: 6, best: 1.5, bestEpoch: 4, stoppedEpoch: 6 }],
  ['no stop', { patience: 3 }, [3, 4, 5], { ran: 0, best: 3, bestEpoch: 1, stoppedEpoch: 0 }],
  ['an equal value is no improvement', { patience: 1 }, [2, 2], { ran: 2, best: 2, bestEpoch: 1, stoppedEpoch: 2 }],
  ['nor is a change of minDelta', { minDelta: 0.5 }, [2, 1.5], { ran: 2, best: 2, bestEpoch: 1, stoppedEpoch: 2 }],
  ['a larger one is', { minDelta: -0.5 }, [2, 1.25, 1], { ran: 3, best: 1.25, bestEpoch: 2, stoppedEpoch: 3 }],
  [
    'accuracy rises',
    { monitor: 'valAccuracy', patience: 1 },
    [0.1, 0.2, 0.15],
    { ran: 3, best: 0.2, bestEpoch: 2, stoppedEpoch: 3 },
  ],
  ['topK rises', { monitor: 'valTopK5' }, [0.5, 0.6, 0.6], { ran: 3, best: 0.6, bestEpoch: 2, stoppedEpoch: 3 }],
  ['mode max', { monitor: 'loss', mode: 'max' }, [1, 2, 1.5], { ran: 3, best: 2, bestEpoch: 2, stoppedEpoch: 3 }],
  [
    'a baseline that is not passed: improvements do not restart the wait',
    { baseline: 1, patience: 3 },
    [4, 3, 2.5, 2.6],
    { ran: 4, best: 2.5, bestEpoch: 3, stoppedEpoch: 4 },
  ],
  [
    'a baseline that is passed does',
    { baseline: 3.5, patience: 2 },
    [4, 3, 3.1, 2.9, 3, 3],
    { ran: 6, best: 2.9, bestEpoch: 4, stoppedEpoch: 6 },
  ],
  [
    'startFromEpoch: better values before it do not count',
    { startFromEpoch: 2, patience: 1 },
    [0.1, 0.2, 3, 2, 2.5],
    { ran: 5, best: 2, bestEpoch: 4, stoppedEpoch: 5 },
  ],
  [
    'NaN is no improvement',
    { patience: 1 },
    [Number.NaN, Number.NaN],
    { ran: 2, best: null, bestEpoch: 0, stoppedEpoch: 2 },
  ],
  ['NaN, then a number', { patience: 2 }, [Number.NaN, 5, 6, 7], { ran: 4, best: 5, bestEpoch: 2, stoppedEpoch: 4 }],
])('EarlyStopping: %s', (_what, options, values, expected) => {
  expect(feed(options, values)).toEqual(expected);
});

test('EarlyStopping begins anew with each fit', () => {
  const callback = new EarlyStopping({ monitor: 'loss' });
  const model = { stopTraining: false } as Model;
  for (let fit = 0; fit < 2; fit++) {
    callback.onTrainBegin({ model, monitored: NAMES });
    expect([callback.best, callback.bestEpoch, callback.stoppedEpoch]).toEqual([null, 0, 0]);
    for (const [i, loss] of [2, 1, 3].entries()) callback.onEpochEnd(epochLogs(i + 1, { loss }));
    expect([callback.best, callback.bestEpoch, callback.stoppedEpoch]).toEqual([1, 2, 3]);
  }
});

function rates(options: ReduceLROnPlateauOptions, values: number[], rate = 1): number[] {
  const callback = new ReduceLROnPlateau(options);
  const optimizer = new SGD({ learningRate: rate });
  callback.onTrainBegin({ optimizer, monitored: NAMES });
  return values.map((value, i) => {
    callback.onEpochEnd(epochLogs(i + 1, { [options.monitor ?? 'valLoss']: value }));
    return Number(optimizer.learningRate.toPrecision(6));
  });
}

// What Keras 3's ReduceLROnPlateau does with the same figures.
test.each<[string, ReduceLROnPlateauOptions, number[], number[]]>([
  ['factor 0.1 after patience epochs', { patience: 2 }, [2, 2, 2, 2, 2], [1, 1, 0.1, 0.1, 0.01]],
  ['an improvement restarts the wait', { patience: 2, factor: 0.5 }, [3, 3, 2, 2, 2], [1, 1, 1, 1, 0.5]],
  ['a change of up to minDelta is none', { patience: 1, factor: 0.5 }, [2, 1.99995, 1.9], [1, 0.5, 0.5]],
  ['minDelta 0', { patience: 1, factor: 0.5, minDelta: 0 }, [2, 1.99995, 1.99995], [1, 1, 0.5]],
  [
    'cooldown: no epoch counts until it is over',
    { patience: 1, factor: 0.5, cooldown: 2 },
    [2, 2, 2, 2, 2, 2],
    // Keras takes one off at the beginning of an epoch, so that the second epoch of a cooldown counts again.
    [1, 0.5, 0.5, 0.25, 0.25, 0.125],
  ],
  ['no lower than minLearningRate', { patience: 1, minLearningRate: 0.05 }, [2, 2, 2, 2], [1, 0.1, 0.05, 0.05]],
  ['accuracy rises', { monitor: 'accuracy', patience: 1 }, [0.5, 0.6, 0.55], [1, 1, 0.1]],
  ['mode max', { monitor: 'loss', mode: 'max', patience: 1 }, [1, 2, 3, 2], [1, 1, 1, 0.1]],
  ['NaN counts as no improvement', { patience: 2 }, [Number.NaN, Number.NaN], [1, 0.1]],
  ['patience 0 is like 1', { patience: 0 }, [2, 2], [1, 0.1]],
])('ReduceLROnPlateau: %s', (_what, options, values, expected) => {
  expect(rates(options, values)).toEqual(expected);
});

test('rates of replicas of their own are lowered and scheduled each', () => {
  const optimizer = new SGD({ learningRate: [0.1, 0.01, 0.3] });
  const reduce = new ReduceLROnPlateau({ patience: 1, factor: 0.5, minLearningRate: 0.02 });
  reduce.onTrainBegin({ optimizer, monitored: NAMES });
  for (const epoch of [1, 2]) reduce.onEpochEnd(epochLogs(epoch, { valLoss: 1 }));
  expect(optimizer.fixedRates).toEqual([0.05, 0.01, 0.15]);
  new LearningRateScheduler((epoch, rate) => rate * 10 ** epoch).onEpochBegin({ epoch: 2, optimizer });
  expect(optimizer.fixedRates).toEqual([0.5, 0.1, 1.5]);
});

test('TerminateOnNaN stops at a loss that is no number, within an epoch too', () => {
  const callback = new TerminateOnNaN();
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const model = { stopTraining: false } as Model;
    callback.onTrainBegin({ model });
    callback.onEpochEnd(epochLogs(1, { loss: 1e30 }));
    expect([model.stopTraining, callback.epoch]).toEqual([false, null]);
    callback.onBatchEnd({ epoch: 2, loss: bad } as BatchLogs);
    expect([model.stopTraining, callback.epoch]).toEqual([true, 2]);
  }
});

test('ProgressLine prints the figures there are, small ones in powers of ten', () => {
  const lines: string[] = [];
  const updates: string[] = [];
  const callback = new ProgressLine(
    (line) => lines.push(line),
    (line) => updates.push(line),
  );
  callback.onTrainBegin({ epochs: 12 });
  const { valLoss, ...rest } = { loss: 0.51239, accuracy: 0, valLoss: 2e-5 };
  callback.onBatchEnd({
    epoch: 3,
    epochs: 12,
    samples: 64,
    samplesTotal: 100,
    samplesPerSecond: 9,
    secondsLeft: 1,
    ...rest,
  });
  callback.onEpochEnd(epochLogs(3, { ...rest, valLoss, seconds: 1.26 }));
  expect(updates).toEqual(['Epoch 3/12 - 64/100 - loss: 0.5124 - accuracy: 0.0000']);
  expect(lines).toEqual(['Epoch 3/12 - 1.3s - loss: 0.5124 - accuracy: 0.0000 - valLoss: 2.0000e-5']);
});

const no = undefined as never;
test.each<[string, () => unknown, RegExp]>([
  ['mode', () => new EarlyStopping({ mode: 'up' as never }), /EarlyStopping: mode.*"up"/],
  ['monitor', () => new EarlyStopping({ monitor: '' }), /monitor must be the name/],
  ['patience', () => new EarlyStopping({ patience: -1 }), /patience.*-1/],
  ['minDelta', () => new EarlyStopping({ minDelta: Number.NaN }), /minDelta/],
  ['baseline', () => new EarlyStopping({ baseline: Number.NaN }), /baseline/],
  ['startFromEpoch', () => new EarlyStopping({ startFromEpoch: 0.5 }), /startFromEpoch.*0.5/],
  ['null', () => new EarlyStopping(null as never), /EarlyStopping: options/],
  ['factor 1', () => new ReduceLROnPlateau({ factor: 1 }), /factor.*between 0 and 1.*1/],
  ['cooldown', () => new ReduceLROnPlateau({ cooldown: -2 }), /cooldown/],
  ['minLearningRate', () => new ReduceLROnPlateau({ minLearningRate: -1 }), /minLearningRate/],
  [
    'a hook that there is not',
    () => new LambdaCallback({ onEpochEndd() {} } as Callback),
    /onEpochEndd is none of them/,
  ],
  ['a hook that is no function', () => new LambdaCallback({ onEpochEnd: 3 as never }), /onEpochEnd is 3/],
  ['no hooks', () => new LambdaCallback(no), /LambdaCallback: options/],
])('refused: %s', (_what, make, says) => {
  expect(make).toThrow(ArgumentError);
  expect(make).toThrow(says);
});

test.each([EarlyStopping, ReduceLROnPlateau])(
  'a figure that the logs will not have is refused before training',
  (Kind) => {
    const callback = new Kind();
    const begin = () =>
      callback.onTrainBegin({ model: {} as Model, optimizer: new SGD(), monitored: ['loss', 'accuracy'] });
    expect(begin).toThrow(ArgumentError);
    expect(begin).toThrow(/no figure "valLoss"; there are loss, accuracy; .*need validationData/);
  },
);

describeOnDevice('callbacks in a real fit', (device) => {
  const size = 30;
  const values = random(3);
  const x = Float32Array.from({ length: 2 * size }, () => 2 * values.uniform() - 1);
  const y = Array.from({ length: size }, (_, i) => Number(x[2 * i]! > x[2 * i + 1]!));
  const data = { x, y };

  const build = (device: Device, optimizer = new Adam({ learningRate: 0.05 })) =>
    new Sequential([
      new Dense({ units: 4, inputShape: [2] }),
      new BatchNormalization(), // its running figures are part of the weights
      new Dense({ units: 1, activation: 'sigmoid' }),
    ])
      .build(device, { seed: 2 })
      .compile({ optimizer, loss: 'binaryCrossentropy' });

  const weightsOf = async (model: Model) => {
    const all = [];
    for (const { tensor } of model.weights) all.push(...(await tensor.data()));
    return all;
  };

  /** The weights after each epoch, on the host. */
  const recorded = (model: () => Model, into: number[][]): Callback => ({
    async onEpochEnd() {
      into.push(await weightsOf(model()));
    },
  });

  test.each([
    { stops: true, patience: 2, epochs: 12 },
    { stops: false, patience: 50, epochs: 6 },
  ])('EarlyStopping restores the best weights: stopped early $stops', async ({ stops, patience, epochs }) => {
    using model = build(device, new Adam({ learningRate: 0.3 }));
    const snapshots: number[][] = [];
    const early = new EarlyStopping({ patience, restoreBestWeights: true });
    // Validation on the opposite labels gets worse after a while of training.
    const validationData = { x, y: y.map((label) => 1 - label) };
    const history = await model.fit(data, {
      epochs,
      batchSize: 10,
      validationData,
      callbacks: [recorded(() => model, snapshots), early],
    });
    const losses = history.epochs.map(({ valLoss }) => valLoss!);
    const best = losses.indexOf(Math.min(...losses));
    expect(best).toBeLessThan(losses.length - 1);
    expect(early.bestEpoch).toBe(best + 1);
    expect(early.best).toBe(losses[best]);
    expect(history.epochs).toHaveLength(stops ? best + 1 + patience : epochs);
    expect(early.stoppedEpoch).toBe(stops ? history.epochs.length : 0);
    expect(await weightsOf(model)).toEqual(snapshots[best]);
    expect((await model.evaluate(validationData)).loss).toBeCloseTo(losses[best]!, 5);
  });

  test('without restoreBestWeights the last weights stay', async () => {
    using model = build(device);
    const snapshots: number[][] = [];
    const early = new EarlyStopping({ monitor: 'loss', mode: 'max' });
    await model.fit(data, { epochs: 9, batchSize: 10, callbacks: [recorded(() => model, snapshots), early] });
    expect(early.stoppedEpoch).toBe(snapshots.length);
    expect(await weightsOf(model)).toEqual(snapshots.at(-1));
  });

  test('the best weights of training that was interrupted are restored too', async () => {
    using model = build(device);
    const snapshots: number[][] = [];
    const stop = new AbortController();
    const early = new EarlyStopping({ monitor: 'loss', mode: 'max', patience: 9, restoreBestWeights: true });
    const abort = { onEpochEnd: ({ epoch }: EpochLogs) => void (epoch === 3 && stop.abort()) };
    const { interrupted } = await model.fit(data, {
      epochs: 9,
      batchSize: 10,
      signal: stop.signal,
      callbacks: [recorded(() => model, snapshots), early, abort],
    });
    expect([interrupted, snapshots.length]).toEqual([true, 3]);
    expect(await weightsOf(model)).toEqual(snapshots[early.bestEpoch - 1]);
  });

  test('the best weights stay on the GPU: an epoch that keeps them creates nothing and reads back no more', async () => {
    using model = build(device);
    const moments: (typeof device.counters)[] = [];
    // Every epoch is better than the one before.
    const early = new EarlyStopping({ monitor: 'learningRate', mode: 'min', restoreBestWeights: true });
    const falling = new LearningRateScheduler((epoch) => 0.1 / (epoch + 1));
    const note = { onEpochEnd: () => void moments.push({ ...device.counters }) };
    await model.fit(data, { epochs: 4, batchSize: 10, callbacks: [falling, early, note] });
    expect(early.bestEpoch).toBe(4);
    const [, , third, fourth] = moments;
    for (const key of ['pipelinesCreated', 'bindGroupsCreated', 'buffersCreated', 'bytesAllocated'] as const) {
      expect(fourth![key], key).toBe(third![key]);
    }
    expect(fourth!.readBacks).toBe(third!.readBacks + 1);
    const held = device.counters.bytesAllocated;
    await model.fit(data, { epochs: 2, batchSize: 10, callbacks: [falling, early] });
    expect(device.counters.bytesAllocated).toBe(held);
  });

  test('ReduceLROnPlateau lowers the rate of the epochs that follow', async () => {
    using model = build(device, new Adam({ learningRate: 0.01 }));
    const reduce = new ReduceLROnPlateau({ monitor: 'loss', mode: 'max', patience: 2, factor: 0.5 });
    const { epochs } = await model.fit(data, { epochs: 5, batchSize: 30, callbacks: [reduce] });
    // As in Keras the logs have the rate the epoch was trained with.
    const seen = epochs.map(({ learningRate }) => Number(learningRate.toPrecision(6)));
    const losses = epochs.map(({ loss }) => loss);
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
    expect(seen).toEqual([0.01, 0.01, 0.01, 0.005, 0.005]);
    expect(model.training.optimizer.learningRate).toBeCloseTo(0.0025, 9);
  });

  test('TerminateOnNaN ends a training that diverges', async () => {
    using model = build(device);
    const poison: Callback = {
      onEpochBegin({ epoch }) {
        if (epoch === 3) device.upload(model.weights[0]!.tensor.array.storage, Float32Array.of(Number.NaN));
      },
    };
    const nan = new TerminateOnNaN();
    const { epochs } = await model.fit(data, { epochs: 9, batchSize: 10, callbacks: [poison, nan] });
    expect([epochs.length, nan.epoch]).toEqual([3, 3]);
    expect(epochs[2]!.loss).toBeNaN();
  });

  test('what EarlyStopping keeps goes with the model where training failed', async () => {
    const held: number[] = [];
    for (let i = 0; i < 3; i++) {
      using model = build(device);
      const early = new EarlyStopping({ monitor: 'loss', restoreBestWeights: true });
      const failing: Callback = {
        onEpochEnd({ epoch }) {
          if (epoch === 2) throw new RangeError('of the callback');
        },
      };
      await expect(model.fit(data, { epochs: 3, batchSize: 10, callbacks: [early, failing] })).rejects.toThrow(
        RangeError,
      );
      expect(early.bestEpoch).toBeGreaterThan(0);
      held.push(device.counters.bytesAllocated);
    }
    expect(held[2]).toBe(held[1]);
  });

  test('an error in onBatchEnd ends training with that error, wherever in an epoch it comes', async () => {
    using model = build(device);
    const stream = async function* () {
      for (let i = 0; i < 40; i++) {
        await new Promise((resolve) => setTimeout(resolve, 15)); // figures are read a few times a second
        yield data;
      }
    };
    let calls = 0;
    const onBatchEnd = () => {
      calls++;
      throw new RangeError('of the callback');
    };
    await expect(model.fit(stream, { callbacks: [{ onBatchEnd }] })).rejects.toThrow(/of the callback/);
    expect(calls).toBe(1);
  });

  test('what asks in onEpochBegin for the end gets it after one step, as in Keras', async () => {
    using model = build(device);
    const stop: Callback = {
      onEpochBegin() {
        model.stopTraining = true;
      },
    };
    const { epochs } = await model.fit(data, { epochs: 3, batchSize: 10, callbacks: [stop] });
    expect([epochs.length, model.training.optimizer.iterations]).toEqual([1, 1]);
    expect(epochs[0]!.loss).toBeGreaterThan(0);
  });

  test('LambdaCallback and ProgressLine hear of every epoch, in order', async () => {
    using model = build(device);
    const heard: string[] = [];
    const lambda = new LambdaCallback({
      onTrainBegin: ({ epochs, samples, batchSize }) => void heard.push(`begin ${epochs} ${samples} ${batchSize}`),
      onEpochBegin: ({ epoch }) => void heard.push(`epoch ${epoch}`),
      onEpochEnd: async ({ epoch }) => void heard.push(`end ${epoch}`),
      onTrainEnd: ({ epochs }) => void heard.push(`done ${epochs.length}`),
    });
    const line = new ProgressLine((text) => heard.push(text.replace(/\d\.\d+/g, '#')));
    await model.fit(data, { epochs: 2, batchSize: 10, callbacks: [lambda, line] });
    const said = (epoch: number) => `Epoch ${epoch}/2 - #s - loss: # - accuracy: #`;
    expect(heard).toEqual(['begin 2 30 10', 'epoch 1', 'end 1', said(1), 'epoch 2', 'end 2', said(2), 'done 2']);
  });

  test('a monitored figure that there will not be stops fit before it trains', async () => {
    using model = build(device);
    const before = await weightsOf(model);
    await expect(model.fit(data, { callbacks: [new EarlyStopping()] })).rejects.toThrow(/need validationData/);
    expect(await weightsOf(model)).toEqual(before);
  });

  test('WeightCopy brings back what was saved, weights that are never trained included', async () => {
    using model = build(device);
    await model.fit(data, { batchSize: 10 });
    const saved = await weightsOf(model);
    const copy = new WeightCopy(model.parameters);
    copy.save();
    await model.fit(data, { epochs: 2, batchSize: 10 });
    expect(await weightsOf(model)).not.toEqual(saved);
    copy.restore();
    expect(await weightsOf(model)).toEqual(saved);
    copy.dispose();
  });
});
