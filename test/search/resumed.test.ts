import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  AbortedError,
  ArgumentError,
  BayesianOptimization,
  DataError,
  GridSearch,
  type HyperParameters,
  loadModel,
  RandomSearch,
  type RandomSearchOptions,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';
import { buildModel, data, fit, folder, network, trialsOf } from './searches.ts';

describeOnDevice('a search whose process is killed', () => {
  const program = bundleBeforeTests('test/support/search-and-die.ts');

  async function run(directory: string, kind: string, ...death: (string | number)[]) {
    const ended = await runToEnd([program, directory, kind, ...death.map(String)]);
    if (death.length > 0) {
      expect([ended.code, ended.signal, ended.out], ended.err).toEqual([null, 'SIGKILL', '']);
      return null as never;
    }
    expect(ended.code, ended.err).toBe(0);
    return JSON.parse(ended.out) as {
      left: { trials: { number: number; histories: object[][] }[] };
      trained: string[];
    };
  }
  let unbroken: Awaited<ReturnType<typeof run>>;
  const runWhole = async () => {
    unbroken ??= await run(folder(), 'random');
    return unbroken;
  };

  test('during a trial, and again after one: the same trials, scores and weights, to the bit', async () => {
    const { left, trained } = await runWhole();
    const directory = folder();
    await run(directory, 'random', 'step', 1, 2);
    expect(readdirSync(join(directory, 'trials'))).toEqual(['0000.json']);
    expect(readdirSync(join(directory, 'backups'))).toEqual(['0001.safetensors']);
    await run(directory, 'random', 'trial', 2);
    expect(readdirSync(join(directory, 'trials'))).toEqual(['0000.json', '0001.json', '0002.json']);
    const resumed = await run(directory, 'random');
    expect(resumed.left).toEqual(left);
    expect(resumed.trained).toEqual(trained.filter((one) => one.startsWith('3:')));
    expect(left.trials).toHaveLength(4);
    const lengths = left.trials.map(({ histories }) => histories[0]!.length);
    expect(Math.min(...lengths)).toBeLessThan(6); // some of them stopped early
  });

  test('when a training has just stopped early: the trial is not trained again', async () => {
    const { left } = await runWhole();
    const stopped = left.trials.find(({ histories }) => histories[0]!.length < 6)!;
    const directory = folder();
    await run(directory, 'random', 'fit', stopped.number);
    expect(existsSync(join(directory, 'trials', `000${stopped.number}.json`))).toBe(false);
    const resumed = await run(directory, 'random');
    expect(resumed.left).toEqual(left);
    expect(resumed.trained.filter((one) => one.startsWith(`${stopped.number}:`))).toEqual([]);
  });

  test('in a later round of Hyperband, which starts with carried weights', async () => {
    const { left, trained } = await run(folder(), 'hyperband');
    const carried = left.trials.find((trial) => 'tuner/trial_number' in (trial as never as { values: object }).values)!;
    const begin = (carried.histories[0]![0] as { epoch: number }).epoch;
    expect(begin).toBeGreaterThan(1);
    const directory = folder();
    await run(directory, 'hyperband', 'step', carried.number, begin);
    const resumed = await run(directory, 'hyperband');
    expect(resumed.left).toEqual(left);
    expect(resumed.trained.length).toBeLessThan(trained.length);
  });
});

describeOnDevice('a search that is created again', (device) => {
  const random = (directory: string, more: Partial<RandomSearchOptions> = {}) =>
    new RandomSearch({ buildModel, objective: 'valLoss', seed: 3, device, directory, maxTrials: 2, ...more });

  test('has the earlier results, trains nothing, and can be extended', async () => {
    const directory = folder();
    const first = random(directory);
    const whole = await first.search(data, fit);
    const trained: number[] = [];
    const onTrialBegin = ({ number }: { number: number }) => trained.push(number);
    const again = random(directory, { onTrialBegin });
    expect(again.resultsSummary()).toBe(first.resultsSummary());
    expect(again.record).toEqual(whole);
    expect(await again.search(data, fit)).toEqual(whole);
    expect(trained).toEqual([]);
    const longer = await random(directory, { maxTrials: 4, onTrialBegin }).search(data, fit);
    expect(trained).toEqual([2, 3]);
    expect(trialsOf(longer)).toEqual(trialsOf(await random(folder(), { maxTrials: 4 }).search(data, fit)));
  });

  test('with overwrite: true starts from the beginning, and deletes only its own files', async () => {
    const directory = folder();
    await random(directory).search(data, fit);
    mkdirSync(join(directory, 'other'));
    writeFileSync(join(directory, 'trials', 'note.txt'), 'mine');
    const other = random(directory, { seed: 4, maxTrials: 1, overwrite: true });
    expect(other.record.trials).toEqual([]);
    expect(readdirSync(join(directory, 'trials'))).toEqual(['0000.json', '0001.json', 'note.txt']); // until `search`
    await other.search(data, fit);
    expect(readdirSync(join(directory, 'trials'))).toEqual(['0000.json', 'note.txt']);
    expect(readdirSync(join(directory, 'weights'))).toEqual(['0000.safetensors']);
    expect(readdirSync(directory)).toContain('other');
    await other.search(data, fit); // deletes nothing a second time
    expect(other.record.trials).toHaveLength(1);
  });

  test('throws in the folder of another search, and lists the differences', async () => {
    const directory = folder();
    await random(directory).search(data, fit);
    const expectRefused = (more: Partial<RandomSearchOptions>, message: RegExp) => {
      expect(() => random(directory, more)).toThrow(ArgumentError);
      expect(() => random(directory, more)).toThrow(message);
    };
    expectRefused(
      { seed: 4 },
      /^RandomSearch: .* holds another search: seed was 3 and is 4\. Use what it was started with, .* overwrite: true$/,
    );
    expectRefused(
      { objective: 'valAccuracy' },
      /objective\.name was "valLoss" and is "valAccuracy"; objective\.direction was "min"/,
    );
    expectRefused({ executionsPerTrial: 2 }, /executionsPerTrial was 1 and is 2/);
    expectRefused({ pruning: true }, /options\.parallelTrials was none and is 1; /);
    await expect(random(directory).search(data, { ...fit, epochs: 4 })).rejects.toThrow(/fit\.epochs was 3 and is 4/);
    const others = { x: data.x.map((value) => -value), y: data.y };
    await expect(random(directory).search(others, fit)).rejects.toThrow(
      /fit\.data was "x \[80\], y \[40\], checksum .* and is/,
    );
  });

  test('throws if the space has changed, and lists the changes', async () => {
    const directory = folder();
    await random(directory).search(data, fit);
    const expectChanged = (build: (hp: HyperParameters) => unknown, message: RegExp) =>
      expect(() => random(directory, { buildModel: build as never })).toThrow(message);
    const rate = (hp: HyperParameters, max = 1) => hp.float('learningRate', { min: 1e-3, max, sampling: 'log' });
    const dropout = (hp: HyperParameters) => hp.float('dropout', { min: 0, max: 0.5, step: 0.25 });
    expectChanged((hp) => {
      dropout(hp);
      return network(hp.int('units', { min: 2, max: 8 }), rate(hp));
    }, /the space has changed: units was int from 2 to 6 and is int from 2 to 8\./);
    expectChanged(
      (hp) => network(hp.int('units', { min: 2, max: 6 }), rate(hp)),
      /the space has changed: dropout of trial 0 is no longer asked for/,
    );
    expectChanged((hp) => {
      hp.boolean('bias');
      return buildModel(hp);
    }, /the space has changed: bias, boolean, is new\./);
    expectChanged((hp) => {
      if (hp.int('units', { min: 2, max: 6 }) > 2) hp.boolean('bias');
      return buildModel(hp);
    }, /the space has changed: trial \d has no value of bias\./);
  });

  test("throws if a grid's defaults or order changed, which would skip combinations", async () => {
    const directory = folder();
    const grid = (names: string[], value = 1, maxTrials = 3) => {
      const build = (hp: HyperParameters) => {
        for (const name of names) hp.int(name, { min: 1, max: 3, default: value });
        return network();
      };
      return new GridSearch({ buildModel: build, objective: 'loss', maxTrials, directory, device });
    };
    await grid(['a', 'b']).search(data, { epochs: 1 });
    expect(() => grid(['a', 'b'], 3)).toThrow(
      /the space has changed: the default of a was 1 and is 3; the default of b/,
    );
    expect(() => grid(['b', 'a'])).toThrow(/the space has changed: trial 0 asked for a, b, and now for b, a\./);
    const { trials } = await grid(['a', 'b'], 1, 10).search(data, { epochs: 1 });
    expect(new Set(trials.map(({ values }) => JSON.stringify(values))).size).toBe(9);
  });

  test('continues after its builder was fixed: values that were never drawn are ignored', async () => {
    const directory = folder();
    const bayes = (into: string, isMended: boolean, maxTrials: number) => {
      const build = (hp: HyperParameters) => {
        if (hp.int('units', { min: 1, max: 9 }) > 5 && !isMended) throw new Error('too many');
        hp.float('rate', { min: 0, max: 1 });
        return network(2);
      };
      const options = { buildModel: build, numInitialPoints: 4, maxConsecutiveFailures: 9, seed: 3 };
      return new BayesianOptimization({ ...options, objective: 'loss', maxTrials, directory: into, device });
    };
    const first = await bayes(directory, false, 5).search(data, { epochs: 1 });
    expect(first.trials.map(({ status }) => status)).toContain('failed');
    const copy = folder();
    cpSync(directory, copy, { recursive: true });
    const [same, mended] = [
      await bayes(directory, false, 6).search(data, { epochs: 1 }),
      await bayes(copy, true, 6).search(data, { epochs: 1 }),
    ];
    expect(same.trials[5]!.status).toBe('completed');
    expect(mended.trials[5]!.values).toEqual(same.trials[5]!.values);
  });

  test('throws, and keeps the backup, if the builder no longer makes the model of an interrupted trial', async () => {
    const directory = folder();
    const abort = new AbortController();
    const callbacks = () => [{ onEpochEnd: () => abort.abort() }];
    const run = random(directory).search(data, { ...fit, callbacks, signal: abort.signal });
    await expect(run).rejects.toThrow(AbortedError);
    const wider = (hp: HyperParameters) => {
      buildModel(hp); // asks for the same
      return network((hp.get('units') as number) + 1, 0.1, hp.get('dropout') as number);
    };
    const other = random(directory, { buildModel: wider }).search(data, fit);
    await expect(other).rejects.toThrow(
      /backups.0000\.safetensors is of another training: .*weights\.dense\/kernel was "\[2,\d\]" and is/,
    );
    expect(readdirSync(join(directory, 'backups'))).toEqual(['0000.safetensors']);
    const resumed = await random(directory).search(data, fit);
    expect(trialsOf(resumed)).toEqual(trialsOf(await random(folder()).search(data, fit)));
  });

  test('throws for damaged, foreign or missing files', async () => {
    const directory = folder();
    await random(directory).search(data, fit);
    const path = join(directory, 'trials', '0001.json');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace(/"score":./, '"score":7'));
    expect(() => random(directory)).toThrow(DataError);
    expect(() => random(directory)).toThrow(
      /0001\.json is damaged: .*Delete it, and the search does this trial again$/,
    );
    writeFileSync(path, text.slice(0, 100));
    expect(() => random(directory)).toThrow(/0001\.json is not JSON, or cut short/);
    rmSync(path);
    const { trials } = await random(directory).search(data, fit);
    expect(trials.map(({ number }) => number)).toEqual([0, 1]);
    expect(JSON.parse(readFileSync(path, 'utf8')).score).toBe(JSON.parse(text).score);
    writeFileSync(join(directory, 'search.json'), '{"kind":"other"}');
    expect(() => random(directory)).toThrow(/search\.json does not hold a search: /);
    rmSync(join(directory, 'search.json'));
    expect(() => random(directory)).toThrow(/has trials but no search\.json/);
  });

  test('throws if another process is running it', async () => {
    const directory = folder();
    const search = random(directory);
    const both = await Promise.allSettled([search.search(data, fit), random(directory).search(data, fit)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [refused] = both.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused!.reason.message).toMatch(/process \d+ is still running this search. Wait until it ends, or stop it/);
    expect(readdirSync(directory)).not.toContain('search.lock');
  });

  test('bestModels throws with the differences if the builder makes another model; the file can be loaded alone', async () => {
    const directory = folder();
    const search = random(directory);
    await search.search(data, fit);
    const [best] = await search.bestModels();
    const number = search.record.trials.findIndex(
      ({ score }) => score === Math.min(...search.record.trials.map((one) => one.score!)),
    );
    const path = join(directory, 'weights', `000${number}.safetensors`);
    const alone = loadModel(path, device);
    expect([...(await alone.predict(data.x))]).toEqual([...(await best!.predict(data.x))]);
    alone.dispose();
    best!.dispose();
    const bestModelsWith = (make: (hp: HyperParameters) => unknown) => {
      const build = (hp: HyperParameters) => {
        const [units, dropout] = [
          hp.int('units', { min: 2, max: 6 }),
          hp.float('dropout', { min: 0, max: 0.5, step: 0.25 }),
        ];
        hp.float('learningRate', { min: 1e-3, max: 1, sampling: 'log' });
        return (make(hp) ?? network(units + 1, 0.1, dropout)) as never;
      };
      return random(directory, { buildModel: build }).bestModels();
    };
    await expect(bestModelsWith(() => null)).rejects.toThrow(
      /^buildModel makes a model that differs from that of trial \d, whose weights are in .*safetensors: config\.layers\.dense\.units was \d and is \d\. Continue/,
    );
    const other = (hp: HyperParameters) => {
      const model = network(hp.get('units') as number, 0.1, 0.4);
      return model;
    };
    await expect(bestModelsWith(other)).rejects.toThrow(/config\.layers\.dropout(\.rate)? was/);
  });
});
