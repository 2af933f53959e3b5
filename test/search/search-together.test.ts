import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  AbortedError,
  Adam,
  ArgumentError,
  type Callback,
  Dense,
  Dropout,
  EarlyStopping,
  Hyperband,
  type HyperbandOptions,
  type HyperParameters,
  RandomSearch,
  type RandomSearchOptions,
  ReduceLROnPlateau,
  regularizers,
  Sequential,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { data, fit, folder, trialsOf } from './searches.ts';

/** Options that may differ between replicas, and units of two sizes: trials of one size can be trained together. */
function buildModel(hp: HyperParameters): Sequential {
  const units = hp.choice('units', [3, 4]) as number;
  const penalty = hp.float('l2', { min: 1e-4, max: 0.1, sampling: 'log' });
  return new Sequential([
    new Dense({ units, activation: 'tanh', kernelRegularizer: regularizers.l2(penalty), inputShape: [2] }),
    new Dropout(hp.float('dropout', { min: 0, max: 0.5, step: 0.25 })),
    new Dense({ units: 2, activation: 'softmax' }),
  ]).compile({
    optimizer: new Adam({ learningRate: hp.float('learningRate', { min: 1e-3, max: 1, sampling: 'log' }) }),
    loss: 'sparseCategoricalCrossentropy',
  });
}

describeOnDevice('a search whose trials are trained together', (device) => {
  const common = { buildModel, objective: 'valLoss', seed: 3, device };
  const weightsIn = (directory: string) =>
    readdirSync(join(directory, 'weights')).map((name) => [
      name,
      readFileSync(join(directory, 'weights', name), 'hex'),
    ]);
  const random = async (options: Partial<RandomSearchOptions>, more = {}) => {
    const directory = folder();
    const record = await new RandomSearch({ ...common, directory, maxTrials: 7, ...options }).search(data, {
      ...fit,
      ...more,
    });
    expect(readdirSync(join(directory, 'backups'))).toEqual([]);
    return { trials: trialsOf(record), weights: weightsIn(directory) };
  };
  /** Trainings that a search starts. */
  const counting = async <T>(run: () => Promise<T>) => {
    const { record } = device;
    let programs = 0;
    device.record = (build) => {
      programs++;
      return record.call(device, build);
    };
    try {
      return { ...(await run()), programs };
    } finally {
      device.record = record;
    }
  };

  test('has the trials, scores and weights of a search that trains one by one, to the bit', async () => {
    const alone = await counting(() => random({}));
    const { programs: _, ...expected } = alone;
    for (const together of [2, 4, 16]) {
      const { programs, ...found } = await counting(() => random({ together }));
      expect(found).toEqual(expected);
      expect(programs).toBeLessThan(alone.programs); // some were
    }
    expect(expected.trials.map(({ status }) => status)).toEqual(Array(7).fill('completed'));
  });

  test('callbacks, pruning and executions apply to each trial', async () => {
    const callbacks = (): Callback[] => [
      new EarlyStopping({ monitor: 'loss', minDelta: 0.05, restoreBestWeights: true }),
      new ReduceLROnPlateau({ monitor: 'valLoss', patience: 0, factor: 0.5 }),
    ];
    const options = { pruning: { startupTrials: 3 }, parallelTrials: 4, executionsPerTrial: 2, maxTrials: 11 };
    const more = { epochs: 6, callbacks };
    const expected = await random(options, more);
    expect(await random({ ...options, together: 4 }, more)).toEqual(expected);
    const lengths = expected.trials.map(({ histories }) => histories[0]!.length);
    expect(new Set(lengths).size).toBeGreaterThan(1);
    expect(expected.trials.some(({ status }) => status === 'pruned')).toBe(true);
  });

  test("Hyperband starts its later rounds with each trial's weights", async () => {
    const run = async (options: Partial<HyperbandOptions>) => {
      const directory = folder();
      const search = new Hyperband({ ...common, directory, maxEpochs: 4, factor: 2, ...options });
      const record = await search.search(data, { ...fit, epochs: undefined });
      return { trials: trialsOf(record), weights: weightsIn(directory) };
    };
    const expected = await run({});
    expect(expected.trials.some(({ values }) => 'tuner/trial_number' in values)).toBe(true);
    expect(await run({ together: 8 })).toEqual(expected);
  });

  test('a trial that fails does not affect the others', async () => {
    const failing = ({ number }: { number: number }): Callback[] => [
      {
        onEpochEnd: ({ epoch }) => {
          if (number === 2 && epoch === 2) throw new RangeError('no such epoch');
        },
        onTrainBegin: ({ model }) => void (number === 4 && model.parameters.values),
      },
      ...(number === 5 ? [{ onSteps() {}, everySteps: 3 }] : []),
    ];
    const expected = await random({}, { callbacks: failing });
    expect(await random({ together: 7 }, { callbacks: failing })).toEqual(expected);
    expect(expected.trials[2]).toMatchObject({ status: 'failed', reason: 'RangeError: no such epoch' });
    expect(expected.trials[4]).toMatchObject({ status: 'completed' });
  });

  test('a search that was stopped continues in the middle of its trials', async () => {
    const directory = folder();
    const expected = await random({});
    const abort = new AbortController();
    const starts: string[] = [];
    const callbacks = ({ number }: { number: number }): Callback[] => [
      {
        onEpochBegin: ({ epoch }) => void starts.push(`${number}:${epoch}`),
        onEpochEnd: ({ epoch }) => {
          if (number === 1 && epoch === 2) abort.abort();
        },
      },
    ];
    const options = { ...common, directory, maxTrials: 7, together: 4 };
    const run = new RandomSearch(options).search(data, { ...fit, callbacks, signal: abort.signal });
    await expect(run).rejects.toThrow(AbortedError);
    const left = readdirSync(join(directory, 'backups'));
    expect(left).toHaveLength(1);
    expect(left[0]).toMatch(/^together-.*1.*\.safetensors$/);
    starts.length = 0;
    const record = await new RandomSearch(options).search(data, { ...fit, callbacks });
    expect({ trials: trialsOf(record), weights: weightsIn(directory) }).toEqual(expected);
    expect(starts).toContain('1:3');
    expect(starts).not.toContain('1:1');
    expect(readdirSync(join(directory, 'backups'))).toEqual([]);
  });

  test.each([0, 1.5, 41, '4'])('throws for together: %j', (together) => {
    const make = () => new RandomSearch({ ...common, directory: folder(), together: together as number });
    expect(make).toThrow(ArgumentError);
    expect(make).toThrow(/^RandomSearch: together/);
  });

  test('continuing one by one after an interruption leaves no backup', async () => {
    const directory = folder();
    const abort = new AbortController();
    const callbacks = (): Callback[] => [{ onEpochEnd: () => abort.abort() }];
    const options = { ...common, directory, maxTrials: 2 };
    const run = new RandomSearch({ ...options, together: 2 }).search(data, { ...fit, callbacks, signal: abort.signal });
    await expect(run).rejects.toThrow(AbortedError);
    expect(readdirSync(join(directory, 'backups'))).toEqual(['together-0-1.safetensors']);
    await new RandomSearch(options).search(data, fit);
    expect(readdirSync(join(directory, 'backups'))).toEqual([]);
  });

  test('together: throws with a runner', () => {
    const runner = { concurrency: 1, run: () => Promise.reject(new Error('never')) };
    const make = () => new RandomSearch({ ...common, directory: folder(), together: 4, runner });
    expect(make).toThrow(/together applies only to trials in this process/);
  });
});
