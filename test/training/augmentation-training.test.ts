import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  ArrayLoader,
  BackupAndRestore,
  type CallOptions,
  type Counters,
  Dense,
  Flatten,
  ImageLoader,
  type Layer,
  type Model,
  modelConfig,
  modelFromConfig,
  RandomContrast,
  RandomCrop,
  RandomErasing,
  RandomFlip,
  RandomRotation,
  RandomTranslation,
  RandomZoom,
  Sequential,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { resize } from '../reference/resize.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { drawLike } from '../support/operator-cases.ts';

const SHAPE: [number, number, number] = [8, 9, 3];
const SIZE = 22;
const images = drawImages(SIZE, { shape: SHAPE, classes: 3 });

/** All random layers, one after another. */
const chain = (): Layer[] => [
  new RandomFlip({ inputShape: SHAPE }),
  new RandomTranslation({ heightFactor: 0.2, widthFactor: 0.2 }),
  new RandomRotation({ factor: 0.1, fillMode: 'constant' }),
  new RandomZoom({ heightFactor: 0.2, fillMode: 'nearest' }),
  new RandomContrast({ factor: 0.3, valueRange: [0, 1] }),
  new RandomErasing({ factor: [1, 1], valueRange: [0, 1] }),
  new RandomCrop({ height: 6, width: 6 }),
];
const network = () => new Sequential([...chain(), new Flatten(), new Dense({ units: 3, activation: 'softmax' })]);

const folder = mkdtempSync(join(tmpdir(), 'tilegrad-augmentation-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeOnDevice('models with random layers of images', (device) => {
  const buildCompiled = (seed = 1, replicas = 1) =>
    network().build(device, { seed, replicas }).compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
  const weightsOf = async (model: Model) => Promise.all(model.weights.map(({ tensor }) => tensor.data()));
  const drawBatch = (batch: number, shape: readonly number[] = SHAPE) => {
    const data = drawLike([batch, ...shape], 5).data.map((value) => Math.fround(Math.abs(value) / 4));
    return { data, input: tensor(device, data, [batch, ...shape]) };
  };
  async function callModel(model: Model, input: Tensor, options: CallOptions): Promise<ArrayLike<number>> {
    const y = model.call(input, options);
    const data = await y.data();
    if (y !== input) y.dispose(); // a model that changes nothing returns its input
    return data;
  }

  test('evaluate and predict do not augment', async () => {
    const { data, input } = drawBatch(3);
    const model = new Sequential(chain().slice(0, -1)).build(device);
    expectSameBits(await callModel(model, input, {}), data);
    expectSameBits(await callModel(model, input, { training: false, seed: 3, step: 9 }), data);
    expect(await callModel(model, input, { training: true })).not.toEqual(Float32Array.from(data));
    input.dispose();
    model.dispose();
    using whole = buildCompiled();
    const x = Float32Array.from(images.images, (value) => value / 255);
    const [first, second] = [await whole.predict(x), await whole.predict(x)];
    expect(first).toEqual(second);
    const arrays = { x, y: Array.from(images.labels) };
    expect(await whole.evaluate(arrays)).toEqual(await whole.evaluate(arrays));
  });

  test('RandomCrop: outside training, takes the largest centered window of its aspect ratio, resized', async () => {
    const sizes = [[8, 9, 4, 4], [8, 9, 8, 9], [9, 4, 3, 2], [5, 12, 1, 6], [7, 7, 7, 3]] as const; // biome-ignore format: as rows
    for (const [h, w, height, width] of sizes) {
      const { data, input } = drawBatch(2, [h, w, 3]);
      const model = new Sequential([new RandomCrop({ height, width, inputShape: [h, w, 3] })]).build(device);
      // The largest rows x columns of the image with rows / columns = height / width, but for a fraction of a pixel.
      const share = Math.min(h / height, w / width);
      const [rows, columns] = [Math.floor(height * share + 1e-9), Math.floor(width * share + 1e-9)];
      const [top, left] = [Math.floor((h - rows) / 2), Math.floor((w - columns) / 2)];
      const window = { shape: [2, rows, columns, 3], data: new Float64Array(2 * rows * columns * 3) };
      for (let i = 0; i < window.data.length; i++) {
        const [c, column, row] = [i % 3, Math.floor(i / 3) % columns, Math.floor(i / 3 / columns) % rows];
        const n = Math.floor(i / 3 / columns / rows);
        window.data[i] = data[((n * h + top + row) * w + left + column) * 3 + c]!;
      }
      const expected = resize.forward([window], { size: [height, width] });
      expectClose(
        await callModel(model, input, {}),
        expected.data,
        { rtol: 2e-6 },
        `${h} x ${w} to ${height} x ${width}`,
      );
      model.dispose();
      input.dispose();
    }
  });

  test('random numbers depend on seed, step and index; a factor of 0 draws none', async () => {
    const { data, input } = drawBatch(3);
    using model = new Sequential(chain()).build(device);
    const context = { training: true, seed: 3, step: 9 };
    const first = await callModel(model, input, context);
    expectSameBits(await callModel(model, input, context), first);
    for (const other of [{ seed: 4 }, { step: 10 }]) {
      expect(await callModel(model, input, { ...context, ...other })).not.toEqual(first);
    }
    // Two layers of one kind draw different numbers; with the same seed they draw the same, at any position.
    const shift = (seed?: number) =>
      new RandomTranslation({ heightFactor: 0, widthFactor: 0.4, fillMode: 'wrap', seed, inputShape: SHAPE });
    using twice = new Sequential([shift(), shift()]).build(device);
    using alone = new Sequential([shift(8)]).build(device);
    using later = new Sequential([new RandomFlip({ mode: 'vertical', inputShape: SHAPE }), shift(8)]).build(device);
    using still = new Sequential([new RandomFlip({ mode: 'vertical', inputShape: SHAPE })]).build(device);
    const once = new Sequential([shift()]).build(device);
    using between = once.call(input, context);
    expect(await callModel(once, between, context)).not.toEqual(await callModel(twice, input, context));
    using flipped = still.call(input, context);
    expectSameBits(await callModel(later, input, context), await callModel(alone, flipped, context));
    once.dispose();
    const nothing = [
      new RandomRotation({ factor: 0, inputShape: SHAPE }),
      new RandomZoom({ heightFactor: 0, widthFactor: [0, 0] }),
      new RandomTranslation({ heightFactor: 0, widthFactor: 0 }),
      new RandomContrast({ factor: [0, 0] }),
      new RandomErasing({ factor: 0 }),
    ];
    expect(nothing.map(({ deterministic }) => deterministic)).toEqual([true, true, true, true, true]);
    expect(chain().some(({ deterministic }) => deterministic)).toBe(false);
    using idle = new Sequential(nothing).build(device);
    expectSameBits(await callModel(idle, input, context), data);
    input.dispose();
  });

  test('a replica has the bits of a separate training, for any number of replicas', async () => {
    using loader = new ImageLoader(device, images);
    const trainModel = async (seed: number, replicas: number) => {
      using model = buildCompiled(seed, replicas);
      await model.fit(loader, { epochs: 2, batchSize: 8, seed, replicas });
      return weightsOf(model);
    };
    const alone = [await trainModel(6, 1), await trainModel(7, 1), await trainModel(8, 1)];
    expect(alone[0]![0]).not.toEqual(alone[1]![0]);
    for (const replicas of [2, 3]) {
      for (const [i, weights] of (await trainModel(6, replicas)).entries()) {
        const size = weights.length / replicas;
        for (let r = 0; r < replicas; r++) {
          const replicaWeights = Array.from(weights).slice(r * size, (r + 1) * size);
          expectSameBits(replicaWeights, alone[r]![i]!, `weight ${i} of replica ${r} of ${replicas}`);
        }
      }
    }
  });

  test('a recorded step draws the same as single steps', async () => {
    const x = Float32Array.from(images.images, (value) => value / 256);
    const y = Array.from(images.labels);
    using loader = new ArrayLoader(device, { x, y, shape: SHAPE, classes: 3 });
    using fitted = buildCompiled();
    await fitted.fit(loader, { epochs: 3, batchSize: SIZE, shuffle: false, seed: 5 });
    using single = buildCompiled();
    for (let step = 0; step < 3; step++) await single.trainOnBatch(x, y, { seed: 5 });
    const [a, b] = [await weightsOf(fitted), await weightsOf(single)];
    for (const [i, weights] of a.entries()) expectSameBits(b[i]!, weights);
  });

  test('in steady state an epoch creates nothing, and draws new numbers at each step', async () => {
    using model = buildCompiled();
    using loader = new ImageLoader(device, images);
    const moments: Counters[] = [];
    const note = () => void moments.push({ ...device.counters });
    const steps = 3; // 22 = 8 + 8 + 6
    await model.fit(loader, { epochs: 4, batchSize: 8, callbacks: [{ onTrainBegin: note, onEpochEnd: note }] });
    const rise = (key: keyof Counters) => moments.slice(1).map((after, i) => after[key] - moments[i]![key]);
    for (const key of ['pipelinesCreated', 'bindGroupsCreated', 'buffersCreated', 'bytesAllocated'] as const) {
      expect(rise(key).slice(1), key).toEqual([0, 0, 0]);
    }
    for (const submits of rise('submits').slice(1)) expect(submits).toBeLessThanOrEqual(steps + 1);
    expect(rise('readBacks').slice(1)).toEqual([1, 1, 1]);
  });

  test('a resumed training draws the same as an uninterrupted one', async () => {
    const train = async (path: string, stopAt?: number) => {
      using model = buildCompiled();
      using loader = new ImageLoader(device, images);
      const abort = new AbortController();
      let steps = 0;
      const stop = {
        onSafePoint: () => {
          if (++steps === stopAt) abort.abort();
        },
      };
      const backup = new BackupAndRestore({ path: join(folder, path), saveFreq: 1 });
      const callbacks = [backup, stop];
      await model.fit(loader, { epochs: 3, batchSize: 8, seed: 3, callbacks, signal: abort.signal });
      return { steps, from: backup.resumedFrom, weights: await weightsOf(model) };
    };
    const whole = await train('whole');
    const first = await train('cut', 4);
    expect(first.steps).toBeLessThan(whole.steps);
    const rest = await train('cut');
    expect(rest.from).not.toBeNull();
    for (const [i, weights] of whole.weights.entries()) expectSameBits(rest.weights[i]!, weights);
  });

  test('models of floats train with them; summary and files include them', async () => {
    const y = Array.from(images.labels);
    using loader = new ArrayLoader(device, {
      x: Float32Array.from(images.images, (v) => v / 255),
      y,
      shape: SHAPE,
      classes: 3,
    });
    using model = buildCompiled();
    const { epochs } = await model.fit(loader, { epochs: 2, batchSize: 8 });
    expect(epochs.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    for (const layer of chain()) expect(model.summary()).toContain(`(${layer.kind})`);
    const restored = modelFromConfig(JSON.parse(JSON.stringify(modelConfig(model))));
    expect(restored.summary()).toBe(model.summary());
    const { input } = drawBatch(4);
    using fresh = network().build(device, { seed: 2 });
    const context = { training: true, seed: 1, step: 3 };
    expectSameBits(
      await callModel(restored.build(device, { seed: 2 }), input, context),
      await callModel(fresh, input, context),
    );
    input.dispose();
    restored.dispose();
  });

  test('dispatches that are cut have the same bits', async () => {
    const { input } = drawBatch(70);
    using model = new Sequential(chain()).build(device);
    const context = { training: true, seed: 3, step: 9 };
    const whole = await callModel(model, input, context);
    const before = device.counters.dispatches;
    const { maxDispatchCost } = device.budget;
    device.budget.maxDispatchCost = 1e6 / 2.5;
    const cut = await callModel(model, input, context).finally(() => {
      device.budget.maxDispatchCost = maxDispatchCost;
    });
    expect(device.counters.dispatches - before).toBeGreaterThan(20);
    expectSameBits(cut, whole);
    input.dispose();
  });
});
