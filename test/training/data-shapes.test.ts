import { expect, test } from 'vitest';
import {
  ArgumentError,
  ArrayLoader,
  confusionMatrix,
  Dense,
  decodeNpy,
  encodeNpy,
  type Layer,
  type Model,
  type Numbers,
  Sequential,
  ShapeError,
  scope,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { identityModel, nested, row } from '../support/numbers.ts';
import { build, points, sigmoid, softmax } from '../support/points.ts';

describeOnDevice('shapes of data', (device) => {
  const accepted: [what: string, inputShape: number[], x: Numbers, samples: number][] = [
    ['rows', [3], nested([2, 3]), 2],
    ['a flat list of whole samples', [3], [0, 1, 2, 3, 4, 5], 2],
    ['a typed array is whole samples', [2, 2, 1], row(12), 3],
    ['rows as typed arrays', [3], [row(3), Float64Array.of(3, 4, 5)], 2],
    ['images', [2, 3, 1], nested([4, 2, 3, 1]), 4],
    ['images without their channel, as in Keras', [2, 3, 1], nested([4, 2, 3]), 4],
    ['images with one channel axis too many', [2, 3], nested([4, 2, 3, 1]), 4],
    ['one number for each sample', [1], [0, 1, 2], 3],
    ['one number for each sample, in rows', [1], nested([3, 1]), 3],
    ['data with its shape', [2, 3], { shape: [1, 2, 3], data: row(6) }, 1],
    ['an array written by NumPy', [3], decodeNpy(encodeNpy({ shape: [2, 3], data: row(6) })), 2],
    ['64-bit integers of NumPy', [3], { shape: [2, 3], data: BigInt64Array.from([0n, 1n, 2n, 3n, 4n, 5n]) }, 2],
    ['a list of arrays with a shape', [2, 1], [0, 2].map((i) => ({ shape: [2, 1], data: [i, i + 1] })), 2],
    ['a typed array that has a shape', [3], Object.assign(row(6), { shape: [2, 3] }), 2],
    ['strides that are row-major', [3], { shape: [2, 3], stride: [3, 1], offset: 0, data: row(6) } as Numbers, 2],
    [
      'pictures of four channels',
      [1, 2, 4],
      [{ width: 2, height: 1, data: Uint8ClampedArray.from(row(8)) } as never],
      1,
    ],
  ];
  test.each(accepted)('predict takes %s', async (_what, inputShape, x, samples) => {
    using model = identityModel(inputShape).build(device);
    const size = samples * inputShape.reduce((product, n) => product * n, 1);
    expect(await model.predict(x)).toEqual(row(size));
  });

  const invalidData: [what: string, inputShape: number[], x: Numbers, says: RegExp][] = [
    [
      'three rows of two for three inputs',
      [3],
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      /x has shape \[3,2\], but the model takes \[samples,3\].*transpose/,
    ],
    ['transposed rows', [2], nested([2, 5]), /shape \[2,5\].*takes \[samples,2\].*transpose/],
    ['channels first', [4, 5, 3], nested([2, 3, 4, 5]), /\[2,3,4,5\].*\[samples,4,5,3\].*channels last/],
    ['transposed images', [2, 3, 1], nested([4, 3, 2, 1]), /\[4,3,2,1\].*another order/],
    ['flattened images', [2, 3, 1], nested([4, 6]), /\[4,6\].*\[samples,2,3,1\].*one flat array/],
    ['images for rows', [6], nested([4, 2, 3]), /\[4,2,3\].*\[samples,6\].*one flat array/],
    ['RGBA for one channel', [2, 2, 1], nested([1, 2, 2, 4]), /\[1,2,2,4\].*\[samples,2,2,1\]/],
    ['bytes of a canvas for one channel', [2, 2, 1], new Uint8ClampedArray(16), /Uint8ClampedArray.*alpha.*Uint8Array/],
    [
      'a picture for one channel',
      [2, 2, 1],
      { width: 2, height: 2, data: new Uint8Array(16) } as never,
      /\[2,2,4\].*\[samples,2,2,1\]/,
    ],
    ['one sample without its axis', [2, 3], nested([2, 3]), /one sample.*give \[x\], or the shape \[1,2,3\]/],
    ['one sample, of one axis, with its shape', [3], { shape: [3], data: row(3) }, /shape \[3\].*one sample/],
    ['columns too many', [3], nested([5, 4]), /\[5,4\].*\[samples,3\].*inputShape \[4\]/],
    ['no samples', [3], [], /x:? has no samples; give at least one/],
    ['no columns', [3], [[], []], /\[2,0\]/],
    ['an array of no samples', [3], { shape: [0, 3], data: row(0) }, /at least one sample/],
    ['uneven rows', [2], [[1, 2], [3], [4, 5, 6]], /entry 1 has shape \[1\], but entry 0 has \[2\]/],
    [
      'rows that are uneven within',
      [2, 2],
      [
        [
          [1, 2],
          [3, 4],
        ],
        [[1, 2], [3]],
      ],
      /entry \[1,1\] has shape \[1\], but entry \[1,0\] has \[2\]/,
    ],
    [
      'rows of another depth',
      [2],
      [
        [1, 2],
        [[3], [4]],
      ] as Numbers,
      /entry 1 has shape \[2,1\], but entry 0 has \[2\]/,
    ],
    ['a number among rows', [2], [[1, 2], 3] as never, /entry 1 is 3, but entry 0 is a list/],
    [
      'data that its shape does not fit',
      [3],
      { shape: [3, 3], data: row(6) },
      /\[3,3\] needs 9 numbers, but data has 6/,
    ],
    ['a transposed view', [3], { shape: [2, 3], stride: [1, 2], offset: 0, data: row(6) } as never, /row-major/],
    ['a view that begins later', [3], { shape: [1, 3], offset: 3, data: row(6) } as never, /offset 3/],
  ];
  test.each(invalidData)('predict throws for %s', async (_what, inputShape, x, says) => {
    using model = identityModel(inputShape).build(device);
    await expect(model.predict(x)).rejects.toThrow(ShapeError);
    await expect(model.predict(x)).rejects.toThrow(says);
  });

  test.each<[what: string, x: unknown, says: RegExp]>([
    [
      'a tensor',
      () => tensor(device, [1, 2, 3], [1, 3]),
      /predict: x is on the device, with shape \[1,3\].*await t\.data\(\)/,
    ],
    ['the array of a tensor', () => tensor(device, [1, 2, 3], [1, 3]).array, /on the device/],
    ['tensors in a list', () => [tensor(device, [1, 2, 3], [3])], /entry 0 is on the device/],
    ['a promise', () => Promise.resolve([1, 2, 3]), /is a Promise, to be awaited/],
    ['{ x }', () => ({ x: [1, 2, 3] }), /give only its x/],
    ['an invalid shape', () => ({ shape: [-1, 3], data: [1, 2, 3] }), /integers from 0 up/],
    ['a shape without data', () => ({ shape: [1, 3] }), /an object with a shape needs data/],
    ['a function as data', () => ({ shape: [1, 3], data: () => [1, 2, 3] }), /an object with a shape needs data/],
    [
      'a list that cannot be read',
      () =>
        Object.defineProperty([1, 2, 3], 1, {
          get: () => {
            throw new Error('mine');
          },
        }),
      /predict: x cannot be read: mine/,
    ],
    ['a list without end', () => ({ length: 2 ** 53 }), /predict: x cannot be read/],
    ['text', () => '123', /must be an array of numbers, but is "123"/],
  ])('predict throws for %s', async (_what, make, says) => {
    using model = identityModel([3]).build(device);
    const refusal = (async () => {
      const made: Numbers[] = [];
      scope(device, () => void made.push((make as () => Numbers)()));
      return model.predict(made[0]!);
    })();
    await expect(refusal).rejects.toThrow(ArgumentError);
    await expect(refusal).rejects.toThrow(says);
  });

  const { x, labels: y } = points();
  const rows = y.map((_, i) => [x[2 * i]!, x[2 * i + 1]!]);
  const columns = [0, 1].map((c) => rows.map((one) => one[c]!));
  const stream = (data: unknown) => () => [data as { x: Numbers; y: Numbers }];
  const fits = { x: rows, y };

  // Every way to pass samples and targets to a model.
  const routes: [what: string, take: (model: Model, data: { x: Numbers; y: Numbers }) => unknown][] = [
    ['fit', (model, data) => model.fit(data)],
    ['fit on a stream', (model, data) => model.fit(stream(data))],
    ['fit, as validationData', (model, data) => model.fit(fits, { validationData: data })],
    ['fit, as a stream of validationData', (model, data) => model.fit(fits, { validationData: stream(data) })],
    ['evaluate', (model, data) => model.evaluate(data)],
    ['evaluate on a stream', (model, data) => model.evaluate(stream(data))],
    ['evaluateReplicas', (model, data) => model.evaluateReplicas(data)],
    ['confusionMatrix', (model, data) => confusionMatrix(model, data, { replica: 0 })],
    ['trainOnBatch', (model, data) => model.trainOnBatch(data.x, data.y)],
    ['testOnBatch', (model, data) => model.testOnBatch(data.x, data.y)],
    ['an ArrayLoader of labels', (_, data) => new ArrayLoader(device, { ...data, shape: [2], classes: 2 })],
    ['an ArrayLoader of numbers', (_, data) => new ArrayLoader(device, { ...data, shape: [2], targetShape: [1] })],
  ];

  test.each(routes)('%s accepts rows with labels, flat or nested, and throws for other shapes', async (_, take) => {
    using model = build(device, sigmoid());
    const run = async (data: { x: Numbers; y: Numbers }) => take(model, data);
    for (const data of [
      fits,
      { x, y },
      { x: rows, y: y.map((label) => [label]) },
      { x: rows, y: Uint8Array.from(y) },
      { x: { shape: [40, 2], data: x }, y: { shape: [40], data: BigInt64Array.from(y, BigInt) } },
    ]) {
      const result = await run(data);
      if (result instanceof ArrayLoader) result.dispose();
    }
    await expect(run({ x: columns, y })).rejects.toThrow(
      /x has shape \[2,40\], but the (model|loader) takes \[samples,2\]/,
    );
    await expect(run({ x: columns, y })).rejects.toThrow(ShapeError);
    await expect(run({ x: rows, y: [y] })).rejects.toThrow(/\[1,40\]/);
    await expect(run({ x: rows, y: [y] })).rejects.toThrow(ShapeError);
    await expect(run({ x: rows, y: { shape: [20, 2], data: y } })).rejects.toThrow(/\[20,2\]/);
  });

  test.each(routes.slice(0, 10))('%s of replicas throws for the same', async (_, take) => {
    using model = build(device, sigmoid()).replicate(2);
    await expect((async () => take(model, { x: columns, y }))()).rejects.toThrow(/x has shape \[2,40\]/);
    await expect(model.predict(columns)).rejects.toThrow(/predict: x has shape \[2,40\]/);
    expect(await model.predict(rows)).toHaveLength(2 * 40);
  });

  test.each<[what: string, last: () => Layer, loss: string, y: Numbers, says: RegExp | null]>([
    ['one-hot rows', softmax, 'categoricalCrossentropy', y.map((l) => [1 - l, l]), null],
    ['one-hot rows that are transposed', softmax, 'categoricalCrossentropy', [y.map((l) => 1 - l), y], /\[2,40\]/],
    ['labels in a column', softmax, 'sparseCategoricalCrossentropy', y.map((l) => [l]), null],
    [
      'one-hot rows for labels',
      softmax,
      'sparseCategoricalCrossentropy',
      y.map((l) => [1 - l, l]),
      /use categoricalCrossentropy/,
    ],
    ['numbers in pairs', () => new Dense({ units: 2 }), 'meanSquaredError', rows, null],
    ['numbers transposed', () => new Dense({ units: 2 }), 'meanSquaredError', columns, /\[2,40\]/],
    ['numbers for two samples at once', () => new Dense({ units: 2 }), 'meanSquaredError', nested([20, 4]), /\[20,4\]/],
  ])('targets: %s', async (_what, last, loss, targets, says) => {
    using model = build(device, last(), { loss: loss as 'meanSquaredError' });
    for (const data of [{ x, y: targets }, stream({ x, y: targets })]) {
      const trained = model.fit(data);
      if (says) await expect(trained).rejects.toThrow(says);
      else expect((await trained).epochs).toHaveLength(1);
    }
  });

  test('targets of an ArrayLoader have the shape of an entry of y', () => {
    const shapes = [nested([4, 2, 3]), nested([4, 6]), [1, 2, 3, 4], row(8)].map((targets) => {
      using loader = new ArrayLoader(device, { x: row(8), y: targets, shape: [2] });
      return loader.targetShape;
    });
    expect(shapes).toEqual([[2, 3], [6], [1], [2]]);
    for (const classes of [0, 2.5, '2' as never]) {
      expect(() => new ArrayLoader(device, { x: row(8), y: [0, 1, 0, 1], shape: [2], classes })).toThrow(
        /classes must be/,
      );
    }
    expect(() => new ArrayLoader(device, { x: row(8), shape: [2, 0] })).toThrow(/shape must be a list of positive/);
  });

  test('a custom loader must have the shapes that it states', async () => {
    using loader = new ArrayLoader(device, { x, y, shape: [2], classes: 2 });
    const promising = (changes: object) => ({
      device,
      size: 40,
      sampleShape: [2],
      classes: 2,
      ...changes,
      batch: loader.batch.bind(loader),
    });
    using model = build(device, softmax(), { loss: 'categoricalCrossentropy' });
    expect((await model.fit(promising({}))).epochs).toHaveLength(1);
    await expect(model.fit(promising({ classes: null, targetShape: [2] }))).rejects.toThrow(
      /batch\(\): targets must be f32 \[32,2\], but is u32 \[32\]/,
    );
    using three = new Sequential([new Dense({ units: 2, inputShape: [1] })]).build(device);
    await expect(three.predict(promising({ sampleShape: [1] }))).rejects.toThrow(
      /x must be f32 \[32,1\], but is f32 \[32,2\]/,
    );
  });
});
