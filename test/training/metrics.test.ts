import { expect, test } from 'vitest';
import {
  ArgumentError,
  ConfusionMatrix,
  confusionMatrix,
  Dense,
  type Device,
  Flatten,
  giniIndex,
  hoyerSparsity,
  ImageLoader,
  type MetricName,
  nearZeroShare,
  Sequential,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const CLASSES = 4;
const SIZE = 45;
const set = drawImages(SIZE, { shape: [4, 4, 1], classes: CLASSES });

function build(device: Device, metrics: MetricName[] = []): Sequential {
  return new Sequential([new Flatten({ inputShape: [4, 4, 1] }), new Dense({ units: CLASSES, activation: 'softmax' })])
    .build(device, { seed: 1 })
    .compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics });
}

describeOnDevice('metrics of a model', (device) => {
  const metrics: MetricName[] = ['accuracy', 'topK2', 'precision', 'topK3', 'recall', 'f1'];

  test('evaluate: equals what the host counts from the outputs, with a short last batch', async () => {
    const data = new ImageLoader(device, set);
    using model = build(device, metrics);
    await model.fit(data, { epochs: 2, batchSize: 16 });
    const output = await model.predict(data);
    const rows = Array.from(set.labels, (_, i) => Array.from(output.subarray(CLASSES * i, CLASSES * (i + 1))));
    const predicted = rows.map((row) => row.indexOf(Math.max(...row)));
    const top = (k: number) =>
      rows.filter((row, i) => row.filter((value) => value > row[set.labels[i]!]!).length < k).length / SIZE;
    const count = (f: (label: number, guess: number) => boolean) =>
      predicted.filter((guess, i) => f(set.labels[i]!, guess)).length;
    const classes = Array.from({ length: CLASSES }, (_, c) => ({
      right: count((label, guess) => label === c && guess === c),
      guessed: count((_, guess) => guess === c),
      there: count((label) => label === c),
    }));
    const mean = (f: (c: (typeof classes)[0]) => number) => classes.reduce((sum, c) => sum + (f(c) || 0), 0) / CLASSES;

    const { loss, ...others } = await model.evaluate(data, { batchSize: 16 });
    expect(others).toEqual({
      accuracy: expect.closeTo(top(1), 6),
      topK2: expect.closeTo(top(2), 6),
      topK3: expect.closeTo(top(3), 6),
      precision: expect.closeTo(
        mean(({ right, guessed }) => right / guessed),
        6,
      ),
      recall: expect.closeTo(
        mean(({ right, there }) => right / there),
        6,
      ),
      f1: expect.closeTo(
        mean(({ right, guessed, there }) => (2 * right) / (guessed + there)),
        6,
      ),
    });
    expect(loss).toBeGreaterThan(0);

    const matrix = await confusionMatrix(model, data, { batchSize: 16 });
    const expected = Array.from({ length: CLASSES }, (_, a) =>
      Array.from({ length: CLASSES }, (_, b) => count((label, guess) => label === a && guess === b)),
    );
    expect(matrix.counts).toEqual(expected);
    expect(matrix.total).toBe(SIZE);
    expect(matrix.macro.f1).toBeCloseTo(others.f1!, 12);
    data.dispose();
  });

  test('history: has every metric, of training and validation', async () => {
    const data = new ImageLoader(device, set);
    using model = build(device, metrics);
    let monitored: readonly string[] = [];
    const { epochs } = await model.fit(data, {
      epochs: 2,
      batchSize: 16,
      validationData: data,
      callbacks: [
        {
          onTrainBegin(info) {
            monitored = info.monitored;
          },
        },
      ],
    });
    const names = ['loss', 'accuracy', 'topK2', 'topK3', 'precision', 'recall', 'f1'];
    const validation = names.map((name) => `val${name[0]!.toUpperCase()}${name.slice(1)}`);
    expect(new Set(monitored)).toEqual(new Set([...names, ...validation, 'learningRate']));
    for (const epoch of epochs) {
      for (const name of monitored) expect(epoch[name], name).toEqual(expect.any(Number));
      expect(epoch.topK3).toBeGreaterThanOrEqual(epoch.topK2!);
    }
    expect(epochs[1]!.valF1).toBeCloseTo((await model.evaluate(data)).f1!, 6);
    data.dispose();
  });

  test('only requested metrics are computed, without an extra read-back', async () => {
    const data = new ImageLoader(device, set);
    const spent = async (metrics?: MetricName[]) => {
      using model = build(device, metrics);
      const moments: { dispatches: number; readBacks: number }[] = [];
      await model.fit(data, {
        epochs: 2,
        batchSize: 15,
        callbacks: [{ onEpochEnd: () => void moments.push({ ...device.counters }) }],
      });
      return {
        dispatches: (moments[1]!.dispatches - moments[0]!.dispatches) / 3,
        readBacks: moments[1]!.readBacks - moments[0]!.readBacks,
      };
    };
    const none = await spent();
    expect(await spent(['accuracy'])).toEqual(none);
    expect(await spent(['topK2'])).toEqual({ ...none, dispatches: none.dispatches + 1 });
    // The predicted classes, and the confusion matrix for all three scores.
    expect(await spent(['precision'])).toEqual({ ...none, dispatches: none.dispatches + 2 });
    expect(await spent(['f1', 'recall', 'precision'])).toEqual({ ...none, dispatches: none.dispatches + 2 });
    data.dispose();
  });

  test('metrics do not change the bits of training', async () => {
    const data = new ImageLoader(device, set);
    const train = async (names: MetricName[]) => {
      using model = build(device, names);
      const { epochs } = await model.fit(data, { epochs: 3, batchSize: 8 });
      return epochs.map(({ loss, accuracy }) => [loss, accuracy]);
    };
    expect(await train(metrics)).toEqual(await train([]));
    data.dispose();
  });

  test('a model with one output has two classes, separated at 0.5', async () => {
    const x = [-3, -1, 1, 2, 3, -2];
    const y = [0, 1, 1, 1, 1, 0];
    const model = new Sequential([
      new Dense({ units: 1, activation: 'sigmoid', kernelInitializer: 'ones', inputShape: [1] }),
    ]);
    using built = model
      .build(device)
      .compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics: ['recall', 'f1'] });
    expect((await confusionMatrix(built, { x, y })).counts).toEqual([
      [2, 0],
      [1, 3],
    ]);
    // For class 1, as in Keras's metrics with these names.
    const { accuracy, recall, f1 } = await built.evaluate({ x, y });
    expect(accuracy).toBeCloseTo(5 / 6, 6);
    expect(recall).toBeCloseTo(3 / 4, 6);
    expect(f1).toBeCloseTo(6 / 7, 6);
    // Read from the sigmoid's output instead of its logits, the same.
    built.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['accuracy', 'recall'] });
    expect((await built.evaluate({ x, y })).recall).toBeCloseTo(3 / 4, 6);
    expect((await built.evaluate({ x, y })).accuracy).toBeCloseTo(5 / 6, 6);
  });

  test.each<[string, unknown, RegExp]>([
    ['an unknown metric', ['auc'], /topK5.*"auc"/],
    ['top 0', ['topK0'], /topK0/],
    ['no list', 'accuracy', /must be a list/],
  ])('throws for %s', (_what, names, says) => {
    expect(() => build(device, names as MetricName[])).toThrow(ArgumentError);
    expect(() => build(device, names as MetricName[])).toThrow(says);
  });

  test.each<[MetricName, Dense, RegExp]>([
    ['topK2', new Dense({ units: 1, inputShape: [2] }), /output for each class.*\[1\]/],
    ['accuracy', new Dense({ units: 2, inputShape: [3, 2] }), /ends in \[classes\] or \[1\], but it ends in \[3,2\]/],
  ])('throws for %s of a model without such outputs', (name, layer, says) => {
    const model = new Sequential([layer]);
    expect(() => model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: [name] })).toThrow(says);
  });

  test('throws for a confusion matrix of a model without classes', async () => {
    using model = new Sequential([new Dense({ units: 2, inputShape: [3, 2] })]).build(device);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    await expect(confusionMatrix(model, { x: [1], y: [1] })).rejects.toThrow(/confusionMatrix.*\[3,2\]/);
  });
});

// From scikit-learn's documentation of classification_report: y_true [0, 1, 2, 2, 2], y_pred [0, 0, 2, 2, 1].
test('scores of a confusion matrix', () => {
  const matrix = new ConfusionMatrix([
    [1, 0, 0],
    [1, 0, 0],
    [0, 1, 2],
  ]);
  expect(matrix.perClass).toEqual([
    { precision: 0.5, recall: 1, f1: 2 / 3 },
    { precision: 0, recall: 0, f1: 0 },
    { precision: 1, recall: 2 / 3, f1: 0.8 },
  ]);
  expect(matrix.macro.precision).toBeCloseTo(0.5, 12);
  expect(matrix.macro.recall).toBeCloseTo(5 / 9, 12);
  expect(matrix.macro.f1).toBeCloseTo((2 / 3 + 0.8) / 3, 12);
  expect([matrix.accuracy, matrix.total, matrix.support]).toEqual([0.6, 5, [1, 1, 3]]);
  expect(matrix.transposed).toEqual([
    [1, 1, 0],
    [0, 0, 1],
    [0, 0, 2],
  ]);
  expect(new ConfusionMatrix([[0]]).macro).toEqual({ precision: 0, recall: 0, f1: 0 });
  for (const wrong of [[[1, 2]], [[0.5]], [[-1]], 3]) {
    expect(() => new ConfusionMatrix(wrong as number[][])).toThrow(ArgumentError);
  }
});

test('giniIndex: as in coursework A6', () => {
  // By hand with 1e-7 added: [1, 2, 3, 4]: (-3 + -2 + 3 + 12) / (4 * 10).
  expect(giniIndex([4, 2, 1, 3])).toBeCloseTo(10 / 40, 6);
  // Shifted by 2: [0, 0, 0, 4]: 3 * 4 / (4 * 4).
  expect(giniIndex([-2, 2, -2, -2])).toBeCloseTo(0.75, 6);
  expect(giniIndex([5, 5, 5])).toBeCloseTo(0, 12);
  expect(giniIndex([0, 0])).toBe(0);
  // A single large value among n zeros gives about 1 - 1 / n.
  expect(giniIndex(Float32Array.from({ length: 1000 }, (_, i) => (i === 7 ? 1e6 : 0)))).toBeCloseTo(0.999, 6);
  // NumPy 2.4, the coursework's own lines on np.arange(7) ** 2 / 10 - 1.5, in float64.
  expect(giniIndex(Array.from({ length: 7 }, (_, i) => i ** 2 / 10 - 1.5))).toBeCloseTo(0.5274724868977209, 12);
});

test('hoyerSparsity and nearZeroShare', () => {
  expect(hoyerSparsity([3, -3, 3, 3])).toBeCloseTo(0, 12);
  expect(hoyerSparsity([0, -7, 0, 0])).toBeCloseTo(1, 12);
  expect(hoyerSparsity([3, 4, 0, 0])).toBeCloseTo((2 - 7 / 5) / 1, 12);
  expect([hoyerSparsity([0, 0]), hoyerSparsity([5])]).toEqual([0, 0]);
  expect(nearZeroShare([0, 0.0005, -0.001, 0.002])).toBe(0.75);
  expect(nearZeroShare([0.1, 0.2, -0.1], 0.1)).toBeCloseTo(2 / 3, 12);
});

test.each([
  ['giniIndex', giniIndex],
  ['hoyerSparsity', hoyerSparsity],
  ['nearZeroShare', nearZeroShare],
])('%s throws for empty values and NaN', (_name, measure) => {
  expect(() => measure([])).toThrow(/at least one value/);
  expect(() => measure([1, Number.NaN])).toThrow(/value 1 is NaN/);
  expect(() => nearZeroShare([1], -1)).toThrow(ArgumentError);
});
