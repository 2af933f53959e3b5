import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  AbortedError,
  Adam,
  ArrayLoader,
  BackupAndRestore,
  type BackupAndRestoreOptions,
  type Callback,
  CSVLogger,
  Dense,
  Dropout,
  EarlyStopping,
  JSONLLogger,
  LearningRateScheduler,
  RMSprop,
  Sequential,
  SGD,
  schedules,
} from '../../src/node.ts';
import {
  backupTrainings,
  batches,
  Crash,
  crash,
  EPOCHS,
  plainLayers,
  STEPS,
  streamOptions,
  type Training,
  x,
  y,
} from '../support/backup-trainings.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('BackupAndRestore', (device) => {
  const { place, monitors, train, trainTwice } = backupTrainings(device);

  test.each<[what: string, crashAt: number, backup: Partial<BackupAndRestoreOptions>, from: object]>([
    ['within an epoch', 4, {}, { epoch: 1, step: 3 }],
    ['after the last step of an epoch', STEPS, { saveFreq: STEPS }, { epoch: 1, step: STEPS }],
    ['in a later epoch', 2 * STEPS + 3, { saveFreq: 1 }, { epoch: 3, step: 3 }],
    ['after a backup at the end of an epoch', 2 * STEPS + 3, { saveFreq: 'epoch' }, { epoch: 3, step: 0 }],
  ])('a training that crashed %s resumes with the same bits', async (_, crashAt, backup, from) => {
    const whole = await train({ backup });
    expect(whole).toMatchObject({ steps: EPOCHS * STEPS, resumedFrom: null });
    const resumed = await trainTwice({ backup }, crashAt);
    expect(resumed.resumedFrom).toEqual(from);
    expect(resumed.left).toEqual(whole.left);
    expect(existsSync(place.path)).toBe(false);
  });

  test('replicas with different seeds, rates, penalties and dropout resume with the same bits', async () => {
    const training: Training = {
      layers: () => [
        new Dense({ units: 6, activation: 'relu', kernelRegularizer: { l1: 0, l2: [0, 0.1, 0.01] }, inputShape: [2] }),
        new Dropout([0.5, 0, 0.2]),
        new Dense({ units: 2, activation: 'softmax' }),
      ],
      optimizer: () => new Adam({ learningRate: [0.05, 0.1, 0.01] }),
      fit: { seed: [3, 17, 9] },
    };
    const whole = await train(training);
    expect(whole.left.logs).toHaveLength(4);
    const resumed = await trainTwice(training, STEPS + 3);
    expect(resumed.resumedFrom).toEqual({ epoch: 2, step: 1 });
    expect(resumed.left).toEqual(whole.left);
  });

  test('the tests can fail: another seed gives other weights and logs', async () => {
    const { left } = await train({});
    const other = await train({}, { seed: 2 });
    expect(other.left.weights).not.toEqual(left.weights);
    expect(left.learningRate).toBeLessThan(0.05);
    expect(left.logs[0]!.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
  });

  const abortAt = (steps: number, controller: AbortController): [number, () => void] => [
    steps,
    () => controller.abort(),
  ];
  test.each<[what: string, steps: number, callback: (controller: AbortController) => Callback, from: object]>([
    ['within an epoch', STEPS + 2, () => ({}), { epoch: 2, step: 2 }],
    ['in the validation of an epoch', 2 * STEPS, () => ({}), { epoch: 2, step: STEPS }],
    [
      'at the end of an epoch',
      0,
      (controller) => ({ onEpochEnd: ({ epoch }) => void (epoch === 2 && controller.abort()) }),
      { epoch: 3, step: 0 },
    ],
    [
      'at its beginning',
      0,
      (controller) => ({ onEpochBegin: ({ epoch }) => void (epoch === 2 && controller.abort()) }),
      { epoch: 2, step: 0 },
    ],
  ])('a signal %s leaves a backup of that position', async (_, steps, callback, from) => {
    const whole = await train({ callbacks: () => [...monitors(), {}] });
    const controller = new AbortController();
    const startedEpochs: number[] = [];
    const training = (abort: boolean): Training => {
      const watched = abort ? callback(controller) : {};
      const onEpochBegin: Callback['onEpochBegin'] = (info) => {
        startedEpochs.push(info.epoch);
        return watched.onEpochBegin?.(info);
      };
      const callbacks = () => [...monitors(), { ...watched, onEpochBegin }];
      return { callbacks, backup: { saveFreq: 1000 }, fit: abort ? { signal: controller.signal } : {} };
    };
    const first = await train(training(true), { after: abortAt(steps, controller) });
    expect(first).toMatchObject({ interrupted: true });
    const resumed = await train(training(false), { seed: 2 });
    expect(resumed.resumedFrom).toEqual(from);
    expect(resumed.left).toEqual(whole.left);
    expect(startedEpochs).toEqual([1, 2, 3, 4]);
  });

  function* endless() {
    for (let i = 0; ; i++) yield* batches(i, 1);
  }
  test.each<[what: string, training: Training]>([
    ['a stream', { data: () => () => batches(0, STEPS), fit: streamOptions }],
    [
      'a stream that continues from epoch to epoch',
      { data: endless, fit: { ...streamOptions, stepsPerEpoch: STEPS - 1 } },
    ],
    [
      'validation by a stream that continues from epoch to epoch',
      {
        fit: {
          ...{ batchSize: 8, validationSplit: undefined }, // as many steps as with the split
          get validationData() {
            return endless(); // for each call of fit
          },
          validationSteps: 3,
        },
      },
    ],
    [
      'a loader in order',
      { data: () => new ArrayLoader(device, { x, y, shape: [2], classes: 2 }), fit: { shuffle: false } },
    ],
    [
      'momentum, a schedule, clipping and a penalty',
      {
        layers: plainLayers,
        optimizer: () => {
          const learningRate = schedules.exponentialDecay({ initialLearningRate: 0.3, decaySteps: 4, decayRate: 0.8 });
          return new SGD({ learningRate, momentum: 0.9, globalClipNorm: 0.5 });
        },
        callbacks: () => [],
      },
    ],
    [
      'RMSprop and a rate that follows from the one before',
      {
        layers: plainLayers,
        optimizer: () => new RMSprop({ centered: true }),
        callbacks: () => [new LearningRateScheduler((_, rate) => 0.7 * rate)],
      },
    ],
    [
      'sums of gradients over three steps, within and across epochs',
      { optimizer: () => new Adam({ learningRate: 0.1, gradientAccumulationSteps: 3 }) },
    ],
    [
      'three replicas, each with its own rate',
      { fit: { replicas: 3 }, optimizer: () => new Adam({ learningRate: [0.1, 0.05, 0.01] }) },
    ],
    ['class weights', { fit: { classWeight: { 1: 3 }, epochs: 4, initialEpoch: 1 } }],
  ])('%s resumes with the same bits', async (_, training) => {
    const whole = await train(training);
    const resumed = await trainTwice(training, STEPS + 3);
    expect(resumed.resumedFrom!.step).toBeGreaterThan(0);
    expect(resumed.left).toEqual(whole.left);
  });

  test('restores the best weights from before the crash', async () => {
    const training: Training = {
      callbacks: () => [
        new LearningRateScheduler((epoch) => (epoch === 0 ? 0.01 : 30)),
        new EarlyStopping({ monitor: 'loss', patience: 9, restoreBestWeights: true, startFromEpoch: 1 }),
      ],
      optimizer: () => new SGD(),
      layers: plainLayers,
    };
    const whole = await train(training);
    const resumed = await trainTwice(training, 3 * STEPS + 1);
    expect(resumed.left).toEqual(whole.left);
  });

  test('logs have each epoch once, also those before the crash', async () => {
    const [csv, jsonl] = [join(place.root, 'log.csv'), join(place.root, 'log.jsonl')];
    const training: Training = {
      callbacks: () => [new CSVLogger(csv, { append: true }), new JSONLLogger(jsonl)],
      backup: { saveFreq: 2 * STEPS - 1 },
    };
    await expect(train(training, { after: [3 * STEPS + 1, crash] })).rejects.toThrow(Crash);
    const epochs = () => [
      readFileSync(csv, 'utf8').match(/^\w+/gm),
      readFileSync(jsonl, 'utf8').match(/(?<=^\{"loss":[^}]*"epoch":|^\{"epoch":)\d/gm),
    ];
    const before = epochs();
    const resumed = await train(training);
    expect([before, resumed.resumedFrom]).toEqual([
      [
        ['epoch', '1', '2', '3'],
        ['1', '2', '3'],
      ],
      { epoch: 2, step: 4 },
    ]);
    expect(epochs()).toEqual([
      ['epoch', '1', '2', '3', '4'],
      ['1', '2', '3', '4'],
    ]);
  });

  test('a training that a callback had stopped trains no further', async () => {
    const seen: number[] = [];
    const training = (crashes: boolean): Training => {
      let model: Sequential;
      return {
        callbacks: () => [
          {
            onTrainBegin: (info) => {
              model = info.model as Sequential;
            },
            onEpochEnd: ({ epoch }) => {
              seen.push(epoch);
              model.stopTraining = epoch === 2;
            },
            onTrainEnd: () => void (crashes && crash()),
          },
        ],
        backup: { saveFreq: 'epoch' },
      };
    };
    await expect(train(training(true))).rejects.toThrow(Crash);
    const { steps, left } = await train(training(false));
    expect([steps, seen, left.logs[0]!.length]).toEqual([0, [1, 2], 2]);
  });

  test.each([0, 1])(
    'a signal during onEpochEnd: a resumed training calls onEpochEnd of that epoch again, with the same results',
    async (place) => {
      const ended: number[] = [];
      const seen: Callback = { onEpochEnd: ({ epoch }) => void ended.push(epoch) };
      const training = (stop: AbortController | null): Training => {
        const measuring: Callback = {
          onEpochEnd({ epoch }) {
            if (stop && epoch === 2) stop.abort();
            if (stop?.signal.aborted) throw new AbortedError('what was measured here was stopped');
          },
        };
        const callbacks = () => [...monitors(), ...(place === 0 ? [measuring, seen] : [seen, measuring])];
        return { callbacks, fit: stop ? { signal: stop.signal } : {}, backup: { saveFreq: 'epoch' } };
      };
      const whole = await train(training(null));
      ended.length = 0;
      expect((await train(training(new AbortController()))).interrupted).toBe(true);
      const { resumedFrom, left } = await train(training(null), { seed: 2 });
      expect([resumedFrom, left]).toEqual([{ epoch: 2, step: 0 }, whole.left]);
      expect(ended).toEqual(place === 0 ? [1, 2, 3, 4] : [1, 2, 2, 3, 4]);
    },
  );

  test('an epoch in which stopTraining was set ends as in an uninterrupted training', async () => {
    const training = (crashes: boolean): Training => {
      let model: Sequential;
      const stop: Callback = {
        everySteps: 3,
        onTrainBegin: (info) => {
          model = info.model as Sequential;
        },
        onSteps: ({ epoch }) => {
          model.stopTraining = epoch === 2;
        },
        onEpochEnd: ({ epoch }) => void (crashes && epoch === 2 && crash()),
      };
      return { callbacks: () => [...monitors(), stop], backup: { saveFreq: 1 } };
    };
    const whole = await train(training(false));
    expect(whole.left.logs[0]).toHaveLength(2);
    await expect(train(training(true))).rejects.toThrow(Crash);
    const resumed = await train(training(false), { seed: 2 });
    expect([resumed.resumedFrom, resumed.left]).toEqual([{ epoch: 2, step: 3 }, whole.left]);
  });

  test('a backup that is kept is resumed by a training of more epochs', async () => {
    const training: Training = { backup: { saveFreq: 'epoch', deleteCheckpoint: false } };
    const whole = await train({});
    await train({ ...training, fit: { epochs: 2 } });
    const again = await train({ ...training, fit: { epochs: 2 } });
    expect([again.steps, again.left.logs[0]!.length]).toEqual([0, 2]);
    const more = await train(training, { seed: 2 });
    expect(more.resumedFrom).toEqual({ epoch: 3, step: 0 });
    expect(more.left).toEqual(whole.left);
    expect(existsSync(place.path)).toBe(true);
  });

  test('steps without a backup read nothing back', async () => {
    const readBacks = async (callbacks: Callback[]) => {
      const model = new Sequential(plainLayers())
        .build(device)
        .compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
      const before = device.counters.readBacks;
      await model.fit({ x, y }, { epochs: 2, batchSize: 5, callbacks });
      model.dispose();
      return device.counters.readBacks - before;
    };
    expect(await readBacks([new BackupAndRestore({ path: place.path, saveFreq: 1000 })])).toBe(await readBacks([]));
    expect(await readBacks([new BackupAndRestore({ path: place.path, saveFreq: 4 })])).toBeGreaterThan(
      await readBacks([]),
    );
  });
});
