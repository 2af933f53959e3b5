import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import {
  Adam,
  BackupAndRestore,
  type BackupAndRestoreOptions,
  BatchNormalization,
  type Callback,
  Dense,
  type Device,
  Dropout,
  EarlyStopping,
  type EpochLogs,
  type FitOptions,
  type Layer,
  type Loss,
  ModelCheckpoint,
  type Optimizer,
  ReduceLROnPlateau,
  Sequential,
  type TrainingData,
} from '../../src/node.ts';
import { points } from './points.ts';

// Trainings that are interrupted and resumed from their backup, for test/io/backup*.test.ts.

const withoutTimes = ({ seconds, samplesPerSecond, ...logs }: EpochLogs) => logs;

/** Ways to interrupt a training. */
export class Crash extends Error {}

export const { x, labels: y } = points();
const BATCH = 7;
/** 30 samples; the last batch has two. */
export const STEPS = 5;
export const EPOCHS = 4;
const options: FitOptions = { epochs: EPOCHS, batchSize: BATCH, validationSplit: 0.25, seed: 3 };

export interface Training {
  optimizer?: () => Optimizer;
  layers?: () => Layer[];
  loss?: Loss;
  callbacks?: () => Callback[];
  data?: () => TrainingData;
  fit?: FitOptions;
  backup?: Partial<BackupAndRestoreOptions>;
}

export const layers = () => [
  new Dense({ units: 6, activation: 'relu', inputShape: [2] }),
  new BatchNormalization(),
  new Dropout(0.3),
  new Dense({ units: 2, activation: 'softmax' }),
];

/** A stream of batches of eight samples. */
export const batches = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const offset = ((first + i) * 8) % 40;
    return { x: x.subarray(2 * offset, 2 * offset + 16), y: y.slice(offset, offset + 8) };
  });
export const streamOptions: FitOptions = { batchSize: undefined, validationSplit: undefined, validationData: { x, y } };
export const plainLayers = (): Layer[] => [
  new Dense({ units: 5, activation: 'tanh', kernelRegularizer: 'l2', inputShape: [2] }),
  new Dense({ units: 2, activation: 'softmax' }),
];

export const crash = (): never => {
  throw new Crash();
};

/** Trainings of one file's tests; each has a separate folder with its backup. */
export function backupTrainings(device: Device) {
  const place = { root: '', path: '' };
  beforeEach(() => {
    place.root = mkdtempSync(join(tmpdir(), 'tilegrad-backup-'));
    place.path = join(place.root, 'backup.safetensors');
  });
  afterEach(() => rmSync(place.root, { recursive: true, force: true }));

  const monitors = () => [
    new EarlyStopping({ patience: 9, restoreBestWeights: true }),
    new ReduceLROnPlateau({ patience: 1, factor: 0.5, minDelta: 0.05 }),
    new ModelCheckpoint({ path: join(place.root, 'best'), saveBestOnly: true }),
  ];

  /**
   * One call of `fit` on a new model with the initial weights of `seed`. @returns all results of the training
   * @param after what happens after which step of the call
   */
  async function train(
    training: Training,
    { seed = 1, after }: { seed?: number; after?: [steps: number, event: () => void] } = {},
  ) {
    const optimizer = training.optimizer?.() ?? new Adam({ learningRate: 0.05 });
    const model = new Sequential((training.layers ?? layers)()).build(device, { seed });
    model.compile({ optimizer, loss: training.loss ?? 'sparseCategoricalCrossentropy', metrics: ['recall'] });
    const backup = new BackupAndRestore({ path: place.path, saveFreq: 3, ...training.backup });
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
          logs: [history.epochs, ...history.replicas].map((logs) => logs.map(withoutTimes)),
          states,
        },
      };
    } finally {
      model.dispose();
    }
  }

  /** Trains until a crash after `steps` steps, then resumes as a restarted program would: with other initial weights. */
  async function trainTwice(training: Training, steps: number) {
    await expect(train(training, { after: [steps, crash] })).rejects.toThrow(Crash);
    return train(training, { seed: 2 });
  }

  return { place, monitors, train, trainTwice };
}
