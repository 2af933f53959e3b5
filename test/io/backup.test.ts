import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  AbortedError,
  Adam,
  ArgumentError,
  ArrayLoader,
  BackupAndRestore,
  type BackupAndRestoreOptions,
  BatchNormalization,
  type Callback,
  CategoricalCrossentropy,
  CSVLogger,
  DataError,
  Dense,
  Dropout,
  EarlyStopping,
  type EpochLogs,
  FileError,
  type FitOptions,
  JSONLLogger,
  type Layer,
  LearningRateScheduler,
  type Loss,
  ModelCheckpoint,
  type Optimizer,
  ReduceLROnPlateau,
  RMSprop,
  Sequential,
  SGD,
  schedules,
  type TrainingData,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { points } from '../support/points.ts';

/** A disk that takes half of what is written and is then full. */
const disk = vi.hoisted(() => ({ full: false }));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const writeFileSync = (path: string, content: Uint8Array, options?: object) => {
    fs.writeFileSync(path, disk.full ? content.slice(0, content.length / 2) : content, options);
    if (disk.full) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  return { ...fs, writeFileSync };
});

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-backup-'));
  path = join(root, 'backup.safetensors');
});
afterEach(() => {
  disk.full = false;
  rmSync(root, { recursive: true, force: true });
});

const figures = ({ seconds, samplesPerSecond, ...logs }: EpochLogs) => logs;

/** What ends a training from outside. */
class Crash extends Error {}

const { x, labels: y } = points();
const BATCH = 7;
/** 30 samples, the last batch being one of two. */
const STEPS = 5;
const EPOCHS = 4;
const options: FitOptions = { epochs: EPOCHS, batchSize: BATCH, validationSplit: 0.25, seed: 3 };

describeOnDevice('BackupAndRestore', (device) => {
  interface Training {
    optimizer?: () => Optimizer;
    layers?: () => Layer[];
    loss?: Loss;
    callbacks?: () => Callback[];
    data?: () => TrainingData;
    fit?: FitOptions;
    backup?: Partial<BackupAndRestoreOptions>;
  }
  const layers = () => [
    new Dense({ units: 6, activation: 'relu', inputShape: [2] }),
    new BatchNormalization(),
    new Dropout(0.3),
    new Dense({ units: 2, activation: 'softmax' }),
  ];
  const monitors = () => [
    new EarlyStopping({ patience: 9, restoreBestWeights: true }),
    new ReduceLROnPlateau({ patience: 1, factor: 0.5, minDelta: 0.05 }),
    new ModelCheckpoint({ path: join(root, 'best'), saveBestOnly: true }),
  ];

  /**
   * One call of `fit` on a new model, whose first weights are those of `seed`, with everything that a training leaves behind.
   * @param after what happens after that many of the call's steps
   */
  async function train(
    training: Training,
    { seed = 1, after }: { seed?: number; after?: [steps: number, event: () => void] } = {},
  ) {
    const optimizer = training.optimizer?.() ?? new Adam({ learningRate: 0.05 });
    const model = new Sequential((training.layers ?? layers)()).build(device, { seed });
    model.compile({ optimizer, loss: training.loss ?? 'sparseCategoricalCrossentropy', metrics: ['recall'] });
    const backup = new BackupAndRestore({ path, saveFreq: 3, ...training.backup });
    let steps = 0;
    const watch: Callback = {
      onSafePoint: (point) => {
        if (point.after === 'step' && ++steps === after?.[0]) after[1]();
      },
    };
    const callbacks = [...(training.callbacks ?? monitors)(), backup, watch];
    const data = training.data?.() ?? { x, y };
    try {
      const history = await model.fit(data, { ...options, ...training.fit, callbacks });
      const { buffers } = model.parameters;
      const bits = async ({ storage }: (typeof buffers)[number]) => [...new Uint32Array(await device.read(storage))];
      const states = await Promise.all(callbacks.map((callback: Callback) => callback.state?.()));
      return {
        steps,
        resumedFrom: backup.resumedFrom,
        interrupted: history.interrupted,
        left: {
          weights: await Promise.all([...buffers, ...optimizer.slots].map((array) => bits(array))),
          iterations: optimizer.iterations,
          learningRate: optimizer.learningRate,
          logs: [history.epochs, ...history.replicas].map((logs) => logs.map(figures)),
          states,
        },
      };
    } finally {
      model.dispose();
    }
  }

  const crash = (): never => {
    throw new Crash();
  };
  /** Trains until it crashes after so many steps, and then again as a program started anew would: with other first weights. */
  async function trainTwice(training: Training, steps: number) {
    await expect(train(training, { after: [steps, crash] })).rejects.toThrow(Crash);
    return train(training, { seed: 2 });
  }

  test.each<[what: string, crashAt: number, backup: Partial<BackupAndRestoreOptions>, from: object]>([
    ['in the midst of an epoch', 4, {}, { epoch: 1, step: 3 }],
    ['after the last step of an epoch', STEPS, { saveFreq: STEPS }, { epoch: 1, step: STEPS }],
    ['in a later epoch', 2 * STEPS + 3, { saveFreq: 1 }, { epoch: 3, step: 3 }],
    ['after a backup at the end of an epoch', 2 * STEPS + 3, { saveFreq: 'epoch' }, { epoch: 3, step: 0 }],
  ])('a training that crashed %s goes on with the same bits', async (_, crashAt, backup, from) => {
    const whole = await train({ backup });
    expect(whole).toMatchObject({ steps: EPOCHS * STEPS, resumedFrom: null });
    const resumed = await trainTwice({ backup }, crashAt);
    expect(resumed.resumedFrom).toEqual(from);
    expect(resumed.left).toEqual(whole.left);
    expect(existsSync(path)).toBe(false);
  });

  test('what the tests compare is not the same anyway', async () => {
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
    ['in the midst of an epoch', STEPS + 2, () => ({}), { epoch: 2, step: 2 }],
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
  ])('a signal %s leaves a backup of that place', async (_, steps, callback, from) => {
    const whole = await train({ callbacks: () => [...monitors(), {}] });
    const controller = new AbortController();
    const begun: number[] = [];
    const training = (abort: boolean): Training => {
      const watched = abort ? callback(controller) : {};
      const onEpochBegin: Callback['onEpochBegin'] = (info) => {
        begun.push(info.epoch);
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
    expect(begun).toEqual([1, 2, 3, 4]);
  });

  const batches = (first: number, count: number) =>
    Array.from({ length: count }, (_, i) => {
      const at = ((first + i) * 8) % 40;
      return { x: x.subarray(2 * at, 2 * at + 16), y: y.slice(at, at + 8) };
    });
  function* endless() {
    for (let i = 0; ; i++) yield* batches(i, 1);
  }
  const streamed: FitOptions = { batchSize: undefined, validationSplit: undefined, validationData: { x, y } };
  const plain: Training['layers'] = () => [
    new Dense({ units: 5, activation: 'tanh', kernelRegularizer: 'l2', inputShape: [2] }),
    new Dense({ units: 2, activation: 'softmax' }),
  ];
  test.each<[what: string, training: Training]>([
    ['a stream', { data: () => () => batches(0, STEPS), fit: streamed }],
    ['a stream that goes on from epoch to epoch', { data: endless, fit: { ...streamed, stepsPerEpoch: STEPS - 1 } }],
    [
      'a loader in order',
      { data: () => new ArrayLoader(device, { x, y, shape: [2], classes: 2 }), fit: { shuffle: false } },
    ],
    [
      'momentum, a schedule, clipping and a penalty',
      {
        layers: plain,
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
        layers: plain,
        optimizer: () => new RMSprop({ centered: true }),
        callbacks: () => [new LearningRateScheduler((_, rate) => 0.7 * rate)],
      },
    ],
    [
      'three replicas, each with its own rate',
      { fit: { replicas: 3 }, optimizer: () => new Adam({ learningRate: [0.1, 0.05, 0.01] }) },
    ],
    ['class weights', { fit: { classWeight: { 1: 3 }, epochs: 4, initialEpoch: 1 } }],
  ])('%s goes on with the same bits', async (_, training) => {
    const whole = await train(training);
    const resumed = await trainTwice(training, STEPS + 3);
    expect(resumed.resumedFrom!.step).toBeGreaterThan(0);
    expect(resumed.left).toEqual(whole.left);
  });

  test('a stream that has become too short is told', async () => {
    const training: Training = { data: () => () => batches(0, STEPS), fit: streamed };
    await expect(train(training, { after: [3, crash] })).rejects.toThrow(Crash);
    const shorter = train({ ...training, data: () => () => batches(0, 2) });
    await expect(shorter).rejects.toThrow(DataError);
    await expect(shorter).rejects.toThrow(/ended after 2 batches, but 3 of it were trained on before/);
  });

  test('the best weights of before are given back', async () => {
    const training: Training = {
      callbacks: () => [
        new LearningRateScheduler((epoch) => (epoch === 0 ? 0.01 : 30)),
        new EarlyStopping({ monitor: 'loss', patience: 9, restoreBestWeights: true, startFromEpoch: 1 }),
      ],
      optimizer: () => new SGD(),
      layers: plain,
    };
    const whole = await train(training);
    const resumed = await trainTwice(training, 3 * STEPS + 1);
    expect(resumed.left).toEqual(whole.left);
  });

  test('logs have each epoch once, those of before included', async () => {
    const [csv, jsonl] = [join(root, 'log.csv'), join(root, 'log.jsonl')];
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

  test('a training that a callback had ended is only brought to its end', async () => {
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
    'stopped by request among the callbacks that end an epoch: each epoch has ended once',
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

  test('the epoch in which training was told to stop is ended after a crash too', async () => {
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

  test('a backup that is kept is where a training of more epochs goes on', async () => {
    const training: Training = { backup: { saveFreq: 'epoch', deleteCheckpoint: false } };
    const whole = await train({});
    await train({ ...training, fit: { epochs: 2 } });
    const again = await train({ ...training, fit: { epochs: 2 } });
    expect([again.steps, again.left.logs[0]!.length]).toEqual([0, 2]);
    const more = await train(training, { seed: 2 });
    expect(more.resumedFrom).toEqual({ epoch: 3, step: 0 });
    expect(more.left).toEqual(whole.left);
    expect(existsSync(path)).toBe(true);
  });

  const other = { x: x.map((value) => -value), y };
  test.each<[what: string, change: Training, says: RegExp]>([
    [
      'layers',
      { layers: () => [new Dense({ units: 2, activation: 'softmax', inputShape: [2] })] },
      /weights\.dense\/kernel was "\[2,6\]" and is "\[2,2\]"/,
    ],
    [
      'units',
      { layers: () => [new Dense({ units: 7, activation: 'relu', inputShape: [2] }), ...layers().slice(1)] },
      /was "\[2,6\]" and is "\[2,7\]"/,
    ],
    [
      'dropout',
      { layers: () => [...layers().slice(0, 2), new Dropout(0.4), ...layers().slice(3)] },
      /layers\.2\.config\.rate was 0\.3 and is 0\.4/,
    ],
    [
      'frozen layers',
      {
        layers: () => [
          new Dense({ units: 6, activation: 'relu', inputShape: [2], trainable: false }),
          ...layers().slice(1),
        ],
      },
      /dense\/kernel was "\[2,6\]" and is "\[2,6\] \(not trained\)"/,
    ],
    ['samples', { data: () => other }, /data\.samples\.0 was \d+ and is \d+/],
    [
      'labels',
      { data: () => ({ x, y: y.map((label, i) => (i === 39 ? 1 - label : label)) }) },
      /data\.labels was \d+ and is \d+/,
    ],
    ['fewer samples', { data: () => ({ x: x.subarray(4), y: y.slice(2) }) }, /data\.size was 40 and is 38/],
    ['a stream', { data: () => () => batches(0, STEPS), fit: streamed }, /data was .* and is "a stream"/],
    ['validation', { fit: { validationSplit: undefined, validationData: other } }, /validationData/],
    ['a batch size', { fit: { batchSize: 8 } }, /batchSize was 7 and is 8/],
    ['a seed', { fit: { seed: 4 } }, /seed was 3 and is 4/],
    ['replicas', { fit: { replicas: 2 } }, /replicas was 1 and is 2/],
    ['shuffling', { fit: { shuffle: false } }, /shuffle was true and is false/],
    ['class weights', { fit: { classWeight: [1, 2] } }, /classWeight was none and is \[1,2\]/],
    ['a first epoch', { fit: { initialEpoch: 1 } }, /initialEpoch was 0 and is 1/],
    [
      'a loss',
      { loss: new CategoricalCrossentropy() },
      /loss was "sparseCategoricalCrossentropy" and is "categoricalCrossentropy"/,
    ],
    [
      'options of the loss',
      { loss: new CategoricalCrossentropy({ labelSmoothing: 0.1 }) },
      /loss was .*labelSmoothing/,
    ],
    ['an optimiser', { optimizer: () => new SGD() }, /optimizer\.name was "adam" and is "sgd"/],
    [
      'its options',
      { optimizer: () => new Adam({ beta1: 0.8, clipValue: 1 }) },
      /clipValue was none and is 1|beta1 was 0\.9 and is 0\.8/,
    ],
    [
      'callbacks in another order',
      { callbacks: () => monitors().reverse() },
      /callbacks\.0 was "EarlyStopping" and is "ModelCheckpoint"/,
    ],
    [
      'callbacks',
      { callbacks: () => [...monitors(), new EarlyStopping()] },
      /callbacks\.3 was none and is "EarlyStopping"/,
    ],
  ])('a backup is not for a training with other %s', async (_, change, says) => {
    await expect(train({}, { after: [4, crash] })).rejects.toThrow(Crash);
    const before = readFileSync(path);
    const refused = train(change, { after: [1, crash] });
    await expect(refused).rejects.toThrow(ArgumentError);
    await expect(refused).rejects.toThrow(says);
    await expect(refused).rejects.toThrow(/backup\.safetensors is of another training/);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('nor for one with another schedule', async () => {
    const by = (decayRate: number): Training => ({
      optimizer: () =>
        new SGD({ learningRate: schedules.exponentialDecay({ initialLearningRate: 1, decaySteps: 3, decayRate }) }),
      callbacks: () => [],
    });
    await expect(train(by(0.5), { after: [4, crash] })).rejects.toThrow(Crash);
    await expect(train(by(0.25))).rejects.toThrow(/the schedule's learning rate was 0\.5 and is 0\.25/);
    await expect(train({ ...by(0.5), optimizer: () => new SGD() })).rejects.toThrow(
      /learning rate was 0\.5 and is none/,
    );
  });

  test('a damaged file is told before anything is trained', async () => {
    await expect(train({}, { after: [4, crash] })).rejects.toThrow(Crash);
    const bytes = readFileSync(path);
    bytes[bytes.length - 9]! ^= 4;
    writeFileSync(path, bytes);
    const refused = train({}, { after: [1, crash] });
    await expect(refused).rejects.toThrow(DataError);
    await expect(refused).rejects.toThrow(/backup\.safetensors is damaged/);
  });

  test('a log is begun anew only where the backup is taken up', async () => {
    const log = join(root, 'log.csv');
    const training: Training = { callbacks: () => [new CSVLogger(log)], backup: { saveFreq: 'epoch' } };
    await expect(train(training, { after: [2 * STEPS + 1, crash] })).rejects.toThrow(Crash);
    const lines = readFileSync(log, 'utf8');
    expect(lines.split('\n')).toHaveLength(4);
    await expect(train({ ...training, fit: { batchSize: 8 } })).rejects.toThrow(/of another training/);
    expect(readFileSync(log, 'utf8')).toBe(lines);
  });

  test('on a full disk the old backup stays, and training can go on from there', async () => {
    const whole = await train({ callbacks: () => [] });
    const fill = () => {
      disk.full = true;
    };
    const failed = train({ callbacks: () => [] }, { after: [4, fill] });
    await expect(failed).rejects.toThrow(FileError);
    await expect(failed).rejects.toThrow(/cannot write .*backup\.safetensors: the disk is full/);
    disk.full = false;
    expect(readdirSync(root)).toEqual(['backup.safetensors']);
    const resumed = await train({ callbacks: () => [] }, { seed: 2 });
    expect(resumed.resumedFrom).toEqual({ epoch: 1, step: 3 });
    expect(resumed.left).toEqual(whole.left);
  });

  test('what a process killed while it wrote has left goes, and nothing else', async () => {
    const others = ['backup.safetensors.tmp', 'backup.safetensors.0123456x.tmp', 'other.01234567.tmp'];
    for (const name of [...others, 'backup.safetensors.01234567.tmp']) writeFileSync(join(root, name), 'half');
    await train({ callbacks: () => [] });
    expect(readdirSync(root).sort()).toEqual(others.sort());
  });

  test('steps at which nothing is saved read nothing back', async () => {
    const readBacks = async (callbacks: Callback[]) => {
      const model = new Sequential(plain!())
        .build(device)
        .compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
      const before = device.counters.readBacks;
      await model.fit({ x, y }, { epochs: 2, batchSize: 5, callbacks });
      model.dispose();
      return device.counters.readBacks - before;
    };
    expect(await readBacks([new BackupAndRestore({ path, saveFreq: 1000 })])).toBe(await readBacks([]));
    expect(await readBacks([new BackupAndRestore({ path, saveFreq: 4 })])).toBeGreaterThan(await readBacks([]));
  });
});

test.each<[what: string, options: unknown, says: RegExp]>([
  ['no path', {}, /path must be that of a file, but is undefined/],
  ['no options', null, /options must be an object/],
  ['half a step', { path: 'x', saveFreq: 0.5 }, /saveFreq must be 'epoch' or a positive number of steps, but is 0.5/],
  ['no step', { path: 'x', saveFreq: 0 }, /saveFreq/],
  ['days', { path: 'x', saveFreq: 'day' }, /saveFreq .* but is "day"/],
])('BackupAndRestore refuses %s', (_, options, says) => {
  expect(() => new BackupAndRestore(options as BackupAndRestoreOptions)).toThrow(ArgumentError);
  expect(() => new BackupAndRestore(options as BackupAndRestoreOptions)).toThrow(says);
});
