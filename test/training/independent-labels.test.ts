import { describe, expect, test } from 'vitest';
import {
  ArgumentError,
  BinaryCrossentropy,
  type CompileOptions,
  Conv2D,
  confusionMatrix,
  Dense,
  type Device,
  type Layer,
  type LossName,
  type MetricName,
  type Metrics,
  Sequential,
  SGD,
  type Shape,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { random } from '../support/random.ts';

const SCORES: MetricName[] = ['accuracy', 'precision', 'recall', 'f1'];
const SAMPLES = 300; // more rows than one invocation counts

/** scikit-learn's precision_recall_fscore_support(..., average='macro', zero_division=0) for rows of labels. */
function scoresOf(outputs: ArrayLike<number>, targets: ArrayLike<number>, labels: number, threshold = 0.5) {
  const each = Array.from({ length: labels }, () => ({ both: 0, predicted: 0, actual: 0 }));
  let right = 0;
  for (let i = 0; i < targets.length; i++) {
    const label = each[i % labels]!;
    const [predicted, actual] = [outputs[i]! > threshold, targets[i] === 1];
    right += Number(predicted === actual);
    label.predicted += Number(predicted);
    label.actual += Number(actual);
    label.both += Number(predicted && actual);
  }
  const mean = (f: (label: (typeof each)[0]) => number) => each.reduce((sum, label) => sum + f(label), 0) / labels;
  return {
    accuracy: right / targets.length,
    precision: mean(({ both, predicted }) => both / (predicted || 1)),
    recall: mean(({ both, actual }) => both / (actual || 1)),
    f1: mean(({ both, predicted, actual }) => (2 * both) / (predicted + actual || 1)),
  };
}
const closeTo = (scores: object) =>
  Object.fromEntries(Object.entries(scores).map(([name, value]) => [name, expect.closeTo(value, 12)]));
const pick = ({ accuracy, precision, recall, f1 }: Metrics) => ({ accuracy, precision, recall, f1 });
const validation = ({ valAccuracy, valPrecision, valRecall, valF1 }: Record<string, number | undefined>) =>
  ({ accuracy: valAccuracy, precision: valPrecision, recall: valRecall, f1: valF1 }) as unknown as Metrics;

describeOnDevice('independent labels', (device: Device) => {
  // Weights of 20 on the diagonal: sigmoids of +-20 where the input is +-1.
  const diagonal = (shape: Shape) =>
    Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => (i % (shape[1]! + 1) === 0 ? 20 : 0));

  test('three sigmoids that are all right have all scores 1, also without metrics', async () => {
    const y = [0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1];
    const x = y.map((label) => 2 * label - 1);
    const layer = () =>
      new Dense({ units: 3, activation: 'sigmoid', kernelInitializer: diagonal, inputShape: [3], trainable: false });
    using model = new Sequential([layer()]).build(device);
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
    expect((await model.evaluate({ x, y })).accuracy).toBe(1);
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics: ['precision', 'recall', 'f1'] });
    expect(pick(await model.evaluate({ x, y }))).toEqual({ accuracy: 1, precision: 1, recall: 1, f1: 1 });
    // One of fifteen labels is wrong: label 0 of a sample.
    const wrong = x.with(0, 1);
    const scores = pick(await model.evaluate({ x: wrong, y }));
    expect(scores).toEqual(closeTo({ accuracy: 14 / 15, precision: (3 / 4 + 2) / 3, recall: 1, f1: (6 / 7 + 2) / 3 }));
  });

  type Case = [name: string, inputShape: Shape, last: () => Layer, loss?: CompileOptions['loss']];
  const cases: Case[] = [
    ['a row', [4], () => new Dense({ units: 5, activation: 'sigmoid' })],
    ['two labels', [4], () => new Dense({ units: 2, activation: 'sigmoid' })],
    ['logits', [4], () => new Dense({ units: 3 }), new BinaryCrossentropy({ fromLogits: true })],
    ['another loss', [4], () => new Dense({ units: 3, activation: 'sigmoid' }), 'meanSquaredError'],
    ['places in a row', [3, 4], () => new Dense({ units: 2, activation: 'sigmoid' })],
    ['one label for each position', [3, 4], () => new Dense({ units: 1, activation: 'sigmoid' })],
    ['pixels', [3, 2, 2], () => new Conv2D({ filters: 3, kernelSize: 1, activation: 'sigmoid' })],
    ['one label for each pixel', [3, 2, 2], () => new Conv2D({ filters: 1, kernelSize: 1, activation: 'sigmoid' })],
  ];

  describe.each(cases)('%s', (_name, inputShape, last, loss = 'binaryCrossentropy') => {
    const values = random(11);
    const size = inputShape.reduce((product, n) => product * n, 1);
    const x = Float32Array.from({ length: SAMPLES * size }, () => values.normal());
    const make = (replicas = 1) => {
      const first = new Dense({ units: inputShape.at(-1)!, inputShape });
      return new Sequential([first, last()])
        .build(device, { seed: 2, replicas })
        .compile({ optimizer: new SGD({ learningRate: 1e-30 }), loss, metrics: SCORES }); // so no weight changes
    };
    const targetsOf = (model: Sequential) =>
      Float32Array.from({ length: SAMPLES * model.outputShape.reduce((a, b) => a * b, 1) }, () => values.integer(0, 1));

    test('evaluate, fit, validation, streams and batches count each label', async () => {
      using model = make();
      const y = targetsOf(model);
      const labels = model.outputShape.at(-1)!;
      const expected = closeTo(scoresOf(await model.predict(x), y, labels));
      const half = (of: Float32Array, part: number) =>
        of.subarray((part * of.length) / 2, ((part + 1) * of.length) / 2);
      const stream = () => [0, 1].map((part) => ({ x: half(x, part), y: half(y, part) }));
      const data = { x, y };
      expect(pick(await model.evaluate(data, { batchSize: 280 }))).toEqual(expected);
      expect(pick(await model.evaluate(stream))).toEqual(expected);
      const { epochs } = await model.fit(data, { batchSize: 64, validationData: data });
      expect(pick(epochs[0]!)).toEqual(expected);
      expect(validation(epochs[0]!)).toEqual(expected);
      const streamed = (await model.fit(stream, { validationData: stream })).epochs[0]!;
      expect(pick(streamed)).toEqual(expected);
      expect(validation(streamed)).toEqual(expected);
      expect(pick(await model.trainOnBatch(x, y))).toEqual(expected);
      expect(pick(await model.testOnBatch(x, y))).toEqual(expected);
    });

    test('replicas count separately, and each label has a confusion matrix', async () => {
      using model = make(3);
      const y = targetsOf(model);
      const labels = model.outputShape.at(-1)!;
      const outputs = await model.predict(x);
      const evaluated = await model.evaluateReplicas({ x, y }, { batchSize: 128 });
      for (let r = 0; r < 3; r++) {
        const replicaOutputs = outputs.subarray(r * y.length, (r + 1) * y.length);
        expect(pick(evaluated[r]!)).toEqual(closeTo(scoresOf(replicaOutputs, y, labels)));
        for (let label = 0; label < labels; label++) {
          const { counts } = await confusionMatrix(model, { x, y }, { replica: r, label, batchSize: 128 });
          const count = (actual: number, predicted: number) =>
            y.filter(
              (target, i) =>
                i % labels === label && target === actual && Number(replicaOutputs[i]! > 0.5) === predicted,
            ).length;
          expect(counts).toEqual([0, 1].map((actual) => [count(actual, 0), count(actual, 1)]));
        }
      }
    });
  });

  test('sigmoid pixels of a convolution lose no gradient: the loss uses the logits', async () => {
    const layer = new Conv2D({
      filters: 1,
      kernelSize: 1,
      activation: 'sigmoid',
      kernelInitializer: 'ones',
      inputShape: [1, 1, 1],
    });
    using model = new Sequential([layer]).build(device).compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
    expect((await model.evaluate({ x: [60], y: [0] })).loss).toBeCloseTo(60, 4);
  });

  test('if targets are class numbers, or the last activation is a softmax, the largest output is the class', async () => {
    const x = [1, 0.9, -1, -1, 0.8, 1, -1, -0.5, -1];
    const build = (activation: 'sigmoid' | 'softmax', loss: LossName = 'binaryCrossentropy') =>
      new Sequential([new Dense({ units: 3, activation, kernelInitializer: diagonal, inputShape: [3] })])
        .build(device)
        .compile({ optimizer: 'sgd', loss, metrics: ['topK2', 'accuracy', 'recall'] });
    using sigmoids = build('sigmoid');
    using softmax = build('softmax');
    using overClasses = build('sigmoid', 'categoricalCrossentropy');
    const expected = { accuracy: expect.closeTo(2 / 3, 12), recall: 0.5, topK2: 1 };
    expect(await sigmoids.evaluate({ x, y: [0, 2, 2] })).toMatchObject(expected);
    expect(await sigmoids.evaluate(() => [{ x, y: [0, 2, 2] }])).toMatchObject(expected);
    expect((await confusionMatrix(sigmoids, () => [{ x, y: [0, 2, 2] }])).counts[2]).toEqual([0, 1, 1]);
    expect(await softmax.evaluate({ x, y: [0, 2, 2] })).toMatchObject(expected);
    expect(await softmax.evaluate({ x, y: [1, 0, 0, 0, 0, 1, 0, 0, 1] })).toMatchObject(expected);
    expect(await overClasses.evaluate({ x, y: [1, 0, 0, 0, 0, 1, 0, 0, 1] })).toMatchObject(expected);
    await sigmoids.fit({ x, y: [0, 2, 2] }, { classWeight: { 2: 3 } });
    expect((await confusionMatrix(sigmoids, { x, y: [0, 1, 2] })).total).toBe(3);
    await expect(confusionMatrix(sigmoids, { x, y: [0, 1, 2] }, { label: 0 })).rejects.toThrow(/label is for rows/);
  });

  test('throws where a single class for each sample is needed', async () => {
    const build = (metrics: MetricName[] = []) =>
      new Sequential([new Dense({ units: 3, activation: 'sigmoid', inputShape: [1] })])
        .build(device)
        .compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics });
    const data = { x: [1, 2], y: [0, 1, 1, 0, 0, 1] };
    using plain = build();
    using top = build(['topK2']);
    for (const rows of [data, () => [data]]) {
      const weighed = plain.fit(rows, { classWeight: { 1: 2 } });
      await expect(weighed).rejects.toThrow(ArgumentError);
      await expect(weighed).rejects.toThrow(/^fit: classWeight .*3 independent labels.*give class numbers as y/);
      await expect(top.fit(rows)).rejects.toThrow(/^fit: topK2 .*3 independent labels/);
      await expect(top.evaluate(rows)).rejects.toThrow(/^evaluate: topK2 .*3 independent labels/);
      for (const label of [undefined, 3, -1, 0.5]) {
        const matrix = confusionMatrix(plain, rows, label === undefined ? {} : { label });
        await expect(matrix).rejects.toThrow(/^confusionMatrix: .*label` must be an integer from 0 to 2, but is/);
      }
    }
    const weighed = plain.trainOnBatch(data.x, data.y, { classWeight: [1, 2] });
    await expect(weighed).rejects.toThrow(/^trainOnBatch: classWeight .*independent/);
    const pixels = new Sequential([
      new Conv2D({ filters: 2, kernelSize: 1, activation: 'sigmoid', inputShape: [2, 2, 1] }),
    ]);
    expect(() => pixels.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics: ['topK2'] })).toThrow(
      /compile: topK2 needs a model that ends in \[classes\]/,
    );
  });
});
