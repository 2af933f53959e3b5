import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  Adam,
  ArgumentError,
  ArrayLoader,
  type Callback,
  DisposedError,
  decodeWeights,
  EarlyStopping,
  encodeWeights,
  type FitOptions,
  loadWeights,
  ModelCheckpoint,
  profileStep,
  type Sequential,
  saveWeights,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { build, points, sigmoid, weightsOf } from '../support/points.ts';

// Two trainings of one model at once would mix their steps: the second throws, and the first continues undisturbed.

describeOnDevice('one training of a model at a time', (device) => {
  const { x, labels: y } = points();
  const data = { x, y };
  const options: FitOptions = { epochs: 3, batchSize: 10, seed: 2 };

  /** Results of one undisturbed training. */
  async function alone() {
    using model = build(device, sigmoid());
    const { epochs } = await model.fit(data, options);
    return { losses: epochs.map(({ loss }) => loss), weights: await weightsOf(model) };
  }

  const changes: [what: string, change: (model: Sequential, file: { bytes: Uint8Array; path: string }) => unknown][] = [
    ['fit', (model) => model.fit(data, options)],
    ['fit with another number of replicas', (model) => model.fit(data, { ...options, replicas: 2 })],
    ['trainOnBatch', (model) => model.trainOnBatch(x, y)],
    ['compile', (model) => model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' })],
    ['replicate', (model) => model.replicate(2)],
    ['loadWeights', (model, { path }) => loadWeights(model, path)],
    ['decodeWeights', (model, { bytes }) => decodeWeights(model, bytes)],
    [
      'profileStep',
      async (model) => {
        using loader = new ArrayLoader(device, { x, y, shape: [2], classes: 2 });
        await profileStep(model, loader);
      },
    ],
  ];

  async function files() {
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-one-training-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    using other = build(device, sigmoid(), {}, 77);
    const path = join(folder, 'weights');
    await saveWeights(other, path);
    return { bytes: await encodeWeights(other), path };
  }

  const errorOf = async (call: () => unknown): Promise<unknown> => {
    try {
      await call();
    } catch (error) {
      return error;
    }
    return null;
  };

  test.each(changes)('%s during fit throws at once, and fit trains as if alone', async (_, change) => {
    const expected = await alone();
    const file = await files();
    using model = build(device, sigmoid());
    const training = model.fit(data, options);
    const error = await errorOf(() => change(model, file));
    const { epochs } = await training;
    expect(error).toBeInstanceOf(ArgumentError);
    expect(String(error)).toMatch(/is being trained by fit/);
    expect({ losses: epochs.map(({ loss }) => loss), weights: await weightsOf(model) }).toEqual(expected);
    // Afterwards everything can be used again.
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
    await change(model, file);
  });

  test.each(
    (['onTrainBegin', 'onEpochBegin', 'onEpochEnd', 'onTrainEnd', 'onSteps'] as const).flatMap((hook) =>
      // profileStep takes seconds.
      changes.flatMap(([what, change]) => (what === 'profileStep' ? [] : [[what, hook, change] as const])),
    ),
  )('%s within %s throws', async (_, hook, change) => {
    const expected = await alone();
    const file = await files();
    using model = build(device, sigmoid());
    const errors: unknown[] = [];
    const callback: Callback = {
      everySteps: 1,
      [hook]: async () => void errors.push(await errorOf(() => change(model, file))),
    };
    const { epochs } = await model.fit(data, { ...options, callbacks: [callback] });
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect(error).toBeInstanceOf(ArgumentError);
    expect({ losses: epochs.map(({ loss }) => loss), weights: await weightsOf(model) }).toEqual(expected);
  });

  test('compile and fit throw if two models share one optimizer', async () => {
    const expected = await alone();
    const optimizer = new Adam({ learningRate: 0.05 });
    using first = build(device, sigmoid(), { optimizer });
    using second = build(device, sigmoid(), { optimizer });
    const training = first.fit(data, options);
    await expect(second.fit(data, options)).rejects.toThrow(/optimizer is in use by a running training/);
    const compile = () => second.compile({ optimizer, loss: 'binaryCrossentropy' });
    expect(compile).toThrow(ArgumentError);
    expect(compile).toThrow(/optimizer is in use by a running training/);
    await training;
    expect(await weightsOf(first)).toEqual(expected.weights);
    // It still belongs to the first model, and the error says so.
    await expect(second.fit(data, options)).rejects.toThrow(/already belongs to another model/);
  });

  test('a callback with state can be used in one training at a time', async () => {
    const early = new EarlyStopping({ monitor: 'loss' });
    using first = build(device, sigmoid());
    using second = build(device, sigmoid());
    const training = first.fit(data, { ...options, callbacks: [early] });
    await expect(second.fit(data, { ...options, callbacks: [early] })).rejects.toThrow(/EarlyStopping is in use by/);
    await training;
    await second.fit(data, { ...options, callbacks: [early] });
  });

  test('two models can be trained at once, one of them within a callback of the other', async () => {
    const expected = await alone();
    using first = build(device, sigmoid());
    using second = build(device, sigmoid());
    using third = build(device, sigmoid());
    const callbacks: Callback[] = [
      { onEpochEnd: async () => void (await third.fit(data, { epochs: 1, batchSize: 10 })) },
    ];
    await Promise.all([first.fit(data, { ...options, callbacks }), second.fit(data, options)]);
    for (const model of [first, second]) expect(await weightsOf(model)).toEqual(expected.weights);
  });

  test('reading within a callback is allowed and changes nothing', async () => {
    const expected = await alone();
    const { path } = await files();
    using model = build(device, sigmoid());
    const reading: Callback = {
      async onEpochEnd() {
        await model.evaluate(data);
        await model.predict(x);
        await model.testOnBatch(x, y);
      },
    };
    const callbacks = [reading, new ModelCheckpoint({ path })];
    await model.fit(data, { ...options, callbacks });
    expect(await weightsOf(model)).toEqual(expected.weights);
  });

  test('a model can be trained again after a training failed or was refused', async () => {
    using model = build(device, sigmoid());
    const failing: Callback = {
      onEpochEnd() {
        throw new RangeError('of the callback');
      },
    };
    await expect(model.fit(data, { callbacks: [failing] })).rejects.toThrow(RangeError);
    await expect(model.fit(data, { classWeight: { 7: 1 } })).rejects.toThrow(/class 7/);
    await expect(model.fit(data, { callbacks: [{ everySteps: 0, onSteps() {} }] })).rejects.toThrow(/everySteps/);
    expect((await model.fit(data)).epochs).toHaveLength(1);
    await model.trainOnBatch(x, y);
  });

  test.each(['onEpochBegin', 'onEpochEnd', 'onSteps'] as const)(
    'dispose within %s: fit throws a typed error',
    async (hook) => {
      const model = build(device, sigmoid());
      const callback: Callback = { everySteps: 1, [hook]: () => model.dispose() };
      await expect(model.fit(data, { ...options, callbacks: [callback] })).rejects.toThrow(DisposedError);
    },
  );
});
