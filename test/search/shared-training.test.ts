import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  ArgumentError,
  BackupAndRestore,
  BatchNormalization,
  type Callback,
  Dense,
  Dropout,
  EarlyStopping,
  type EpochLogs,
  Flatten,
  type History,
  ImageLoader,
  LambdaCallback,
  LearningRateScheduler,
  type Model,
  ModelCheckpoint,
  ProgressLine,
  ReduceLROnPlateau,
  Sequential,
  SGD,
  TerminateOnNaN,
} from '../../src/node.ts';
import { reasonCallbacksAlone, SharedTraining } from '../../src/search/shared-training.ts';
import { takeReplicas, togetherModel } from '../../src/search/together.ts';
import { AloneError } from '../../src/search/trial-view.ts';
import { expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const EPOCHS = 7;
const RATES = [0.01, 0.5, 0.1, 0.003];
const SEEDS = [10, 40, 3, 17];
const DROPOUTS = [0, 0.5, 0.2, 0.2];

/** The model of a trial. */
const modelOf = (i: number): Model =>
  new Sequential([
    new Flatten({ inputShape: [6, 6, 1] }),
    new Dense({ units: 7, activation: 'relu' }),
    new BatchNormalization(),
    new Dropout(DROPOUTS[i]!),
    new Dense({ units: 3, activation: 'softmax' }),
  ]).compile({
    optimizer: new SGD({ learningRate: RATES[i]!, momentum: 0.9 }),
    loss: 'sparseCategoricalCrossentropy',
  });

/** The stopping rule of the trials. */
const stopping = (options = {}) => new EarlyStopping({ monitor: 'loss', patience: 1, startFromEpoch: 1, ...options });
const withoutTimes = ({ seconds: _, samplesPerSecond: __, ...figures }: EpochLogs) => figures;
const outcome = ({ epochs, replicas, diverged, interrupted }: History) => ({
  ...{
    epochs: epochs.map(withoutTimes),
    replicas: replicas.map((one) => one.map(withoutTimes)),
    diverged,
    interrupted,
  },
});

describe('callbacks of trials that are trained together', () => {
  test.each<[what: string, callbacks: Callback[], says: RegExp | null]>([
    [
      'callbacks that act at the end of an epoch',
      [stopping(), new ReduceLROnPlateau(), new LearningRateScheduler(() => 1)],
      null,
    ],
    ['TerminateOnNaN', [new TerminateOnNaN()], null],
    ['a custom callback', [{ onEpochEnd() {}, onTrainBegin() {} }], null],
    ['metrics of batches', [new LambdaCallback({ onBatchEnd() {} })], /LambdaCallback has onBatchEnd/],
    ['a progress line', [stopping(), new ProgressLine()], /ProgressLine has onBatchEnd/],
    ['metrics of steps', [{ onSteps() {}, everySteps: 2 }], /has onSteps/],
    ['a backup', [new BackupAndRestore({ path: 'backup' })], /BackupAndRestore has onSafePoint/],
  ])('%s', (_, callbacks, says) => {
    if (says) expect(reasonCallbacksAlone(callbacks)).toMatch(says);
    else expect(reasonCallbacksAlone(callbacks)).toBeNull();
  });
});

describeOnDevice('trials that are trained together', (device) => {
  const images = drawImages(22, { classes: 3, shape: [6, 6, 1] });
  const options = { epochs: EPOCHS, batchSize: 8, validationSplit: 0.25 };
  const weightsOf = (model: Model) => Promise.all(model.weights.map(({ tensor }) => tensor.data()));

  type MakeCallbacks = (i: number) => Callback[];

  /** Trains them all; `more` are callbacks of the whole training. */
  async function together(
    make: MakeCallbacks,
    { executions = 1, more = [] as Callback[], trials = RATES.length } = {},
  ) {
    using data = new ImageLoader(device, images);
    const numbers = Array.from({ length: trials }, (_, i) => i);
    const models = numbers.map((i) => modelOf(i));
    const callbacks = numbers.map((i) => make(i));
    const seed = numbers.flatMap((i) => Array.from({ length: executions }, (_, e) => SEEDS[i]! + e));
    using model = togetherModel(models, { executions }).build(device, { seed });
    const shared = new SharedTraining(
      callbacks.map((trialCallbacks) => ({ replicas: executions, callbacks: trialCallbacks })),
    );
    const whole = await model.fit(data, { ...options, seed, callbacks: [shared, ...more] });
    const taken = models.map((one, i) => takeReplicas(model, one, { first: i * executions, replicas: executions }));
    const weights = await Promise.all(taken.map(weightsOf));
    for (const one of taken) one.dispose();
    return { whole, weights, callbacks, histories: shared.histories, failures: shared.failures };
  }

  async function alone(make: MakeCallbacks, i: number, executions = 1) {
    using data = new ImageLoader(device, images);
    using model = modelOf(i).build(device, { seed: SEEDS[i]!, replicas: executions });
    const callbacks = make(i);
    const history = await model.fit(data, { ...options, seed: SEEDS[i]!, callbacks });
    return { history, weights: await weightsOf(model), callbacks };
  }

  /** The same histories, weights and states of callbacks as those of each trial alone. @returns the epochs that each trained */
  async function expectAlike(make: MakeCallbacks, executions = 1): Promise<number[]> {
    const all = await together(make, { executions });
    expect(all.failures).toEqual(RATES.map(() => null));
    const lengths: number[] = [];
    for (const i of RATES.keys()) {
      const one = await alone(make, i, executions);
      expect(outcome(all.histories[i]!), `history of trial ${i}`).toEqual(outcome(one.history));
      for (const [k, weight] of one.weights.entries())
        expectSameBits(all.weights[i]![k]!, weight, `weight ${k} of trial ${i}`);
      const states = await Promise.all(one.callbacks.map((callback) => callback.state?.()));
      expect(await Promise.all(all.callbacks[i]!.map((callback) => callback.state?.()))).toEqual(states);
      lengths.push(one.history.epochs.length);
    }
    expect(all.whole.epochs).toHaveLength(Math.max(...lengths));
    return lengths;
  }

  test('each ends when its own callbacks stop it, with its weights of that epoch', async () => {
    const lengths = await expectAlike(() => [stopping()]);
    expect(new Set(lengths).size).toBeGreaterThan(1); // else no trial would continue after another one ended
  });

  test('the training ends once all trials have ended', async () => {
    const lengths = await expectAlike((i) => [{ onTrainBegin() {}, ...stopAfter(i + 1) }]);
    expect(lengths).toEqual([1, 2, 3, 4]);
  });

  /** Ends the training after an epoch. */
  function stopAfter(epochs: number): Callback {
    let model: Model;
    return {
      onTrainBegin: (info) => {
        model = info.model;
      },
      onEpochEnd: ({ epoch }) => {
        if (epoch === epochs) model.stopTraining = true;
      },
    };
  }

  test('the best weights of each trial are restored', async () => {
    await expectAlike(() => [stopping({ restoreBestWeights: true, patience: 2 })]);
  });

  test('each has its own learning rates, which its callbacks may change', async () => {
    await expectAlike((i) => [
      new ReduceLROnPlateau({ monitor: 'loss', patience: 0, factor: 0.5, minDelta: 0.05 }),
      ...(i % 2 ? [new LearningRateScheduler((epoch, rate) => (epoch === 2 ? rate * (i + 1) : rate))] : []),
      stopping({ patience: 2 }),
    ]);
  });

  test('with several executions, callbacks get the means over them', async () => {
    await expectAlike(() => [stopping(), new ReduceLROnPlateau({ monitor: 'loss', patience: 0, minDelta: 0.1 })], 2);
  });

  test('metrics that a callback adds belong to its trial', async () => {
    const adding = (i: number): Callback => ({
      adds: ['score'],
      onEpochEnd: (logs) => {
        logs.score = i === 2 ? -logs.epoch : logs.epoch;
      },
    });
    const lengths = await expectAlike((i) => [adding(i), stopping({ monitor: 'score', mode: 'max' })]);
    expect(lengths).toEqual([EPOCHS, EPOCHS, 3, EPOCHS]);
  });

  test('one that diverges does not affect the others', async () => {
    const divergingCallbacks = (i: number) => [
      ...(i === 1 ? [new LearningRateScheduler((epoch, rate) => (epoch === 1 ? 1e30 : rate))] : []),
      new TerminateOnNaN(),
    ];
    const all = await together(divergingCallbacks);
    expect(all.histories.map(({ diverged }) => diverged)).toEqual([[], [0], [], []]);
    expect(all.whole.diverged).toEqual([1]);
    expect(all.histories[1]!.epochs.length).toBeLessThan(EPOCHS);
    for (const i of [0, 2, 3]) {
      const one = await alone(divergingCallbacks, i);
      expect(outcome(all.histories[i]!)).toEqual(outcome(one.history));
      for (const [k, weight] of one.weights.entries()) expectSameBits(all.weights[i]![k]!, weight);
    }
  });

  test('a callback that throws fails only its trial', async () => {
    const ended: number[] = [];
    const failing = (i: number): Callback[] => [
      {
        onEpochEnd: ({ epoch }) => {
          if (i === 1 && epoch === 2) throw new RangeError('out of range');
        },
        onTrainEnd: (_, failure) => void (failure && ended.push(i)),
      },
    ];
    const all = await together(failing);
    expect(all.failures).toEqual([null, { error: new RangeError('out of range') }, null, null]);
    expect(ended).toEqual([1]);
    expect(all.histories.map(({ epochs }) => epochs.length)).toEqual([EPOCHS, 2, EPOCHS, EPOCHS]);
    const one = await alone(failing, 2);
    expect(outcome(all.histories[2]!)).toEqual(outcome(one.history));
  });

  test.each<[what: string, callback: () => Callback, says: RegExp]>([
    [
      'the model measured',
      () => ({ onTrainBegin: ({ model }) => void model.evaluate({ x: [], y: [] }) }),
      /reads model\.evaluate, which belongs to all trials/,
    ],
    [
      'the model changed',
      () => ({ onTrainBegin: ({ model }) => void Object.assign(model, { trainable: false }) }),
      /assigns model\.trainable/,
    ],
    ['the model saved', () => new ModelCheckpoint({ path: 'never-written' }), /reads model\./],
    [
      'the training ended as an epoch begins',
      () => {
        let model: Model;
        return {
          onTrainBegin: (info) => {
            model = info.model;
          },
          onEpochBegin: () => {
            model.stopTraining = true;
          },
        };
      },
      /at the end of an epoch, not at its beginning/,
    ],
    [
      'the optimizer used',
      () => ({ onEpochBegin: ({ optimizer }) => optimizer.dispose() }),
      /optimizer that serves all trials/,
    ],
    [
      'rates of other replicas',
      () => ({ onEpochBegin: ({ optimizer }) => void Object.assign(optimizer, { learningRate: [1, 2] }) }),
      /2 learning rates, but the trial has 1/,
    ],
  ])('a callback that needs %s fails its trial with the reason', async (_, callback, says) => {
    const { failures, histories } = await together((i) => (i === 0 ? [callback()] : []), { trials: 2 });
    const { error } = failures[0] as { error: Error };
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(says);
    if (!says.source.includes('learning rates')) expect(error).toBeInstanceOf(AloneError);
    expect(failures[1]).toBeNull();
    expect(histories[1]!.epochs).toHaveLength(EPOCHS);
  });

  test('an interrupted training resumes, each trial from its position', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-shared-'));
    try {
      const make = (i: number) => [
        stopping({ restoreBestWeights: i === 2 }),
        new ReduceLROnPlateau({ monitor: 'loss', patience: 0, factor: 0.5, minDelta: 0.05 }),
        ...(i === 3 ? [{ onEpochEnd: failLater() }] : []),
      ];
      const whole = await together(make);
      const backup = () => new BackupAndRestore({ path: join(folder, 'backup'), saveFreq: 1 });
      for (const [steps, from] of [
        [4, { epoch: 3, step: 1 }],
        [9, { epoch: 5, step: 2 }],
      ] as const) {
        let left: number = steps;
        const crash: Callback = {
          onSafePoint: ({ after }) => {
            if (after === 'step' && left-- === 0) throw new Error('crash');
          },
        };
        await expect(together(make, { more: [backup(), crash] })).rejects.toThrow('crash');
        const resuming = backup();
        const resumed = await together(make, { more: [resuming] });
        expect(resuming.resumedFrom).toEqual(from);
        expect(resumed.histories.map(outcome)).toEqual(whole.histories.map(outcome));
        expect(resumed.failures.map((one) => (one?.error as Error)?.message)).toEqual([...Array(3), 'no more']);
        for (const [i, weights] of whole.weights.entries()) {
          for (const [k, weight] of weights.entries()) expectSameBits(resumed.weights[i]![k]!, weight);
        }
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  const failLater =
    () =>
    ({ epoch }: EpochLogs) => {
      if (epoch === 3) throw new Error('no more');
    };
});
