import { expect, test } from 'vitest';
import {
  Adam,
  BatchNormalization,
  type Callback,
  Dense,
  type Device,
  EarlyStopping,
  type EpochLogs,
  LambdaCallback,
  LearningRateScheduler,
  type Model,
  ProgressLine,
  ReduceLROnPlateau,
  Sequential,
  TerminateOnNaN,
  WeightCopy,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { random } from '../support/random.ts';

describeOnDevice('callbacks in fit', (device) => {
  const size = 30;
  const values = random(3);
  const x = Float32Array.from({ length: 2 * size }, () => 2 * values.uniform() - 1);
  const y = Array.from({ length: size }, (_, i) => Number(x[2 * i]! > x[2 * i + 1]!));
  const data = { x, y };

  const build = (device: Device, optimizer = new Adam({ learningRate: 0.05 })) =>
    new Sequential([
      new Dense({ units: 4, inputShape: [2] }),
      new BatchNormalization(), // its moving statistics are part of the weights
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
  const recordWeights = (model: () => Model, into: number[][]): Callback => ({
    async onEpochEnd() {
      into.push(await weightsOf(model()));
    },
  });

  test.each([
    { stops: true, patience: 2, epochs: 12 },
    { stops: false, patience: 50, epochs: 6 },
  ])('EarlyStopping: restores the best weights: stopped early $stops', async ({ stops, patience, epochs }) => {
    using model = build(device, new Adam({ learningRate: 0.3 }));
    const snapshots: number[][] = [];
    const early = new EarlyStopping({ patience, restoreBestWeights: true });
    // Validation on the opposite labels gets worse after some training.
    const validationData = { x, y: y.map((label) => 1 - label) };
    const history = await model.fit(data, {
      epochs,
      batchSize: 10,
      validationData,
      callbacks: [recordWeights(() => model, snapshots), early],
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

  test('EarlyStopping: keeps the last weights without restoreBestWeights', async () => {
    using model = build(device);
    const snapshots: number[][] = [];
    const early = new EarlyStopping({ monitor: 'loss', mode: 'max' });
    await model.fit(data, { epochs: 9, batchSize: 10, callbacks: [recordWeights(() => model, snapshots), early] });
    expect(early.stoppedEpoch).toBe(snapshots.length);
    expect(await weightsOf(model)).toEqual(snapshots.at(-1));
  });

  test('EarlyStopping: restores the best weights after an interruption too', async () => {
    using model = build(device);
    const snapshots: number[][] = [];
    const stop = new AbortController();
    const early = new EarlyStopping({ monitor: 'loss', mode: 'max', patience: 9, restoreBestWeights: true });
    const abort = { onEpochEnd: ({ epoch }: EpochLogs) => void (epoch === 3 && stop.abort()) };
    const { interrupted } = await model.fit(data, {
      epochs: 9,
      batchSize: 10,
      signal: stop.signal,
      callbacks: [recordWeights(() => model, snapshots), early, abort],
    });
    expect([interrupted, snapshots.length]).toEqual([true, 3]);
    expect(await weightsOf(model)).toEqual(snapshots[early.bestEpoch - 1]);
  });

  test('EarlyStopping: the best weights stay on the GPU; an epoch that saves them creates nothing and reads back no more', async () => {
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
    const bytesBefore = device.counters.bytesAllocated;
    await model.fit(data, { epochs: 2, batchSize: 10, callbacks: [falling, early] });
    expect(device.counters.bytesAllocated).toBe(bytesBefore);
  });

  test('ReduceLROnPlateau: reduces the rate of the following epochs', async () => {
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

  test('TerminateOnNaN: ends a training that diverges', async () => {
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

  test('EarlyStopping: its copy is released with the model if training failed', async () => {
    const heldBytes: number[] = [];
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
      heldBytes.push(device.counters.bytesAllocated);
    }
    expect(heldBytes[2]).toBe(heldBytes[1]);
  });

  test('onBatchEnd: fit throws its error, at any place of an epoch', async () => {
    using model = build(device);
    const stream = async function* () {
      for (let i = 0; i < 40; i++) {
        await new Promise((resolve) => setTimeout(resolve, 15)); // metrics are read a few times a second
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

  test('stopTraining in onEpochBegin: training ends after one step, as in Keras', async () => {
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

  test('LambdaCallback and ProgressLine: are called for every epoch, in order', async () => {
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
    const expectedLine = (epoch: number) => `Epoch ${epoch}/2 - #s - loss: # - accuracy: #`;
    expect(heard).toEqual([
      'begin 2 30 10',
      'epoch 1',
      'end 1',
      expectedLine(1),
      'epoch 2',
      'end 2',
      expectedLine(2),
      'done 2',
    ]);
  });

  test('monitor: fit throws before training for an unknown metric', async () => {
    using model = build(device);
    const before = await weightsOf(model);
    await expect(model.fit(data, { callbacks: [new EarlyStopping()] })).rejects.toThrow(/need validationData/);
    expect(await weightsOf(model)).toEqual(before);
  });

  test('WeightCopy: restores the saved weights, including those that are never trained', async () => {
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
