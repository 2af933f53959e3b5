import { expect, test } from 'vitest';
import {
  ArgumentError,
  ArrayLoader,
  type CompileOptions,
  DataError,
  Dense,
  EarlyStopping,
  type FitOptions,
  Flatten,
  ImageLoader,
  type Layer,
  MeanAbsoluteError,
  mean,
  Sequential,
  ShapeError,
  square,
  sub,
  type TrainingData,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { build, points, SIZE, sigmoid, softmax, weightsOf } from '../support/points.ts';

describeOnDevice('data that does not fit the model', (device) => {
  const { x, labels: y } = points();
  const nan = Float32Array.from(x);
  nan[13] = Number.NaN;
  const sorted = { x, y: Array.from({ length: SIZE }, (_, i) => Number(i >= 30)) };
  const images = drawImages(20, { shape: [2, 1, 1], classes: 2 });
  images.labels = Uint8Array.from({ length: 20 }, (_, i) => Number(i >= 18));

  type Refused = [what: string, data: unknown, options: FitOptions, error: new (...of: never[]) => Error, says: RegExp];
  test.each<Refused>([
    ['NaN in x', { x: nan, y }, {}, DataError, /x: number 13 is NaN/],
    ['infinity in y', { x, y: y.map(() => Number.POSITIVE_INFINITY) }, {}, DataError, /y: number 0/],
    ['null in x', { x: [0, null], y: [1] }, {}, DataError, /x: number 1 is null/],
    ['a string in y', { x: [0, 1], y: ['1'] }, {}, DataError, /y: number 0 is "1"/],
    [
      'uneven lists',
      { x: [[0, 1], [1], [1, 2, 3]], y: [1, 0, 1] },
      {},
      ShapeError,
      /x: entry 1 has shape \[1\], but entry 0 has \[2\]/,
    ],
    [
      'lists uneven further in',
      {
        x: [
          [[1], [2]],
          [
            [1, 2],
            [3, 4],
          ],
        ],
        y: [1, 0],
      },
      {},
      ShapeError,
      /x: entry 1 has shape \[2,2\], but entry 0 has \[2,1\]/,
    ],
    [
      'lists in a list of numbers',
      {
        x: [
          [0, 1],
          [[1], 2],
        ],
        y: [1, 0],
      },
      {},
      ShapeError,
      /x: entry \[1,1\] is 2, but entry \[1,0\] is a list/,
    ],
    ['lengths that differ', { x, y: y.slice(1) }, {}, ShapeError, /40 samples need .* but there are 39/],
    ['half a sample', { x: x.subarray(1), y }, {}, ShapeError, /multiple of 2, but is 79/],
    ['no samples', { x: [], y: [] }, {}, ShapeError, /x:? has no samples; give at least one/],
    ['no y', { x }, {}, ArgumentError, /takes \{ x, y \}/],
    ['a string', 'x', {}, ArgumentError, /takes \{ x, y \}/],
    ['x that is not a list', { x: 3, y }, {}, ArgumentError, /fit: x must be an array of numbers, but is 3/],
    [
      "Keras's hook",
      { x, y },
      { callbacks: [{ on_epoch_end() {} } as never] },
      ArgumentError,
      /no hook on_epoch_end; did you mean onEpochEnd/,
    ],
    [
      'a hook misspelt',
      { x, y },
      { callbacks: [{ onEpochEnds() {} } as never] },
      ArgumentError,
      /no hook onEpochEnds; did you mean onEpochEnd/,
    ],
    [
      'a callback without a hook',
      { x, y },
      { callbacks: [{ epochEnd() {} } as never] },
      ArgumentError,
      /a callback with epochEnd has no hook; hooks are onTrainBegin/,
    ],
    [
      'a class for a callback',
      { x, y },
      { callbacks: [EarlyStopping as never] },
      ArgumentError,
      /callback 0 is a function or class; create an object with new/,
    ],
    ['a split of 0', { x, y }, { validationSplit: 0 }, ArgumentError, /above 0 and below 1.*but is 0/],
    ['a split of 1', { x, y }, { validationSplit: 1 }, ArgumentError, /above 0 and below 1.*but is 1/],
    ...[-0.25, 1.5, Number.NaN, '0.2'].map((validationSplit): Refused => {
      const options = { validationSplit } as FitOptions;
      return [`a split of ${validationSplit}`, { x, y }, options, ArgumentError, /must be above 0 and below 1.*but is/];
    }),
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
      /all samples of class 1 .*stratify/s,
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
      /(ended after 0 batches|an earlier call took all).*opens the stream again/,
    ],
    [
      'a stream that is short',
      () => [{ x, y }],
      { stepsPerEpoch: 2 },
      DataError,
      /after 1 batches.*stepsPerEpoch is 2/,
    ],
    ['a function that does not return a stream', () => 3, {}, ArgumentError, /must return a stream/],
    ['a stream of other things', () => [x], {}, ArgumentError, /a batch is \{ x, y \}/],
    [
      'NaN in validation data',
      { x, y },
      { validationData: { x: nan, y } },
      DataError,
      /validationData: x: number 13 is NaN/,
    ],
    ['NaN in a stream', () => [{ x: nan, y }], {}, DataError, /x: number 13/],
    ['a weight of a class that does not exist', { x, y }, { classWeight: { 2: 1 } }, ArgumentError, /class 2.*0 to 1/],
    ['a negative weight', { x, y }, { classWeight: { 0: -1 } }, ArgumentError, /class 0 .*-1/],
    ['a weight that is NaN', { x, y }, { classWeight: [Number.NaN] }, ArgumentError, /class 0/],
    ['invalid weights', { x, y }, { classWeight: 3 as never }, ArgumentError, /must be a list or an object.* is 3/],
    ['sample weights', { x, y, sampleWeight: y } as never, {}, ArgumentError, /sampleWeight is not supported/],
    ['sample weights in a stream', () => [{ x, y, sample_weight: y }], {}, ArgumentError, /sample_weight is not/],
    ['weights as a Map', { x, y }, { classWeight: new Map([[1, 5]]) as never }, ArgumentError, /but is a Map/],
    ['BigInts', { x: Array(80).fill(1n) as never, y }, {}, DataError, /x: number 0 is bigint/],
    ['callbacks that are not a list', { x, y }, { callbacks: {} as never }, ArgumentError, /list of callbacks, but is/],
    ['an invalid callback', { x, y }, { callbacks: [null as never] }, ArgumentError, /list of callbacks/],
    ['initialEpoch', { x, y }, { initialEpoch: -1 }, ArgumentError, /initialEpoch.*-1/],
    [
      'validation data of another length',
      { x, y },
      { validationData: { x, y: [1] } },
      ShapeError,
      /validationData: .* there are 1/,
    ],
  ])('throws for %s', async (_what, data, options, error, says) => {
    using model = build(device, sigmoid());
    const before = await weightsOf(model);
    const training = model.fit(data as TrainingData, options);
    await expect(training).rejects.toThrow(error);
    await expect(model.fit(data as TrainingData, options)).rejects.toThrow(says);
    if (typeof data !== 'function' && !Array.isArray(data) && !(Symbol.iterator in Object(data))) {
      expect(await weightsOf(model)).toEqual(before);
    }
  });

  test.each<[what: string, call: (model: Sequential) => unknown]>([
    ['ArrayLoader', () => new ArrayLoader(device, { x: nan, y, shape: [2], classes: 2 })],
    ['evaluate', (model) => model.evaluate({ x: nan, y })],
    ['predict', (model) => model.predict(nan)],
    ['trainOnBatch', (model) => model.trainOnBatch(nan, y)],
    ['testOnBatch', (model) => model.testOnBatch(nan, y)],
  ])('%s throws for NaN, with its position', async (_, call) => {
    using model = build(device, sigmoid());
    const before = await weightsOf(model);
    const result = (async () => call(model))();
    await expect(result).rejects.toThrow(DataError);
    await expect(result).rejects.toThrow(/x: number 13 is NaN/);
    expect(await weightsOf(model)).toEqual(before);
    expect(model.training.optimizer.iterations).toBe(0);
  });

  test('throws for a class that occurs only in the last part of a loader', async () => {
    const flat = new Sequential([new Flatten({ inputShape: [2, 1, 1] }), sigmoid()]).build(device);
    flat.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
    const data = new ImageLoader(device, images);
    await expect(flat.fit(data, { validationSplit: 0.1 })).rejects.toThrow(/all samples of class 1/);
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
  ])('throws for %s', async (_what, compile, last, targets, says) => {
    using model = build(device, last(), compile);
    await expect(model.fit({ x, y: targets })).rejects.toThrow(says);
  });

  test('compile: throws for a loss class, and says to create an object', () => {
    const loss = MeanAbsoluteError as never;
    expect(() => build(device, sigmoid(), { loss })).toThrow(/^compile: loss must be .* is a class; make one with new/);
  });

  test('a loss function: throws for class weights', async () => {
    using model = build(device, sigmoid(), { loss: (a, b) => mean(square(sub(a, b))) });
    await expect(model.fit({ x, y }, { classWeight: { 0: 2 } })).rejects.toThrow(/does not support sample weights/);
    expect((await model.fit({ x, y })).epochs).toHaveLength(1);
  });

  test('a loader of numbers: throws if the loss needs labels, or if the shape differs', async () => {
    const numbers = new ArrayLoader(device, { x, y: x, shape: [2] });
    using sparse = build(device, softmax(), { loss: 'sparseCategoricalCrossentropy' });
    await expect(sparse.fit(numbers)).rejects.toThrow(/needs labels/);
    using one = build(device, sigmoid());
    await expect(one.fit(numbers)).rejects.toThrow(/ends in \[1\], but the data has targets of \[2\]/);
    const none = new ArrayLoader(device, { x, shape: [2] });
    await expect(one.fit(none)).rejects.toThrow(/no targets/);
    expect(await one.predict(none)).toEqual(await one.predict(numbers));
    for (const loader of [numbers, none]) loader.dispose();
  });

  test('throws if the kind of y changes within a stream', async () => {
    using model = build(device, softmax(), { loss: 'categoricalCrossentropy' });
    const stream = () => [
      { x, y },
      { x, y: y.flatMap((l) => [l, 1 - l]) },
    ];
    await expect(model.fit(stream)).rejects.toThrow(/first batch had labels/);
  });
});
