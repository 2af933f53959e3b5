import { expect, test } from 'vitest';
import {
  Adam,
  ArgumentError,
  ArrayLoader,
  type Arrays,
  BatchNormalization,
  BinaryCrossentropy,
  type CompileOptions,
  Dense,
  Dropout,
  type FitOptions,
  Flatten,
  ImageLoader,
  type Layer,
  Sequential,
  SGD,
  type TrainingData,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { build, points, SIZE, sigmoid, softmax, weightsOf } from '../support/points.ts';

describeOnDevice('fit on arrays', (device) => {
  const { x, labels } = points();
  const oneHot = labels.flatMap((label) => [1 - label, label]);

  test.each<[string, Partial<CompileOptions>, () => Layer, ArrayLike<number>]>([
    ['one sigmoid unit', { loss: 'binaryCrossentropy' }, sigmoid, labels],
    [
      'one unit of logits',
      { loss: new BinaryCrossentropy({ fromLogits: true }) },
      () => new Dense({ units: 1 }),
      labels,
    ],
    ['labels and a softmax', { loss: 'sparseCategoricalCrossentropy' }, softmax, labels],
    ['labels as bytes', { loss: 'sparseCategoricalCrossentropy' }, softmax, Uint8Array.from(labels)],
    ['labels that become one-hot rows', { loss: 'categoricalCrossentropy' }, softmax, labels],
    ['one-hot rows', { loss: 'categoricalCrossentropy' }, softmax, oneHot],
  ])('%s', async (_what, compile, last, y) => {
    using model = build(device, last(), compile);
    const { epochs } = await model.fit({ x, y }, { epochs: 20, batchSize: 8, seed: 1 });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.5 * epochs[0]!.loss);
    const { loss, accuracy } = await model.evaluate({ x, y }, { batchSize: 7 });
    expect(accuracy).toBeGreaterThan(0.9);
    expect(loss).toBeLessThan(epochs[0]!.loss);
  });

  test('regression: predictions approach the targets; no accuracy is reported', async () => {
    const y = Array.from({ length: SIZE }, (_, i) => 3 * x[2 * i]! - x[2 * i + 1]! + 5);
    using model = build(device, new Dense({ units: 1 }), { loss: 'meanSquaredError' });
    const { epochs } = await model.fit({ x, y }, { epochs: 60, batchSize: 10 });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.05 * epochs[0]!.loss);
    expect(Object.keys(epochs[0]!)).not.toContain('accuracy');
    const output = await model.predict(x);
    const { loss, ...others } = await model.evaluate({ x, y });
    const expected = output.reduce((sum, value, i) => sum + (value - y[i]!) ** 2 / SIZE, 0);
    expect(loss).toBeCloseTo(expected, 4);
    expect(others).toEqual({});
  });

  test('targets of any output shape: an autoencoder', async () => {
    const model = new Sequential([new Dense({ units: 3, inputShape: [4, 2] }), new Dense({ units: 2 })]);
    using built = model
      .build(device)
      .compile({ optimizer: new Adam({ learningRate: 0.05 }), loss: 'meanSquaredError' });
    const { epochs } = await built.fit({ x, y: x }, { epochs: 30, batchSize: 5 });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.2 * epochs[0]!.loss);
  });

  test('the accuracy of a single output uses a threshold of 0.5', async () => {
    using model = build(device, sigmoid());
    const output = await model.predict(x);
    const right = labels.filter((label, i) => Number(output[i]! > 0.5) === label).length;
    expect(right).not.toBe(SIZE);
    expect((await model.evaluate({ x, y: labels })).accuracy).toBeCloseTo(right / SIZE, 6);
    // For logits without a sigmoid, Keras's threshold is 0.5 too.
    using logits = build(device, new Dense({ units: 1 }), { loss: new BinaryCrossentropy({ fromLogits: true }) });
    const raw = await logits.predict(x);
    const above = labels.filter((label, i) => Number(raw[i]! > 0.5) === label).length;
    expect((await logits.evaluate({ x, y: labels })).accuracy).toBeCloseTo(above / SIZE, 6);
  });

  test('binary cross-entropy uses the logits before a sigmoid, so no gradient is lost if the sigmoid rounds to 1', async () => {
    const model = new Sequential([
      new Dense({ units: 1, activation: 'sigmoid', kernelInitializer: 'ones', inputShape: [1] }),
    ]);
    using built = model.build(device).compile({ optimizer: new SGD({ learningRate: 1 }), loss: 'binaryCrossentropy' });
    // sigmoid(60) is 1 in f32, and log(1 - 1) would have to be clipped.
    const { epochs } = await built.fit({ x: [60], y: [0] }, { batchSize: 1 });
    expect(epochs[0]!.loss).toBeCloseTo(60, 4);
    expect((await weightsOf(built))[0]).toBeCloseTo(1 - 60, 4);
  });

  test('nested lists, a loader and a stream of the same samples have the same bits', async () => {
    const nested = labels.map((_, i) => [x[2 * i]!, x[2 * i + 1]!]);
    const loader = new ArrayLoader(device, { x, y: labels, shape: [2], classes: 2 });
    const chunk = (i: number): Arrays => ({ x: x.subarray(20 * i, 20 * i + 20), y: labels.slice(10 * i, 10 * i + 10) });
    async function* chunks(): AsyncGenerator<Arrays> {
      for (let i = 0; i < 4; i++) yield chunk(i);
    }
    const all: [TrainingData, FitOptions][] = [
      [{ x, y: labels }, { batchSize: 10 }],
      [{ x: nested, y: labels }, { batchSize: 10 }],
      [loader, { batchSize: 10 }],
      [chunks, {}],
      [() => [0, 1, 2, 3].map(chunk), {}],
    ];
    const results = [];
    for (const [data, options] of all) {
      using model = build(device, sigmoid());
      const { epochs } = await model.fit(data, { ...options, epochs: 3, shuffle: false });
      results.push({ losses: epochs.map(({ loss, accuracy }) => [loss, accuracy]), weights: await weightsOf(model) });
    }
    for (const result of results) expect(result).toEqual(results[0]);
    loader.dispose();
  });

  test('two classes of images train a model with one output', async () => {
    const set = drawImages(24, { shape: [4, 4, 1], classes: 2 });
    const data = new ImageLoader(device, set);
    const one = () => new Sequential([new Flatten({ inputShape: [4, 4, 1] }), sigmoid()]).build(device, { seed: 1 });
    using byImages = one().compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
    using byArrays = one().compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
    const x = Float32Array.from(set.images, (byte) => Math.fround(byte * Math.fround(1 / 255)));
    const options = { epochs: 2, batchSize: 8, shuffle: false };
    const { epochs } = await byImages.fit(data, options);
    const again = await byArrays.fit({ x, y: set.labels }, options);
    expect(epochs.map(({ loss }) => loss)).toEqual(again.epochs.map(({ loss }) => loss));
    data.dispose();
  });

  test('trainOnBatch equals fit with one batch, with dropout; testOnBatch equals evaluate', async () => {
    const make = () =>
      new Sequential([new Dense({ units: 8, activation: 'relu', inputShape: [2] }), new Dropout(0.5), softmax()])
        .build(device, { seed: 2 })
        .compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['topK1', 'f1'] });
    using whole = make();
    using single = make();
    const { epochs } = await whole.fit({ x, y: labels }, { epochs: 3, batchSize: SIZE, shuffle: false, seed: 9 });
    for (const { loss, accuracy, topK1, f1 } of epochs) {
      expect(await single.trainOnBatch(x, labels, { seed: 9 })).toEqual({ loss, accuracy, topK1, f1 });
    }
    expect(await weightsOf(single)).toEqual(await weightsOf(whole));
    expect(await single.testOnBatch(x, labels)).toEqual(await whole.evaluate({ x, y: labels }, { batchSize: SIZE }));
    // Another batch size has a separate step.
    expect((await single.trainOnBatch(x.subarray(0, 6), labels.slice(0, 3))).loss).toBeGreaterThan(0);
    // A layer that is frozen now does not change, although a step with these settings was recorded before.
    await single.trainOnBatch(x, labels);
    single.layers[0]!.trainable = false;
    const before = await weightsOf(single);
    await single.trainOnBatch(x, labels);
    expect(await weightsOf(single)).toEqual(before);
  });

  test('a batch normalization with only moving statistics can be frozen between two batches', async () => {
    const averages = new BatchNormalization({ scale: false, center: false });
    using model = new Sequential([new Dense({ units: 3, inputShape: [2] }), averages, softmax()])
      .build(device)
      .compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const mean = async () => Array.from(await model.weights.find(({ name }) => /mean/i.test(name))!.tensor.data());
    const first = await mean();
    await model.trainOnBatch(x, labels);
    const second = await mean();
    expect(second).not.toEqual(first);
    averages.trainable = false;
    await model.trainOnBatch(x, labels);
    expect(await mean()).toEqual(second);
  });

  test('in steady state trainOnBatch creates nothing, and reads back once', async () => {
    using model = build(device, sigmoid());
    await model.trainOnBatch(x, labels);
    await model.trainOnBatch(x, labels);
    const before = { ...device.counters };
    await model.trainOnBatch(x, labels);
    const { counters } = device;
    for (const key of ['pipelinesCreated', 'bindGroupsCreated', 'buffersCreated', 'bytesAllocated'] as const) {
      expect(counters[key], key).toBe(before[key]);
    }
    expect(counters.readBacks).toBe(before.readBacks + 1);
  });

  test('in steady state a stream creates nothing', async () => {
    using model = build(device, sigmoid());
    const moments: (typeof device.counters)[] = [];
    const note = () => void moments.push({ ...device.counters });
    const stream = () => [
      { x, y: labels },
      { x: x.subarray(0, 20), y: labels.slice(0, 10) },
    ];
    await model.fit(stream, { epochs: 3, callbacks: [{ onEpochEnd: note }] });
    const [, second, third] = moments;
    for (const key of ['pipelinesCreated', 'bindGroupsCreated', 'buffersCreated', 'bytesAllocated'] as const) {
      expect(third![key], key).toBe(second![key]);
    }
    expect(third!.readBacks).toBe(second!.readBacks + 1);
  });

  test('memory does not grow over many calls', async () => {
    using model = build(device, sigmoid(), { metrics: ['precision'] });
    const round = async () => {
      await model.fit({ x, y: labels }, { batchSize: 8, validationSplit: 0.25, classWeight: { 1: 3 } });
      await model.fit(() => [{ x, y: labels }], { validationData: { x, y: labels } });
      await model.evaluate({ x, y: labels });
      await model.predict(x);
      await model.trainOnBatch(x, labels);
      await expect(model.fit({ x, y: labels }, { batchSize: 0 })).rejects.toThrow(ArgumentError);
      return device.counters.bytesAllocated;
    };
    await round();
    const heldBytes = await round();
    expect(await round()).toBe(heldBytes);
  });
});
