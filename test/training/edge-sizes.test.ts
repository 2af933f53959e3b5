import { expect, test } from 'vitest';
import {
  ArgumentError,
  ArrayLoader,
  type Arrays,
  type Callback,
  type CompileOptions,
  confusionMatrix,
  DataError,
  Dense,
  Dropout,
  ImageLoader,
  type Layer,
  type Model,
  Sequential,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { build, points, SIZE, sigmoid, softmax, weightsOf } from '../support/points.ts';

describeOnDevice('a batch larger than the data', (device) => {
  const { x, labels: y } = points();
  const data = { x, y };

  test.each([SIZE + 1, 1000, 2 ** 31])(
    'a batch size of %d trains and evaluates as one of all samples',
    async (batchSize) => {
      const results = [];
      for (const size of [SIZE, batchSize]) {
        using model = build(device, sigmoid());
        const seen: (number | null)[] = [];
        const callbacks: Callback[] = [{ onTrainBegin: (info) => void seen.push(info.batchSize) }];
        const { epochs } = await model.fit(data, { epochs: 2, batchSize: size, seed: 3, callbacks });
        results.push({
          seen,
          losses: epochs.map(({ loss }) => loss),
          weights: await weightsOf(model),
          steps: model.training.optimizer.iterations,
          measured: await model.evaluate(data, { batchSize: size }),
          replicas: await model.evaluateReplicas(data, { batchSize: size }),
          predicted: await model.predict(x, { batchSize: size }),
          counts: (await confusionMatrix(model, data, { batchSize: size })).counts,
        });
      }
      expect(results[1]).toEqual(results[0]);
      expect([results[1]!.seen, results[1]!.steps]).toEqual([[SIZE], 2]);
    },
  );

  test('also with a loader, with fewer validation samples, and after a split', async () => {
    using images = new ImageLoader(device, drawImages(12, { shape: [2, 1, 1], classes: 2 }));
    using loader = new ArrayLoader(device, { x, y, shape: [2], classes: 2 });
    using model = build(device, sigmoid());
    const few: Arrays = { x: x.slice(0, 6), y: y.slice(0, 3) };
    const { epochs } = await model.fit(loader, { batchSize: 64, validationData: few });
    expect(epochs[0]!.valLoss).toBeCloseTo((await model.evaluate(few)).loss, 6);
    const info: (number | null)[] = [];
    const callbacks: Callback[] = [{ onTrainBegin: ({ batchSize }) => void info.push(batchSize) }];
    await model.fit(data, { batchSize: 32, validationSplit: 0.5, callbacks });
    expect(info).toEqual([20]);
    expect(await model.evaluate(loader, { batchSize: 64 })).toEqual(await model.evaluate(data, { batchSize: SIZE }));
    expect(images.size).toBe(12);
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '8'])('throws for a batch size of %s', async (size) => {
    using model = build(device, sigmoid());
    const batchSize = size as number;
    for (const call of [
      () => model.fit(data, { batchSize }),
      () => model.evaluate(data, { batchSize }),
      () => model.predict(x, { batchSize }),
    ]) {
      await expect(call()).rejects.toThrow(ArgumentError);
      await expect(call()).rejects.toThrow(/batchSize must be a positive integer/);
    }
  });
});

describeOnDevice('a split that leaves a class out of training', (device) => {
  const { x } = points();
  const sorted = Array.from({ length: SIZE }, (_, i) => Number(i >= 30) + Number(i >= 35));
  const mixed = Array.from({ length: SIZE }, (_, i) => i % 3);
  const rows = (labels: readonly number[], scale = 1) =>
    labels.flatMap((label) => [0, 1, 2].map((c) => scale * Number(c === label)));
  const three = () => new Dense({ units: 3, activation: 'softmax' });
  const loader = (y: number[]) => new ArrayLoader(device, { x, y, shape: [2] });
  type Case = [
    what: string,
    last: () => Layer,
    loss: CompileOptions['loss'],
    data: (labels: number[]) => Arrays | ArrayLoader,
  ];
  const cases: Case[] = [
    ['labels', three, 'sparseCategoricalCrossentropy', (y) => ({ x, y })],
    ['labels for one-hot rows', three, 'categoricalCrossentropy', (y) => ({ x, y })],
    ['one-hot rows', three, 'categoricalCrossentropy', (y) => ({ x, y: rows(y) })],
    ['one-hot lists', three, 'categoricalCrossentropy', (y) => ({ x, y: y.map((label) => rows([label])) })],
    ['one-hot rows and a softmax', three, 'meanSquaredError', (y) => ({ x, y: rows(y) })],
    ['a loader of one-hot rows', three, 'categoricalCrossentropy', (y) => loader(rows(y))],
  ];

  test.each(cases)('throws for %s', async (_, last, loss, data) => {
    using model = build(device, last(), { loss });
    const options = { validationSplit: 0.25 };
    const fitSorted = () => model.fit(data(sorted), options);
    await expect(fitSorted()).rejects.toThrow(DataError);
    await expect(fitSorted()).rejects.toThrow(/all samples of class 1 are among them.*stratify/s);
    expect(model.training.optimizer.iterations).toBe(0);
    expect((await model.fit(data(mixed), options)).epochs).toHaveLength(1);
  });

  test.each<[string, () => Layer, CompileOptions['loss'], number[]]>([
    ['numbers that look like rows', () => new Dense({ units: 3 }), 'meanSquaredError', rows(sorted)],
    ['probabilities', three, 'categoricalCrossentropy', rows(sorted).map((p) => 0.1 + 0.7 * p)],
    [
      'several labels a sample',
      () => new Dense({ units: 3, activation: 'sigmoid' }),
      'binaryCrossentropy',
      rows(sorted).map((p, i) => (i % 3 === 0 ? 1 : p)),
    ],
    [
      'several labels a sample, of which each happens to have one',
      () => new Dense({ units: 3, activation: 'sigmoid' }),
      'binaryCrossentropy',
      rows(sorted),
    ],
  ])('does not throw for %s', async (_, last, loss, y) => {
    using model = build(device, last(), { loss });
    expect((await model.fit({ x, y }, { validationSplit: 0.25 })).epochs).toHaveLength(1);
  });
});

describeOnDevice('trainable set while fit trains', (device) => {
  const { x, labels: y } = points();
  const data = { x, y };
  const make = () => {
    const hidden = new Dense({ units: 4, activation: 'tanh', inputShape: [2], name: 'hidden' });
    const model = new Sequential([hidden, new Dropout(0), softmax()]).build(device, { seed: 1 });
    return { hidden, model: model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' }) };
  };
  const set: [what: string, change: (model: Model) => unknown, layers: string][] = [
    ['a layer', (model) => Object.assign(model.layers[0]!, { trainable: false }), 'hidden'],
    ['the model', (model) => Object.assign(model, { trainable: false }), 'hidden, dense'],
  ];
  const hooks = ['onTrainBegin', 'onEpochBegin', 'onSteps', 'onEpochEnd'] as const;

  test.each(set.flatMap(([what, change, layers]) => hooks.map((hook) => [what, hook, change, layers] as const)))(
    '%s in %s: fit throws, and says when it takes effect',
    async (what, hook, change, layers) => {
      const { model } = make();
      const callback: Callback = { everySteps: 1, [hook]: () => void change(model) };
      const training = model.fit(data, { epochs: 3, batchSize: 10, callbacks: [callback] });
      await expect(training).rejects.toThrow(ArgumentError);
      await expect(training).rejects.toThrow(`fit: trainable of ${layers} was changed while fit trains the model`);
      // Now it takes effect.
      const before = await weightsOf(model);
      const next = model.fit(data, { batchSize: 10 });
      await (what === 'a layer' ? next : expect(next).rejects.toThrow(/so there is nothing to train/));
      expect(await weightsOf(model)).toEqual(before);
      model.dispose();
    },
  );

  test('is no error if the value is the same, for a layer without weights, or as the last epoch ends', async () => {
    const { model, hidden } = make();
    const callback: Callback = {
      onEpochBegin() {
        model.layers[1]!.trainable = false;
        hidden.trainable = false;
        hidden.trainable = true;
      },
      onEpochEnd({ epoch }) {
        if (epoch === 2) hidden.trainable = false;
      },
    };
    const { epochs } = await model.fit(data, { epochs: 2, batchSize: 10, callbacks: [callback] });
    expect(epochs).toHaveLength(2);
    const before = await weightsOf(model);
    await model.fit(data);
    expect(await weightsOf(model)).toEqual(before);
    model.dispose();
  });
});
