import { expect, test } from 'vitest';
import {
  Adam,
  ArgumentError,
  ArrayLoader,
  type Arrays,
  BinaryCrossentropy,
  type CompileOptions,
  DataError,
  Dense,
  type Device,
  Dropout,
  type FitOptions,
  Flatten,
  ImageLoader,
  type Layer,
  mean,
  Sequential,
  SGD,
  ShapeError,
  square,
  sub,
  type TrainingData,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { random } from '../support/random.ts';

const SIZE = 40;

/** Points of the plane; the class is the side of a line they lie on. */
function points(size = SIZE) {
  const values = random(7);
  const x = Float32Array.from({ length: 2 * size }, () => 2 * values.uniform() - 1);
  const labels = Array.from({ length: size }, (_, i) => Number(x[2 * i]! + 2 * x[2 * i + 1]! > 0.1));
  return { x, labels };
}

function build(device: Device, last: Layer, compile: Partial<CompileOptions> = {}, seed = 5): Sequential {
  return new Sequential([new Dense({ units: 4, activation: 'tanh', inputShape: [2] }), last])
    .build(device, { seed })
    .compile({ optimizer: new Adam({ learningRate: 0.05 }), loss: 'binaryCrossentropy', ...compile });
}

const sigmoid = () => new Dense({ units: 1, activation: 'sigmoid' });
const softmax = (units = 2) => new Dense({ units, activation: 'softmax' });
const weightsOf = async (model: Sequential) => Array.from(await model.weights[0]!.tensor.data());

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

  test('regression approaches numbers, and reports no accuracy', async () => {
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

  test('numbers of any output shape: an autoencoder', async () => {
    const model = new Sequential([new Dense({ units: 3, inputShape: [4, 2] }), new Dense({ units: 2 })]);
    using built = model
      .build(device)
      .compile({ optimizer: new Adam({ learningRate: 0.05 }), loss: 'meanSquaredError' });
    const { epochs } = await built.fit({ x, y: x }, { epochs: 30, batchSize: 5 });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.2 * epochs[0]!.loss);
  });

  test('the accuracy of one unit is that of a threshold at a half', async () => {
    using model = build(device, sigmoid());
    const output = await model.predict(x);
    const right = labels.filter((label, i) => Number(output[i]! > 0.5) === label).length;
    expect(right).not.toBe(SIZE);
    expect((await model.evaluate({ x, y: labels })).accuracy).toBeCloseTo(right / SIZE, 6);
    // Of logits without a sigmoid Keras's threshold is at a half as well.
    using logits = build(device, new Dense({ units: 1 }), { loss: new BinaryCrossentropy({ fromLogits: true }) });
    const raw = await logits.predict(x);
    const above = labels.filter((label, i) => Number(raw[i]! > 0.5) === label).length;
    expect((await logits.evaluate({ x, y: labels })).accuracy).toBeCloseTo(above / SIZE, 6);
  });

  test('binary cross-entropy reads the logits before a sigmoid: no gradient is lost where it rounds to 1', async () => {
    const model = new Sequential([
      new Dense({ units: 1, activation: 'sigmoid', kernelInitializer: 'ones', inputShape: [1] }),
    ]);
    using built = model.build(device).compile({ optimizer: new SGD({ learningRate: 1 }), loss: 'binaryCrossentropy' });
    // sigmoid(60) is 1 in f32, and log(1 - 1) would have to be clipped.
    const { epochs } = await built.fit({ x: [60], y: [0] }, { batchSize: 1 });
    expect(epochs[0]!.loss).toBeCloseTo(60, 4);
    expect((await weightsOf(built))[0]).toBeCloseTo(1 - 60, 4);
  });

  test('nested lists, a loader and a stream of the same samples give the same bits', async () => {
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

  test('two classes of images serve a model of one unit', async () => {
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

  test('trainOnBatch does what fit does with one batch, dropout included; testOnBatch what evaluate does', async () => {
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
    // A batch of another size has a step of its own.
    expect((await single.trainOnBatch(x.subarray(0, 6), labels.slice(0, 3))).loss).toBeGreaterThan(0);
    // A layer that is frozen now is left alone, though a step of these settings was recorded before.
    await single.trainOnBatch(x, labels);
    single.layers[0]!.trainable = false;
    const before = await weightsOf(single);
    await single.trainOnBatch(x, labels);
    expect(await weightsOf(single)).toEqual(before);
  });

  test('in steady state trainOnBatch creates nothing and reads back once', async () => {
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

  test('nor does a stream', async () => {
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

  test('memory does not grow from call to call', async () => {
    using model = build(device, sigmoid(), { metrics: ['precision'] });
    const round = async () => {
      await model.fit({ x, y: labels }, { batchSize: 8, validationSplit: 0.25, classWeight: { 1: 3 } });
      await model.fit(() => [{ x, y: labels }], { validationData: { x, y: labels } });
      await model.evaluate({ x, y: labels });
      await model.predict(x);
      await model.trainOnBatch(x, labels);
      await expect(model.fit({ x, y: labels }, { batchSize: 1000 })).rejects.toThrow(ArgumentError);
      return device.counters.bytesAllocated;
    };
    await round();
    const held = await round();
    expect(await round()).toBe(held);
  });
});

describeOnDevice('splits, weights and epochs', (device) => {
  const { x, labels: y } = points();

  test('validationSplit measures the last samples as they lie, and trains on the others only', async () => {
    const options = { epochs: 2, batchSize: 8, seed: 4 };
    using split = build(device, sigmoid());
    using apart = build(device, sigmoid());
    // As Keras counts: floor(40 * (1 - 0.26)) = 29.
    const training = { x: x.slice(0, 58), y: y.slice(0, 29) };
    const validation = { x: x.slice(58), y: y.slice(29) };
    const bySplit = await split.fit({ x, y }, { ...options, validationSplit: 0.26 });
    const byHand = await apart.fit(training, { ...options, validationData: validation });
    const figures = ({ loss, accuracy, valLoss, valAccuracy }: Record<string, number | undefined>) => [
      loss,
      accuracy,
      valLoss,
      valAccuracy,
    ];
    expect(bySplit.epochs.map(figures)).toEqual(byHand.epochs.map(figures));
    expect(await weightsOf(split)).toEqual(await weightsOf(apart));
    expect(bySplit.epochs[1]!.valLoss).toBeCloseTo((await split.evaluate(validation)).loss, 6);
  });

  test('validationData goes before validationSplit', async () => {
    using model = build(device, sigmoid());
    const info: (number | null)[] = [];
    await model.fit(
      { x, y },
      {
        validationSplit: 0.5,
        validationData: { x, y },
        callbacks: [{ onTrainBegin: ({ samples }) => void info.push(samples) }],
      },
    );
    expect(info).toEqual([SIZE]);
  });

  const classWeight = { 1: 3 };
  test.each<[string, Partial<CompileOptions>, () => Layer]>([
    ['binaryCrossentropy', { loss: 'binaryCrossentropy' }, sigmoid],
    ['sparseCategoricalCrossentropy', { loss: 'sparseCategoricalCrossentropy' }, softmax],
    [
      'sparse, of outputs',
      { loss: 'sparseCategoricalCrossentropy' },
      () => new Dense({ units: 2, activation: 'sigmoid' }),
    ],
    ['categoricalCrossentropy', { loss: 'categoricalCrossentropy' }, softmax],
    ['meanSquaredError', { loss: 'meanSquaredError' }, sigmoid],
    ['meanAbsoluteError', { loss: 'meanAbsoluteError' }, softmax],
    ['huber', { loss: 'huber' }, softmax],
  ])('classWeight with %s: the mean of weighted losses, divided by the samples', async (_what, compile, last) => {
    const part = (label: number) => {
      const which = y.flatMap((own, i) => (own === label ? [i] : []));
      return { x: which.map((i) => [x[2 * i]!, x[2 * i + 1]!]), y: which.map(() => label) };
    };
    using model = build(device, last(), { ...compile, optimizer: new SGD({ learningRate: 1e-30 }) });
    const [zeros, ones] = [part(0), part(1)];
    const [ofZeros, ofOnes] = [await model.evaluate(zeros), await model.evaluate(ones)];
    const expected = (ofZeros.loss * zeros.y.length + 3 * ofOnes.loss * ones.y.length) / SIZE;
    const { epochs } = await model.fit({ x, y }, { batchSize: SIZE, classWeight, validationData: { x, y } });
    expect(epochs[0]!.loss).toBeCloseTo(expected, 5);
    // Validation and accuracy know no weights.
    expect(epochs[0]!.valLoss).toBeCloseTo((await model.evaluate({ x, y })).loss, 5);
    expect(epochs[0]!.accuracy).toBe(epochs[0]!.valAccuracy);
  });

  test('a sample of weight 2 has the gradient of two samples', async () => {
    const plain = { x: [1, 2, -1, 0.5, -1, 0.5], y: [0, 1, 1] };
    const weighted = { x: [1, 2, -1, 0.5], y: [0, 1] };
    for (const [loss, last] of [
      ['sparseCategoricalCrossentropy', softmax],
      ['categoricalCrossentropy', softmax],
      ['binaryCrossentropy', sigmoid],
    ] as const) {
      // Means over three and over two samples: the rates make up for it.
      using three = build(device, last(), { loss, optimizer: new SGD({ learningRate: 0.3 }) });
      using two = build(device, last(), { loss, optimizer: new SGD({ learningRate: 0.2 }) });
      await three.fit(plain, { batchSize: 3, shuffle: false });
      await two.fit(weighted, { batchSize: 2, shuffle: false, classWeight: [1, 2] });
      const [a, b] = [await weightsOf(three), await weightsOf(two)];
      for (const [i, value] of a.entries()) expect(b[i]).toBeCloseTo(value, 5);
    }
  });

  test('initialEpoch goes on where an earlier call stopped, with the same bits', async () => {
    const data = { x, y };
    using whole = build(device, sigmoid());
    using parts = build(device, sigmoid());
    const all = await whole.fit(data, { epochs: 4, batchSize: 8, seed: 3 });
    await parts.fit(data, { epochs: 2, batchSize: 8, seed: 3 });
    const rest = await parts.fit(data, { epochs: 4, initialEpoch: 2, batchSize: 8, seed: 3 });
    expect(rest.epochs.map(({ epoch, loss }) => [epoch, loss])).toEqual(
      all.epochs.slice(2).map(({ epoch, loss }) => [epoch, loss]),
    );
    expect(await weightsOf(parts)).toEqual(await weightsOf(whole));
    expect((await parts.fit(data, { epochs: 4, initialEpoch: 4 })).epochs).toEqual([]);
  });

  test('a callback ends training with stopTraining; the next fit is free to train', async () => {
    using model = build(device, sigmoid());
    const stop = {
      onEpochEnd({ epoch }: { epoch: number }) {
        model.stopTraining = epoch === 2;
      },
    };
    expect((await model.fit({ x, y }, { epochs: 9, callbacks: [stop] })).epochs).toHaveLength(2);
    model.stopTraining = true;
    const { epochs, interrupted } = await model.fit({ x, y }, { epochs: 3 });
    expect([epochs.length, interrupted]).toEqual([3, false]);
  });

  test('with stepsPerEpoch a stream goes on from epoch to epoch, and is closed at the end', async () => {
    using model = build(device, sigmoid());
    let [drawn, closed] = [0, 0];
    async function* endless(): AsyncGenerator<Arrays> {
      try {
        for (;;) {
          drawn++;
          yield { x, y };
        }
      } finally {
        closed++;
      }
    }
    const { epochs } = await model.fit(endless(), { epochs: 3, stepsPerEpoch: 4 });
    expect([epochs.length, drawn, closed]).toEqual([3, 12, 1]);
    // A function begins anew.
    await model.fit(endless, { epochs: 3, stepsPerEpoch: 4 });
    expect([drawn, closed]).toEqual([24, 4]);
    // The batches of a list, spread over the epochs; then there are no more.
    const list = Array.from({ length: 5 }, () => ({ x, y })).values();
    await expect(model.fit(list, { epochs: 3, stepsPerEpoch: 2 })).rejects.toThrow(/after 1 batches .* to be 2/);
  });

  test('validation beside a stream has batches of its own', async () => {
    using model = build(device, sigmoid());
    const { epochs } = await model.fit(() => [{ x, y }], { validationData: { x, y } });
    expect(epochs[0]!.valLoss).toBeCloseTo((await model.evaluate({ x, y })).loss, 6);
  });

  test('an AbortSignal ends a stream that has no end', async () => {
    using model = build(device, sigmoid());
    const stop = new AbortController();
    let closed = false;
    let batches = 0;
    async function* endless(): AsyncGenerator<Arrays> {
      try {
        for (;;) {
          if (++batches === 30) stop.abort();
          yield { x, y };
        }
      } finally {
        closed = true;
      }
    }
    const { epochs, interrupted } = await model.fit(endless, { epochs: 2, stepsPerEpoch: 20, signal: stop.signal });
    expect([epochs.length, interrupted, closed]).toEqual([1, true, true]);
  });
});

describeOnDevice('data that does not fit', (device) => {
  const { x, labels: y } = points();
  const nan = Float32Array.from(x);
  nan[13] = Number.NaN;
  const sorted = { x, y: Array.from({ length: SIZE }, (_, i) => Number(i >= 30)) };
  const images = drawImages(20, { shape: [2, 1, 1], classes: 2 });
  images.labels = Uint8Array.from({ length: 20 }, (_, i) => Number(i >= 18));

  type Refused = [what: string, data: unknown, options: FitOptions, error: new (...of: never[]) => Error, says: RegExp];
  test.each<Refused>([
    ['NaN in x', { x: nan, y }, {}, DataError, /x: number 13 is null|x: number 13 is NaN/],
    ['infinity in y', { x, y: y.map(() => Number.POSITIVE_INFINITY) }, {}, DataError, /y: number 0/],
    ['null in x', { x: [0, null], y: [1] }, {}, DataError, /x: number 1 is null/],
    ['a string in y', { x: [0, 1], y: ['1'] }, {}, DataError, /y: number 0 is "1"/],
    ['uneven lists', { x: [[0, 1], [1], [1, 2, 3]], y: [1, 0, 1] }, {}, ShapeError, /x: list 1 has 1 numbers.* 2/],
    ['lengths that differ', { x, y: y.slice(1) }, {}, ShapeError, /40 samples need .* but there are 39/],
    ['half a sample', { x: x.subarray(1), y }, {}, ShapeError, /79.* no multiple/],
    ['no samples', { x: [], y: [] }, {}, ShapeError, /x has 0/],
    ['no y', { x }, {}, ArgumentError, /takes \{ x, y \}/],
    ['a string', 'x', {}, ArgumentError, /takes \{ x, y \}/],
    ['x that is no list', { x: 3, y }, {}, ArgumentError, /fit: x must be an array of numbers, but is 3/],
    ['a split of 0', { x, y }, { validationSplit: 0 }, ArgumentError, /between 0 and 1, but is 0/],
    ['a split of 1', { x, y }, { validationSplit: 1 }, ArgumentError, /between 0 and 1, but is 1/],
    [
      'a split that leaves nothing',
      { x: [1, 2], y: [1] },
      { validationSplit: 0.1 },
      ArgumentError,
      /none for training/,
    ],
    [
      'a class only in the last part',
      sorted,
      { validationSplit: 0.25 },
      DataError,
      /every sample of class 1 .*stratify/s,
    ],
    ['a split of a stream', () => [], { validationSplit: 0.5 }, ArgumentError, /give validationData/],
    ['a batch size for a stream', () => [], { batchSize: 5 }, ArgumentError, /leave out batchSize/],
    ['stepsPerEpoch without a stream', { x, y }, { stepsPerEpoch: 3 }, ArgumentError, /for streams/],
    ['a stream of nothing', () => [], {}, DataError, /ended after 0 batches/],
    [
      'a stream used up',
      [{ x, y }].values(),
      { epochs: 2 },
      DataError,
      /ended after 0 batches.*begins the stream anew/,
    ],
    ['a stream that is short', () => [{ x, y }], { stepsPerEpoch: 2 }, DataError, /after 1 batches.* to be 2/],
    ['a function that returns no stream', () => 3, {}, ArgumentError, /must return a stream/],
    ['a stream of other things', () => [x], {}, ArgumentError, /a batch is \{ x, y \}/],
    ['NaN in a stream', () => [{ x: nan, y }], {}, DataError, /x: number 13/],
    ['a weight of a class there is not', { x, y }, { classWeight: { 2: 1 } }, ArgumentError, /class 2.*0 to 1/],
    ['a negative weight', { x, y }, { classWeight: { 0: -1 } }, ArgumentError, /class 0 .*-1/],
    ['a weight that is NaN', { x, y }, { classWeight: [Number.NaN] }, ArgumentError, /class 0/],
    ['weights that are none', { x, y }, { classWeight: 3 as never }, ArgumentError, /classWeight must be an object/],
    ['initialEpoch', { x, y }, { initialEpoch: -1 }, ArgumentError, /initialEpoch.*-1/],
    [
      'validation data of another length',
      { x, y },
      { validationData: { x, y: [1] } },
      ShapeError,
      /validationData: .* there are 1/,
    ],
  ])('refused: %s', async (_what, data, options, error, says) => {
    using model = build(device, sigmoid());
    const before = await weightsOf(model);
    const training = model.fit(data as TrainingData, options);
    await expect(training).rejects.toThrow(error);
    await expect(model.fit(data as TrainingData, options)).rejects.toThrow(says);
    if (typeof data !== 'function' && !Array.isArray(data) && !(Symbol.iterator in Object(data))) {
      expect(await weightsOf(model)).toEqual(before);
    }
  });

  test('a class that a loader has only in the last part', async () => {
    const flat = new Sequential([new Flatten({ inputShape: [2, 1, 1] }), sigmoid()]).build(device);
    flat.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
    const data = new ImageLoader(device, images);
    await expect(flat.fit(data, { validationSplit: 0.1 })).rejects.toThrow(/every sample of class 1/);
    flat.dispose();
    data.dispose();
  });

  test.each<[string, Partial<CompileOptions>, () => Layer, ArrayLike<number>, RegExp]>([
    [
      'labels that are no classes',
      { loss: 'sparseCategoricalCrossentropy' },
      softmax,
      y.map((l) => l + 1),
      /label 2 of sample/,
    ],
    ['labels with a fraction', { loss: 'sparseCategoricalCrossentropy' }, softmax, y.map(() => 0.5), /label 0.5/],
    [
      'one-hot rows for labels',
      { loss: 'sparseCategoricalCrossentropy' },
      softmax,
      y.flatMap((l) => [l, 1 - l]),
      /need 40 labels as y for sparse.*there are 80/,
    ],
    [
      'a row too long',
      { loss: 'meanSquaredError' },
      () => new Dense({ units: 2 }),
      y.flatMap((l) => [l, l, l]),
      /40 labels or 80 numbers/,
    ],
  ])('refused: %s', async (_what, compile, last, targets, says) => {
    using model = build(device, last(), compile);
    await expect(model.fit({ x, y: targets })).rejects.toThrow(says);
  });

  test('a loss given as a function takes no class weights', async () => {
    using model = build(device, sigmoid(), { loss: (a, b) => mean(square(sub(a, b))) });
    await expect(model.fit({ x, y }, { classWeight: { 0: 2 } })).rejects.toThrow(/cannot be weighted/);
    expect((await model.fit({ x, y })).epochs).toHaveLength(1);
  });

  test('a loader of numbers does not serve a loss of labels, nor numbers of another shape', async () => {
    const numbers = new ArrayLoader(device, { x, y: x, shape: [2] });
    using sparse = build(device, softmax(), { loss: 'sparseCategoricalCrossentropy' });
    await expect(sparse.fit(numbers)).rejects.toThrow(/wants labels/);
    using one = build(device, sigmoid());
    await expect(one.fit(numbers)).rejects.toThrow(/ends in \[1\], but the data has targets of \[2\]/);
    const none = new ArrayLoader(device, { x, shape: [2] });
    await expect(one.fit(none)).rejects.toThrow(/no targets/);
    expect(await one.predict(none)).toEqual(await one.predict(numbers));
    for (const loader of [numbers, none]) loader.dispose();
  });

  test('sorts of y that change within a stream', async () => {
    using model = build(device, softmax(), { loss: 'categoricalCrossentropy' });
    const stream = () => [
      { x, y },
      { x, y: y.flatMap((l) => [l, 1 - l]) },
    ];
    await expect(model.fit(stream)).rejects.toThrow(/first batch had labels/);
  });
});
