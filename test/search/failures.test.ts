import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  AbortedError,
  ArgumentError,
  type Callback,
  Dense,
  DeviceLostError,
  GridSearch,
  type HyperParameters,
  LambdaCallback,
  OutOfMemoryError,
  openDevice,
  RandomSearch,
  SearchError,
  type SearchFitOptions,
  type SearchOptions,
  Sequential,
  SGD,
  type Trial,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { buildModel, data, fit, folder, network, trialsOf } from './searches.ts';

/** A builder of one hyperparameter, `n` from 0 to 9. */
const numberedBuilder = (make: (n: number) => unknown) => (hp: HyperParameters) => {
  const n = hp.int('n', { min: 0, max: 9 });
  return make(n) as Sequential;
};

describeOnDevice('a trial that fails', (device) => {
  const grid = (make: (n: number) => unknown, more: Partial<SearchOptions> & { maxTrials?: number } = {}) =>
    new GridSearch({
      ...{ buildModel: numberedBuilder(make), objective: 'valLoss', directory: folder(), device, maxTrials: 4 },
      ...more,
    });
  const statuses = async (search: GridSearch, options: SearchFitOptions = fit) =>
    (await search.search(data, options)).trials.map(({ status, reason, score }) => [status, reason, score === null]);
  const good = ['completed', undefined, false];

  test('is kept with its reason, and the search continues: a builder that throws', async () => {
    const search = grid((n) => {
      if (n === 1) throw new RangeError('no such thing');
      return network();
    });
    expect(await statuses(search)).toEqual([good, ['failed', 'RangeError: no such thing', true], good, good]);
    expect(
      search
        .bestHyperparameters(9)
        .map((hp) => hp.get('n'))
        .sort(),
    ).toEqual([0, 2, 3]);
    expect(search.trialSummary(1)).toContain('|-Status: failed: RangeError: no such thing');
    expect(search.resultsSummary()).toContain('|-Trials: 3 completed, 1 failed');
  });

  test('a builder that returns no model for some values', async () => {
    const search = grid((n) => (n === 2 ? null : network()));
    const failed = [
      'failed',
      expect.stringMatching(/^ArgumentError: buildModel: must return a model .* returned null/),
      true,
    ];
    expect(await statuses(search)).toEqual([good, good, failed, good]);
  });

  test('a callback that throws; epochs before are kept', async () => {
    const search = grid(() => network());
    const callbacks = ({ number }: { number: number }): Callback[] => [
      {
        onEpochEnd: ({ epoch }) => {
          if (number === 1 && epoch === 2) throw new Error('a bad day');
        },
      },
    ];
    expect(await statuses(search, { ...fit, callbacks })).toEqual([
      good,
      ['failed', 'Error: a bad day', true],
      good,
      good,
    ]);
    expect(search.record.trials[1]!.histories[0]!.map(({ epoch }) => epoch)).toEqual([1, 2]);
  });

  test('out of memory', async () => {
    const search = grid(() => network());
    const callbacks = ({ number }: { number: number }) => [
      new LambdaCallback({
        onEpochBegin: () => {
          if (number === 0) throw new OutOfMemoryError('no memory for 1 TB');
        },
      }),
    ];
    const failed = ['failed', 'OutOfMemoryError: no memory for 1 TB', true];
    expect(await statuses(search, { ...fit, callbacks })).toEqual([failed, good, good, good]);
  });

  test('a loss that becomes NaN: the remaining epochs are not trained', async () => {
    const search = grid((n) =>
      new Sequential([new Dense({ units: 1, inputShape: [2] })]).compile({
        optimizer: new SGD({ learningRate: n === 1 ? 1e30 : 1e-3 }),
        loss: 'meanSquaredError',
      }),
    );
    const { trials } = await search.search(data, { ...fit, epochs: 5 });
    expect(trials.map(({ status }) => status)).toEqual(['completed', 'failed', 'completed', 'completed']);
    const [, { reason, histories }] = trials as [Trial, Trial];
    expect(reason).toBe('the loss or weights became NaN or infinite');
    expect(histories[0]!.length).toBeLessThan(5);
    expect(histories[0]!.at(-1)!.loss).toBe(null);
  });

  test('several in a row end the search with the reason; searching again continues after them', async () => {
    const directory = folder();
    let broken = true;
    const make = (n: number) => {
      if (broken && n >= 1 && n <= 3) throw new Error(`broken ${n}`);
      return network();
    };
    const search = grid(make, { directory, maxTrials: 6 });
    await expect(search.search(data, fit)).rejects.toThrow(SearchError);
    await expect(grid(make, { directory: folder(), maxTrials: 6 }).search(data, fit)).rejects.toThrow(
      /^GridSearch: 3 trials in a row, 1 to 3, failed, the last with: Error: broken 3\. Failed trials are not repeated: fix the cause and start a new search, .* with overwrite: true; or search again to continue after them, with a larger maxConsecutiveFailures/,
    );
    expect(search.record.trials.map(({ number }) => number)).toEqual([0, 1, 2, 3]);
    broken = false;
    const again = await grid(make, { directory, maxTrials: 6 }).search(data, fit);
    expect(again.trials.map(({ status }) => status[0])).toEqual(['c', 'f', 'f', 'f', 'c', 'c']);
    broken = true;
    const patient = await grid(make, { maxConsecutiveFailures: 4, maxTrials: 6 }).search(data, fit);
    expect(patient.trials).toHaveLength(6);
  });

  test('a signal is not a failure: it leaves a backup, from which the search continues', async () => {
    const directory = folder();
    const abort = new AbortController();
    const callbacks = ({ number }: { number: number }): Callback[] => [
      {
        onSafePoint: ({ after }) => {
          if (number === 1 && after === 'step') abort.abort();
        },
      },
    ];
    const stopped = grid(() => network(), { directory });
    const run = stopped.search(data, { ...fit, callbacks, signal: abort.signal });
    await expect(run).rejects.toThrow(AbortedError);
    expect(stopped.record.trials.map(({ number }) => number)).toEqual([0]);
    expect(readdirSync(join(directory, 'backups'))).toEqual(['0001.safetensors']);
    const resumed = await grid(() => network(), { directory }).search(data, fit);
    const whole = await grid(() => network()).search(data, fit);
    expect(trialsOf(resumed)).toEqual(trialsOf(whole));
    expect(readdirSync(join(directory, 'backups'))).toEqual([]);
  });

  test('a lost device is not a failure of the trial: the search ends, and continues on another device', async () => {
    const directory = folder();
    const lost = await openDevice();
    const callbacks = ({ number }: { number: number }): Callback[] => [
      {
        onEpochEnd: ({ epoch }) => {
          if (number === 1 && epoch === 2) lost.gpu.destroy();
        },
      },
    ];
    const search = grid(() => network(), { directory, device: lost });
    await expect(search.search(data, { ...fit, callbacks })).rejects.toThrow(DeviceLostError);
    lost.dispose();
    const resumed = await grid(() => network(), { directory }).search(data, fit);
    expect(trialsOf(resumed)).toEqual(trialsOf(await grid(() => network()).search(data, fit)));
  });
});

describeOnDevice('errors of a search', (device) => {
  const random = (more: Partial<SearchOptions>) =>
    new RandomSearch({ buildModel, objective: 'valLoss', directory: folder(), device, maxTrials: 2, ...more } as never);

  test('an objective that no epoch reports: the first trial throws, and lists the metrics', async () => {
    const search = random({ objective: { name: 'valRecall', direction: 'max' } });
    await expect(search.search(data, fit)).rejects.toThrow(
      /^search: objective: the epoch has no metric "valRecall"; there are loss, accuracy, valLoss, valAccuracy, learningRate/,
    );
    expect(search.record.trials).toEqual([]);
    await expect(random({}).search(data, { epochs: 3 })).rejects.toThrow(
      /^RandomSearch: search: the objective valLoss needs validation, but there is neither validationData nor validationSplit; give/,
    );
    // Without validation data, and with a callback that may add the metric: throws after one epoch.
    const epochs: number[] = [];
    const callbacks = () => [{ onEpochEnd: ({ epoch }: { epoch: number }) => void epochs.push(epoch) }];
    const run = random({}).search(data, { epochs: 3, callbacks });
    await expect(run).rejects.toThrow(
      /no metric "valLoss"; there are epoch, loss.*need validationData or validationSplit/,
    );
    expect(epochs).toEqual([1]);
  });

  test('no error for a metric that a callback adds', async () => {
    const callbacks = () => [
      {
        adds: ['size'],
        onEpochEnd: (logs: Record<string, number>) => {
          logs.size = 5 - logs.epoch!;
        },
      },
    ];
    const objective = { name: 'size', direction: 'min' } as const;
    const { trials } = await random({ objective }).search(data, { ...fit, callbacks: callbacks as never });
    expect(trials.map(({ score, bestEpoch }) => [score, bestEpoch])).toEqual([[2, 3], [2, 3]]); // biome-ignore format: as pairs
  });

  test('an objective whose name has no known direction', () => {
    expect(() => random({ objective: 'size' })).toThrow(
      /^RandomSearch: the direction of the objective "size" must be 'min' or 'max', but its name does not imply it; give \{ name: "size", direction: 'max' \}/,
    );
    expect(() => random({ objective: { name: 'loss', direction: 'up' } as never })).toThrow(/it was given as "up"/);
    expect(() => random({ objective: ['valLoss', 'loss'] as never })).toThrow(
      /^RandomSearch: objective must be the name of a metric of the epochs, such as 'valAccuracy', or \{ name, direction \}, but is /,
    );
    expect(() => random({ objective: undefined as never })).toThrow(/or \{ name, direction \}, but is undefined$/);
    expect(() => random({ objective: { name: 'loss', mode: 'up' } as never })).toThrow(
      /objective: there is no option mode/,
    );
    const directions = ['val_loss', 'valAccuracy', 'meanError', 'topK5', 'f1'].map(
      (name) => random({ objective: name }).objective,
    );
    expect(directions.map(({ name, direction }) => `${name} ${direction}`)).toEqual(
      ['valLoss min', 'valAccuracy max', 'meanError min', 'topK5 max', 'f1 max'], // biome-ignore format: as a list
    );
  });

  test('a builder that returns no model, a built or uncompiled one, or the same one twice', () => {
    const layers = () => [new Dense({ units: 1, inputShape: [2] })];
    const built = new Sequential(layers()).build(device);
    const one = network();
    const asks = (model: unknown) => (hp: HyperParameters) => {
      hp.boolean('b');
      return model as Sequential;
    };
    expect(() => random({ buildModel: asks(undefined) })).toThrow(
      /^buildModel: must return a model of layers, compiled, but returned nothing/,
    );
    expect(() => random({ buildModel: asks(Promise.resolve(one)) })).toThrow(
      /returned a Promise.*; await asynchronous work before the search/,
    );
    expect(() => random({ buildModel: asks(built) })).toThrow(
      /^buildModel: the model it returned is built .*leave out build\(device\)/,
    );
    expect(() => random({ buildModel: asks(new Sequential(layers())) })).toThrow(
      /compile\(\{ optimizer, loss \}\) comes first/,
    );
    random({ buildModel: asks(one) });
    expect(() => random({ buildModel: asks(one) })).toThrow(
      /^buildModel: it returned the same model twice; make new layers/,
    );
    expect(() => random({ buildModel: 5 as never })).toThrow(
      /^RandomSearch: buildModel: takes a function, but was given 5/,
    );
    built.dispose();
  });

  test('invalid options of fit, before any trial', async () => {
    const wrong = async (more: object, message: RegExp) => {
      const search = random({});
      await expect(search.search(data, { ...fit, ...more })).rejects.toThrow(message);
      expect(search.record.trials).toEqual([]);
    };
    await wrong(
      { batchSize: () => 8 },
      /^RandomSearch: search: batchSize must be an integer from 1 up, but is \(\) => 8/,
    );
    await wrong({ validationSplit: 20 }, /validationSplit must be above 0 and below 1, such as 0\.2, but is 20$/);
  });

  test('the best model of a search without a score', async () => {
    const search = random({ maxConsecutiveFailures: 5 });
    const first =
      /^RandomSearch: bestModels: no trial has a score: none has ended; await search\(data, fitOptions\) first$/;
    await expect(search.bestModels()).rejects.toThrow(first);
    expect(() => search.bestHyperparameters()).toThrow(
      /^RandomSearch: bestHyperparameters: no trial has a score: none has/,
    );
    expect(search.resultsSummary()).toContain('|-Trials: 0 completed');
    const callbacks = () => {
      throw new Error('broken');
    };
    await search.search(data, { ...fit, callbacks });
    await expect(search.bestModels()).rejects.toThrow(
      /no trial has a score: all 2 failed, the last with: Error: broken$/,
    );
  });

  test('an empty space', () => {
    const buildFixed = (hp: HyperParameters) => {
      hp.fixed('units', 3);
      return network();
    };
    expect(() => random({ buildModel: () => network() })).toThrow(
      /^RandomSearch: buildModel asks hp for no hyperparameter, so there is nothing to search; ask for one/,
    );
    expect(() => random({ buildModel: buildFixed })).toThrow(/no hyperparameter that can change/);
  });

  test('a hyperparameter name with two kinds', () => {
    const build = (hp: HyperParameters) => {
      hp.int('size', { min: 1, max: 3 });
      hp.choice('size', [1, 2, 3]);
      return network();
    };
    expect(() => random({ buildModel: build })).toThrow(ArgumentError);
    expect(() => random({ buildModel: build })).toThrow(/size is asked for as a int from 1 to 3 and as a .*choice/);
  });

  test('callbacks as a list, options of fit that the search sets, and no device', async () => {
    await expect(random({}).search(data, { ...fit, callbacks: [] as never })).rejects.toThrow(
      /^RandomSearch: search: callbacks have state.* but a list was given; give a function that makes them: callbacks: \(\) => \[/,
    );
    await expect(random({}).search(data, { ...fit, seed: 1 } as never)).rejects.toThrow(
      /no option seed; a trial's seed follows/,
    );
    await expect(random({}).search(data, { ...fit, replicas: 2 } as never)).rejects.toThrow(/executionsPerTrial/);
    await expect(random({ device: undefined } as never).search(data, fit)).rejects.toThrow(
      /needs a device to train on/,
    );
    await expect(random({}).search(null, fit)).rejects.toThrow(/takes data as model.fit does, but was given null/);
    await expect(random({}).search(data, { ...fit, signal: {} as never })).rejects.toThrow(
      /signal must be an AbortSignal/,
    );
    await expect(random({}).search(data, { ...fit, epochs: 0 })).rejects.toThrow(
      /epochs must be an integer from 1 up, but is 0/,
    );
    await expect(random({}).search(data, { ...fit, batchSize: 0 })).rejects.toThrow(
      /^RandomSearch: search: batchSize must be an integer from 1 up, but is 0$/,
    );
  });

  test('data that would fail in every trial, or in every one but the first', async () => {
    const wrong = async (given: unknown, message: RegExp) => {
      const search = random({});
      await expect(search.search(given as never, fit)).rejects.toThrow(message);
      await expect(search.search(data, { epochs: 1, validationData: given as never })).rejects.toThrow(message);
      expect(search.record.trials).toEqual([]);
    };
    const batches = () => [{ x: data.x, y: data.y }].values();
    await wrong(batches(), /a stream can be read only once; give a function that opens it$/);
    await wrong([data], /to train on a list of batches, pass a function that returns it: \(\) => batches/);
    await wrong(Promise.resolve(data), /takes \{ x, y \}, a loader such as .* but was given a Promise, to be awaited/);
    const { trials } = await random({ objective: 'loss' }).search(batches, { epochs: 1 });
    expect(trials.map(({ status }) => status)).toEqual(['completed', 'completed']);
  });

  test('a seed that leaves no seeds for the trials', async () => {
    const seed = Number.MAX_SAFE_INTEGER;
    const search = random({ seed });
    await expect(search.search(data, fit)).rejects.toThrow(
      /^RandomSearch: trial 1, the last execution: seed must be an integer from 0 to 2\^53 - 1/,
    );
  });
});
