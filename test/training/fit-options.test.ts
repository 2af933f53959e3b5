import { expect, test } from 'vitest';
import { AbortedError, type Arrays, type CompileOptions, Dense, type Layer, SGD } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { build, points, SIZE, sigmoid, softmax, weightsOf } from '../support/points.ts';

describeOnDevice('splits, weights and epochs', (device) => {
  const { x, labels: y } = points();

  test('validationSplit: evaluates the last samples in stored order, and trains on the others', async () => {
    const options = { epochs: 2, batchSize: 8, seed: 4 };
    using split = build(device, sigmoid());
    using apart = build(device, sigmoid());
    // As Keras counts: floor(40 * (1 - 0.26)) = 29.
    const training = { x: x.slice(0, 58), y: y.slice(0, 29) };
    const validation = { x: x.slice(58), y: y.slice(29) };
    const bySplit = await split.fit({ x, y }, { ...options, validationSplit: 0.26 });
    const byHand = await apart.fit(training, { ...options, validationData: validation });
    const metricsOf = ({ loss, accuracy, valLoss, valAccuracy }: Record<string, number | undefined>) => [
      loss,
      accuracy,
      valLoss,
      valAccuracy,
    ];
    expect(bySplit.epochs.map(metricsOf)).toEqual(byHand.epochs.map(metricsOf));
    expect(await weightsOf(split)).toEqual(await weightsOf(apart));
    expect(bySplit.epochs[1]!.valLoss).toBeCloseTo((await split.evaluate(validation)).loss, 6);
  });

  test('validationData has priority over validationSplit', async () => {
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
  ])('classWeight with %s: mean of weighted losses, divided by the number of samples', async (_what, compile, last) => {
    const part = (label: number) => {
      const which = y.flatMap((sampleLabel, i) => (sampleLabel === label ? [i] : []));
      return { x: which.map((i) => [x[2 * i]!, x[2 * i + 1]!]), y: which.map(() => label) };
    };
    using model = build(device, last(), { ...compile, optimizer: new SGD({ learningRate: 1e-30 }) });
    const [zeros, ones] = [part(0), part(1)];
    const [ofZeros, ofOnes] = [await model.evaluate(zeros), await model.evaluate(ones)];
    const expected = (ofZeros.loss * zeros.y.length + 3 * ofOnes.loss * ones.y.length) / SIZE;
    const { epochs } = await model.fit({ x, y }, { batchSize: SIZE, classWeight, validationData: { x, y } });
    expect(epochs[0]!.loss).toBeCloseTo(expected, 5);
    // Validation and accuracy do not use weights.
    expect(epochs[0]!.valLoss).toBeCloseTo((await model.evaluate({ x, y })).loss, 5);
    expect(epochs[0]!.accuracy).toBe(epochs[0]!.valAccuracy);
  });

  test('sampleWeight: a sample of weight 2 has the gradient of two samples', async () => {
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

  test('initialEpoch: continues an earlier call with the same bits', async () => {
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

  test('stopTraining: a callback ends training; the next fit trains again', async () => {
    using model = build(device, sigmoid());
    const stop = {
      onEpochEnd({ epoch }: { epoch: number }) {
        model.stopTraining = epoch === 2;
      },
    };
    expect((await model.fit({ x, y }, { epochs: 9, callbacks: [stop] })).epochs).toHaveLength(2);
    // Setting it after the end has no effect.
    const late = new AbortController();
    const both = {
      onEpochEnd() {
        model.stopTraining = true;
        late.abort();
      },
    };
    const ended = await model.fit({ x, y }, { epochs: 9, callbacks: [both], signal: late.signal });
    expect([ended.epochs.length, ended.interrupted]).toEqual([1, false]);
    model.stopTraining = true;
    const { epochs, interrupted } = await model.fit({ x, y }, { epochs: 3 });
    expect([epochs.length, interrupted]).toEqual([3, false]);
  });

  test('stepsPerEpoch: a stream continues from epoch to epoch, and is closed at the end', async () => {
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
    // A function starts the stream again.
    await model.fit(endless, { epochs: 3, stepsPerEpoch: 4 });
    expect([drawn, closed]).toEqual([24, 4]);
    // The batches of a list are spread over the epochs, until there are no more.
    const list = Array.from({ length: 5 }, () => ({ x, y })).values();
    await expect(model.fit(list, { epochs: 3, stepsPerEpoch: 2 })).rejects.toThrow(
      /after 1 batches .*stepsPerEpoch is 2/,
    );
  });

  test('validation arrays of a training on a stream have a separate batch size', async () => {
    using model = build(device, sigmoid());
    const { epochs } = await model.fit(() => [{ x, y }], { validationData: { x, y } });
    expect(epochs[0]!.valLoss).toBeCloseTo((await model.evaluate({ x, y })).loss, 6);
  });

  test('signal: ends training on an endless stream', async () => {
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

  test('signal: ends waiting for a stream, in training and in validation', async () => {
    using model = build(device, sigmoid());
    const stalledStream = (stop: AbortController) =>
      async function* (): AsyncGenerator<Arrays> {
        yield { x, y };
        setTimeout(() => stop.abort());
        await new Promise(() => {}); // for good
      };
    const [training, validating, evaluating] = [0, 1, 2].map(() => new AbortController()) as AbortController[];
    const trained = await model.fit(stalledStream(training!), { signal: training!.signal });
    expect([trained.epochs.length, trained.interrupted]).toEqual([0, true]);
    const validationData = stalledStream(validating!);
    const validated = await model.fit({ x, y }, { validationData, signal: validating!.signal });
    expect([validated.epochs.length, validated.interrupted]).toEqual([0, true]);
    const { signal } = evaluating!;
    await expect(model.evaluate(stalledStream(evaluating!), { signal })).rejects.toThrow(AbortedError);
  });
});
