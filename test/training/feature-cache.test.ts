import { afterEach, expect, test, vi } from 'vitest';
import { layerCalls } from '../../src/nn/graph/layer-calls.ts';
import {
  Activation,
  Add,
  BatchNormalization,
  type Callback,
  Conv2D,
  Dense,
  Dropout,
  EarlyStopping,
  type FitOptions,
  Flatten,
  GlobalAveragePooling2D,
  ImageLoader,
  input,
  type Layer,
  Model,
  mobileNetV2,
  OutOfMemoryError,
  openDevice,
  Rescaling,
  Resizing,
  type Sequential,
  Sequential as SequentialModel,
  type TrainingData,
} from '../../src/node.ts';
import { findCut } from '../../src/training/features/feature-cut.ts';
import { FeatureSource } from '../../src/training/features/feature-source.ts';
import { backupTrainings, Crash, crash } from '../support/backup-trainings.ts';
import { describeOnDevice } from '../support/device.ts';
import {
  bitsOf,
  compiled,
  extractor,
  head,
  images,
  layers,
  SHAPE,
  SIZE,
  withoutTimes,
} from '../support/frozen-network.ts';
import { replaceLimits } from '../support/limits.ts';
import { random } from '../support/random.ts';

describeOnDevice('cacheFeatures', (device) => {
  afterEach(() => vi.restoreAllMocks());

  interface Case {
    layers?: () => Layer[];
    loss?: 'meanSquaredError';
    fit?: FitOptions;
    data?: () => TrainingData & { dispose?(): void };
    prepare?: (model: Model) => void;
  }

  /** Losses, metrics and final weights of a training with the given option. */
  async function train(
    { layers: all = layers, loss, fit, data, prepare }: Case,
    cacheFeatures: FitOptions['cacheFeatures'],
  ) {
    using model = compiled(device, all(), loss ? { loss } : {});
    prepare?.(model);
    const samples = data?.() ?? new ImageLoader(device, images);
    const history = await model.fit(samples, { epochs: 3, batchSize: 8, seed: 5, ...fit, cacheFeatures });
    samples.dispose?.();
    return {
      logs: [history.epochs, ...history.replicas].map((logs) => logs.map(withoutTimes)),
      bits: await bitsOf(model),
    };
  }

  const numbers = random(8);
  const x = Array.from({ length: 13 }, () => Array.from({ length: 72 }, () => numbers.uniform()));
  const y = Array.from({ length: 13 }, () => [numbers.uniform(), numbers.uniform()]);

  const cases: Record<string, Case> = {
    'images, shuffled, with a short last batch': {},
    'images in their order': { fit: { shuffle: false } },
    'the last samples for validation': { fit: { validationSplit: 0.3, batchSize: 5 } },
    'validation data': { fit: { validationData: { x: x.flat(), y: x.map((_, i) => i % 3) } } },
    'numbers to be approached': {
      data: () => ({ x: x.flat(), y }),
      layers: () => [...layers().slice(0, 2), ...head(2)],
      loss: 'meanSquaredError',
    },
    'weights of classes': { fit: { classWeight: { 1: 3 } } },
    'three replicas of one model': {
      fit: { replicas: 3 },
      prepare: ({ parameters }) => {
        // as after loading weights: all replicas start with them
        parameters.hasInitialValues = false;
      },
    },
    'three replicas with different weights': { fit: { replicas: 3, validationSplit: 0.3 } },
    'features that a sum reads twice': {
      layers: () => {
        const x = input(SHAPE);
        const features = new Conv2D({ filters: 2, kernelSize: 3, padding: 'same', trainable: false }).apply(x);
        const conv = new Conv2D({ filters: 2, kernelSize: 1, activation: 'relu' }).apply(features);
        const outputs = new Add().apply([features, conv]);
        return [new Model({ inputs: x, outputs }), ...head()];
      },
    },
    'a beginning that ends inside a model, which ends in a softmax': {
      layers: () => {
        const dense = new Dense({ units: 4, activation: 'softmax', name: 'inner' });
        const inner = new SequentialModel([extractor(), new Flatten(), new Dropout(0.3), dense]);
        inner.layers[0]!.trainable = false;
        return [new Activation('tanh', { inputShape: SHAPE }), inner, new Dense({ units: 3, activation: 'softmax' })];
      },
    },
  };

  test.each(Object.entries(cases))('has the same bits as without it: %s', async (_, one) => {
    const without = await train(one, false);
    expect(await train(one, true)).toEqual(without);
    expect(await train(one, { adapterBytes: 0 })).toEqual(without);
  });

  test('features are the last output of the frozen layers, or a smaller one of the layers without weights after them', () => {
    const cutOf = (model: Sequential) => {
      model.build(device);
      const calls = layerCalls(model.graph);
      const { title, shape } = calls[findCut('test', calls, model.weights) - 1]!;
      model.dispose();
      return `${title} ${shape}`;
    };
    const net = (first: number) => {
      const whole = mobileNetV2({ includeTop: false, inputShape: [32, 32, 3], alpha: 0.35 });
      whole.trainable = false;
      for (const layer of whole.layers.slice(first)) layer.trainable = true;
      return whole;
    };
    const model = (features: Model, ...more: Layer[]) =>
      new SequentialModel([
        new Rescaling({ scale: 2, inputShape: [32, 32, 3] }),
        features,
        ...more,
        new Dense({ units: 2 }),
      ]);
    expect(cutOf(model(net(153), new GlobalAveragePooling2D({ name: 'mean' })))).toBe(
      'mean (GlobalAveragePooling2D) 1280',
    );
    expect(cutOf(model(net(153), new Flatten({ name: 'flat' })))).toBe('flat (Flatten) 1280');
    const larger = new Resizing({ height: 4, width: 4 });
    expect(cutOf(model(net(153), larger, new Flatten()))).toBe('mobilenetv2 (Functional): out_relu (ReLU) 1,1,1280');
    // From block_4_expand on, as in experiment B10. Within a block, the residual sum still needs the block's input.
    expect(cutOf(model(net(35), new Flatten()))).toBe(
      'mobilenetv2 (Functional): block_3_project_BN (BatchNormalization) 4,4,16',
    );
    expect(cutOf(model(net(40), new Flatten()))).toBe(
      'mobilenetv2 (Functional): block_3_project_BN (BatchNormalization) 4,4,16',
    );
  });

  test('three epochs call the frozen layers once, also for validation data', async () => {
    const dispatches = async (cacheFeatures: boolean) => {
      using model = compiled(device, layers());
      using loader = new ImageLoader(device, images);
      const epochs: number[] = [];
      let before = device.counters.dispatches;
      const note = () => {
        epochs.push(device.counters.dispatches - before);
        before = device.counters.dispatches;
      };
      const callbacks = [{ onEpochBegin: () => note(), onEpochEnd: () => note() }];
      await model.fit(loader, { epochs: 3, batchSize: 11, cacheFeatures, validationData: loader, callbacks });
      return { begin: epochs[0]!, each: [epochs[1], epochs[3], epochs[5]] };
    };
    const [without, cached] = [await dispatches(false), await dispatches(true)];
    // The frozen layers: two rescalings, two convolutions with their filter transforms, a batch norm, a ReLU, a sum, a mean.
    const saved = without.each[0]! - cached.each[0]!;
    expect(cached.each).toEqual([cached.each[0], cached.each[0], cached.each[0]]);
    // Two batches of training and two of validation, each with at least seven kernels, less the gather that remains.
    expect(saved).toBeGreaterThanOrEqual(4 * 7);
    // All features are computed once, before the first epoch.
    expect(cached.begin - without.begin).toBeGreaterThanOrEqual(saved);
    expect(cached.begin - without.begin).toBeLessThanOrEqual(saved + 4 * 3);
  });

  test.each([{ where: 'adapter' }, { where: 'host', adapterBytes: 0 }])(
    'later epochs create nothing, with one submit for each step: features on the $where',
    async ({ adapterBytes }) => {
      using model = compiled(device, layers());
      using loader = new ImageLoader(device, images);
      const moments: (typeof device.counters)[] = [];
      const note = () => void moments.push({ ...device.counters });
      const cacheFeatures = adapterBytes === undefined ? true : { adapterBytes };
      await model.fit(loader, { epochs: 4, batchSize: 8, cacheFeatures, callbacks: [{ onEpochEnd: note }] });
      for (let i = 2; i < 4; i++) {
        const spent = (name: keyof typeof device.counters) => moments[i]![name] - moments[i - 1]![name];
        for (const name of ['pipelinesCreated', 'bindGroupsCreated', 'buffersCreated', 'bytesAllocated'] as const) {
          expect(spent(name), name).toBe(0);
        }
        expect(spent('submits')).toBeLessThanOrEqual(3 + 1 + (adapterBytes === 0 ? 1 : 0));
        expect([spent('readBacks'), spent('bytesReadBack')]).toEqual([1, 40]);
        const features = adapterBytes === 0 ? 4 * 4 * SIZE : 0; // four numbers of each sample
        expect(spent('bytesUploaded')).toBe(3 * 32 + 40 + 4 * SIZE + features);
      }
    },
  );

  /** Calls `meanwhile` when memory for features is allocated. */
  function aroundAllocate(
    meanwhile: (source: FeatureSource, copies: number, where: 'adapter' | 'host') => Disposable | null,
  ) {
    const { allocate } = FeatureSource.prototype;
    vi.spyOn(FeatureSource.prototype, 'allocate').mockImplementation(function (this: FeatureSource, copies, where) {
      using _ = meanwhile(this, copies, where);
      allocate.call(this, copies, where);
    });
  }

  test('features of more samples than a buffer binds are in several buffers', async () => {
    const without = await train({}, false);
    const sources: FeatureSource[] = [];
    aroundAllocate((source) => {
      sources.push(source);
      return replaceLimits(device, { maxStorageBufferBindingSize: 4 * 4 * 5 }); // of four numbers each, five
    });
    const chunks: number[] = [];
    const { store } = FeatureSource.prototype;
    vi.spyOn(FeatureSource.prototype, 'store').mockImplementation(function (this: FeatureSource, batch, first) {
      chunks.push((this as unknown as { stored: { chunks: unknown[] } }).stored.chunks.length);
      return store.call(this, batch, first);
    });
    expect(await train({}, true)).toEqual(without);
    expect([sources.length, chunks]).toEqual([1, [5, 5, 5]]);
  });

  test('replicas share the features of equal weights, and have separate ones otherwise', async () => {
    const copies: number[] = [];
    aroundAllocate((_, count) => {
      copies.push(count);
      return null;
    });
    await train(cases['three replicas of one model']!, true);
    await train(cases['three replicas with different weights']!, true);
    expect(copies).toEqual([1, 3, 3]);
  });

  test('if the adapter has no memory for the features, they stay on the host', async () => {
    const without = await train({}, false);
    const locations: string[] = [];
    aroundAllocate((_source, _copies, where) => {
      locations.push(where);
      if (where === 'adapter') throw new OutOfMemoryError('none left');
      return null;
    });
    expect(await train({}, true)).toEqual(without);
    expect(locations).toEqual(['adapter', 'host']);
  });

  test('onFeatures reports progress; an error in it ends training', async () => {
    vi.spyOn(performance, 'now').mockImplementation(
      (
        (clock) => () =>
          (clock += 1000)
      )(0),
    );
    const heard: string[] = [];
    const callbacks: Callback[] = [
      {
        onTrainBegin: () => void heard.push('begin'),
        onFeatures: ({ samples, samplesTotal }) => void heard.push(`${samples}/${samplesTotal}`),
        onEpochBegin: () => void heard.push('epoch'),
      },
    ];
    await train({ fit: { epochs: 1, validationSplit: 0.25, callbacks } }, true);
    // Of 22 samples, 16 are trained on in two batches, and 6 are evaluated in one.
    expect(heard).toEqual(['begin', '8/22', '16/22', '22/22', 'epoch']);
    const fails = () => {
      throw new RangeError('of the callback');
    };
    await expect(train({ fit: { callbacks: [{ onFeatures: fails }] } }, true)).rejects.toThrow(RangeError);
    heard.length = 0;
    await train({ fit: { epochs: 1, callbacks } }, false);
    expect(heard).toEqual(['begin', 'epoch']);
  });

  test('early stopping, best weights and later use of the model are the same as without it', async () => {
    const run = async (cacheFeatures: boolean) => {
      using model = compiled(device, layers());
      using loader = new ImageLoader(device, images);
      const stop = new EarlyStopping({ monitor: 'valLoss', patience: 2, restoreBestWeights: true });
      const options = { epochs: 30, batchSize: 8, validationSplit: 0.3, callbacks: [stop], cacheFeatures };
      const { epochs } = await model.fit(loader, options);
      const after = await model.evaluate(loader);
      return { epochs: epochs.map(withoutTimes), best: stop.bestEpoch, after, bits: await bitsOf(model) };
    };
    const without = await run(false);
    expect(without.epochs.length).toBeLessThan(30);
    expect(await run(true)).toEqual(without);
  });

  test('memory is released after the call, also if it stops while features are computed', async () => {
    using otherDevice = await openDevice();
    using model = compiled(otherDevice, layers());
    using loader = new ImageLoader(otherDevice, images);
    const round = async () => {
      await model.fit(loader, { batchSize: 8, cacheFeatures: true, validationSplit: 0.3 });
      return otherDevice.counters.bytesAllocated;
    };
    await round();
    const before = await round();
    expect(await round()).toBe(before);
    const controller = new AbortController();
    const callbacks: Callback[] = [{ onTrainBegin: () => controller.abort() }];
    const history = await model.fit(loader, {
      batchSize: 8,
      validationSplit: 0.3,
      cacheFeatures: true,
      signal: controller.signal,
      callbacks,
    });
    expect([history.interrupted, history.epochs.length]).toEqual([true, 0]);
    expect(otherDevice.counters.bytesAllocated).toBe(before);
  });

  const { trainTwice, train: trainOnce } = backupTrainings(device);

  test("a training resumes from a backup with the same bits, and with the backup's frozen weights", async () => {
    const training = {
      layers: () => [
        new Dense({ units: 6, activation: 'relu' as const, inputShape: [2], trainable: false }),
        new BatchNormalization({ trainable: false }),
        new Dense({ units: 5, activation: 'relu' as const }),
        new Dropout(0.3),
        new Dense({ units: 2, activation: 'softmax' as const }),
      ],
      fit: { cacheFeatures: true },
    };
    const whole = await trainOnce(training);
    for (const steps of [3, 9]) {
      const again = await trainTwice(training, steps);
      expect(again.left).toEqual(whole.left);
    }
    const crashed = trainOnce(training, { after: [3, crash] });
    await expect(crashed).rejects.toThrow(Crash);
    await expect(trainOnce({ ...training, fit: {} })).rejects.toThrow(/cacheFeatures was true and is none/);
  });
});
