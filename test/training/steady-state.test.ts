import { expect, test } from 'vitest';
import {
  Adam,
  Conv2D,
  type Counters,
  Dense,
  type Device,
  EarlyStopping,
  Flatten,
  ImageLoader,
  LearningRateScheduler,
  MaxPooling2D,
  openDevice,
  RMSprop,
  Sequential,
  schedules,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const SIZE = 22;

/** A compiled model with its data. `furnished` adds penalties, clipping, a schedule and a frozen layer in the middle. */
function build(device: Device, furnished = false): { model: Sequential; loader: ImageLoader; dispose(): void } {
  const loader = new ImageLoader(device, drawImages(SIZE, { shape: [8, 8, 1], classes: 3 }));
  const kernelRegularizer = furnished ? 'l2' : undefined;
  const model = new Sequential([
    new Conv2D({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1], kernelRegularizer }),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: 5, activation: 'relu', trainable: !furnished }),
    new Dense({ units: 3, activation: 'softmax' }),
  ]);
  const optimizer = furnished
    ? new RMSprop({ momentum: 0.9, globalClipNorm: 1, learningRate: schedules.warmUp({ steps: 4, target: 0.01 }) })
    : new Adam();
  model.build(device).compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
  const dispose = () => {
    model.dispose();
    loader.dispose();
  };
  return { model, loader, dispose };
}

/** The difference of two readings of the device's counters. */
function difference(after: Counters, before: Counters): Counters {
  const keys = Object.keys(after) as (keyof Counters)[];
  return Object.fromEntries(keys.map((key) => [key, after[key] - before[key]])) as unknown as Counters;
}

/** The counters of each epoch of a training, in which no callback reads anything back. */
async function epochs(device: Device, batchSize: number, shuffle: boolean, furnished = false): Promise<Counters[]> {
  const { model, loader, dispose } = build(device, furnished);
  const moments: Counters[] = [];
  const note = () => {
    moments.push({ ...device.counters });
  };
  await model.fit(loader, { epochs: 4, batchSize, shuffle, callbacks: [{ onTrainBegin: note, onEpochEnd: note }] });
  dispose();
  return moments.slice(1).map((after, i) => difference(after, moments[i]!));
}

const CREATES_NOTHING = { pipelinesCreated: 0, bindGroupsCreated: 0, buffersCreated: 0, bytesAllocated: 0 };
const TOTALS = 40;
const STEP_STATE = 32;

describeOnDevice('in steady state', (device) => {
  test.each([
    { batchSize: 11, shuffle: true, steps: 2 },
    // 22 = 8 + 8 + 6: the short batch has a separate program.
    { batchSize: 8, shuffle: true, steps: 3 },
    { batchSize: 8, shuffle: false, steps: 3 },
    { batchSize: 22, shuffle: true, steps: 1 },
    { batchSize: 8, shuffle: true, steps: 3, furnished: true },
  ])(
    'an epoch creates nothing and has at most one submit for each step: $batchSize, shuffled $shuffle, furnished $furnished',
    async (settings) => {
      const { batchSize, shuffle, steps, furnished = false } = settings;
      const [first, ...later] = await epochs(device, batchSize, shuffle, furnished);
      expect(first!.bindGroupsCreated).toBeGreaterThan(0);
      for (const epoch of later) {
        const { submits, ...rest } = epoch;
        expect(submits).toBeGreaterThan(0);
        expect(submits).toBeLessThanOrEqual(steps + 1); // with the copy of the totals at the end; short steps share a submit
        expect(rest).toEqual({
          ...CREATES_NOTHING,
          dispatches: first!.dispatches,
          bytesUploaded: steps * STEP_STATE + TOTALS + (shuffle ? 4 * SIZE : 0),
          bytesReadBack: TOTALS,
          readBacks: 1,
        });
      }
      // The first epoch differs only by the objects that it creates.
      expect(first).toMatchObject({ readBacks: 1, bytesReadBack: TOTALS });
    },
  );

  test('an epoch with a split, class weights, metrics and saved best weights creates nothing, and has one more read-back for the split', async () => {
    const { model, loader, dispose } = build(device);
    const loss = 'sparseCategoricalCrossentropy';
    model.compile({ optimizer: 'adam', loss, metrics: ['topK2', 'precision', 'f1'] });
    const moments: Counters[] = [];
    const note = { onEpochEnd: () => void moments.push({ ...device.counters }) };
    // The learning rate decreases, so every epoch is the best so far.
    const falling = new LearningRateScheduler((epoch) => 0.01 / (epoch + 1));
    const early = new EarlyStopping({ monitor: 'learningRate', restoreBestWeights: true });
    await model.fit(loader, {
      epochs: 4,
      batchSize: 8,
      validationSplit: 0.25, // leaves 16 of 22
      classWeight: { 1: 2 },
      callbacks: [falling, early, note],
    });
    dispose();
    expect(early.bestEpoch).toBe(4);
    const counts = 256 + 4 * (1 + 9); // topK2 and a matrix of three classes, after the sums
    const epoch = difference(moments[3]!, moments[2]!);
    expect(epoch.submits).toBeLessThanOrEqual(2 + 1 + 2 + 1); // training, validation, read-backs, the copy of the weights
    expect(epoch).toMatchObject({
      ...CREATES_NOTHING,
      readBacks: 2,
      bytesReadBack: 2 * counts,
    });
  });

  test('every step of an epoch dispatches the same kernels', async () => {
    const [two, one] = [await epochs(device, 11, true), await epochs(device, 22, true)];
    expect(two[1]!.dispatches).toBe(2 * one[1]!.dispatches);
  });

  test('progress adds only its own read-backs', async () => {
    const { model, loader, dispose } = build(device);
    const moments: Counters[] = [];
    let calls = 0;
    const progress = {
      onBatchEnd() {
        calls++;
      },
      onEpochEnd() {
        moments.push({ ...device.counters });
      },
    };
    await model.fit(loader, { epochs: 3, batchSize: 8, callbacks: [progress] });
    dispose();
    const { submits, readBacks } = difference(moments[2]!, moments[0]!);
    expect(readBacks).toBeGreaterThanOrEqual(2);
    expect(readBacks).toBeLessThanOrEqual(2 + calls);
    expect(submits).toBeLessThanOrEqual(2 * 3 + readBacks);
  });

  test('evaluate and predict read back once', async () => {
    const { model, loader, dispose } = build(device);
    for (const method of ['evaluate', 'predict'] as const) {
      device.flush(); // pending commands of building the model
      const before = { ...device.counters };
      await model[method](loader, { batchSize: 8 });
      const { readBacks, submits } = difference(device.counters, before);
      expect(readBacks, method).toBe(1);
      expect(submits, method).toBeLessThanOrEqual(3 + 1);
    }
    dispose();
  });
});

describeOnDevice('memory', () => {
  test.each([false, true])('does not grow over calls; furnished %s', async (furnished) => {
    using device = await openDevice();
    const { model, loader, dispose } = build(device, furnished);
    const round = async () => {
      await model.fit(loader, { epochs: 2, batchSize: 8, validationData: loader });
      await model.evaluate(loader, { batchSize: 7 });
      await model.predict(loader, { batchSize: 5 });
      return device.counters.bytesAllocated;
    };
    await round(); // creates the programs that evaluate and predict keep
    const before = await round();
    const { pipelinesCreated } = device.counters;
    for (let k = 0; k < 3; k++) expect(await round()).toBe(before);
    expect(device.counters.pipelinesCreated).toBe(pipelinesCreated);
    dispose();
  });

  test("a program's buffers are released after the call; those of a model and its data are used by the next", async () => {
    using device = await openDevice();
    const first = build(device);
    await first.model.fit(first.loader, { batchSize: 8 });
    // Only the pool's buffers are left; those of a training step would be larger.
    const heldBytes = device.counters.bytesAllocated;
    const parameters = first.model.parameters.values.size;
    expect(heldBytes).toBeLessThan(SIZE * 64 + 4 * 4 * parameters + 8 * 1024);
    first.dispose();
    expect(device.counters.bytesAllocated).toBe(heldBytes);
    const second = build(device);
    await second.model.fit(second.loader, { batchSize: 8 });
    expect(device.counters.bytesAllocated).toBe(heldBytes);
    second.dispose();
  });

  test('two models have separate memory', async () => {
    using device = await openDevice();
    const first = build(device);
    const heldBytes = device.counters.bytesAllocated;
    const second = build(device);
    expect(device.counters.bytesAllocated).toBe(2 * heldBytes);
    first.dispose();
    second.dispose();
  });
});
