import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EarlyStopping, GridSearch, HyperParameters, RandomSearch } from '../../src/node.ts';
import { searchRecord } from '../../src/search/record.ts';
import { describeOnDevice } from '../support/device.ts';
import { buildModel, data, fit, folder, network, trialsOf } from './searches.ts';

describeOnDevice('RandomSearch', (device) => {
  const common = { buildModel, objective: 'valAccuracy', seed: 3, device };

  test('trains its trials, saves them, and sorts them by score', async () => {
    const directory = folder();
    const seen: number[] = [];
    const search = new RandomSearch({
      ...common,
      directory,
      maxTrials: 3,
      onTrialEnd: ({ number }) => seen.push(number),
    });
    const record = await search.search(data, fit);
    expect(record.trials.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
    expect(seen).toEqual([0, 1, 2]);
    for (const { values, histories, score, bestEpoch, parameters } of record.trials) {
      const [epochs] = histories;
      const accuracies = epochs!.map(({ valAccuracy }) => valAccuracy!);
      expect(epochs!.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
      expect(score).toBe(Math.max(...accuracies));
      expect(bestEpoch).toBe(1 + accuracies.indexOf(score!));
      expect(parameters).toBe(3 * (values.units as number) + 2 * (values.units as number) + 2);
    }
    const scores = search
      .bestHyperparameters(3)
      .map((hp) => record.trials.find(({ values }) => values.learningRate === hp.get('learningRate'))!.score!);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(readdirSync(directory).sort()).toEqual(['backups', 'search.json', 'trials', 'weights']);
    expect(readdirSync(join(directory, 'backups'))).toEqual([]);
    const { crc32c: _, ...kept } = JSON.parse(readFileSync(join(directory, 'search.json'), 'utf8'));
    expect(searchRecord.parse(kept)).toEqual(record);
  });

  test('equal searches have the same trials, to the bit; another seed gives others', async () => {
    const run = async (seed: number) => {
      const search = new RandomSearch({ ...common, seed, directory: folder(), maxTrials: 2 });
      return trialsOf(await search.search(data, fit));
    };
    const [first, second, other] = [await run(3), await run(3), await run(4)];
    expect(second).toEqual(first);
    expect(other![0]!.values).not.toEqual(first![0]!.values);
  });

  test('a model of bestModels has the score of its trial', async () => {
    const search = new RandomSearch({ ...common, directory: folder(), maxTrials: 3 });
    const validationData = { x: data.x.subarray(0, 20), y: data.y.slice(0, 10) };
    const { trials } = await search.search(data, { epochs: 4, batchSize: 8, validationData });
    const models = await search.bestModels(2);
    expect(models).toHaveLength(2);
    for (const [i, hp] of search.bestHyperparameters(2).entries()) {
      const trial = trials.find(({ values }) => values.learningRate === hp.get('learningRate'))!;
      const { loss, accuracy } = await models[i]!.evaluate(validationData, { batchSize: 8 });
      const { valLoss } = trial.histories[0]![trial.bestEpoch! - 1]!;
      expect([loss, accuracy]).toEqual([valLoss, trial.score]);
      models[i]!.dispose();
    }
  });

  test('executionsPerTrial: trainings are independent, and the score is their mean', async () => {
    const record = await new RandomSearch({
      ...common,
      directory: folder(),
      maxTrials: 2,
      executionsPerTrial: 3,
    }).search(data, fit);
    const [, trial] = record.trials;
    expect(trial!.histories).toHaveLength(3);
    const best = trial!.histories.map((epochs) => Math.max(...epochs.map(({ valAccuracy }) => valAccuracy!)));
    expect(trial!.score).toBe(best.reduce((sum, one) => sum + one, 0) / 3);
    // A single training with the seed of execution 2 of trial 1: 3 + 1 * 3 + 2.
    const model = buildModel(new HyperParameters({ values: trial!.values })).build(device, { seed: 8 });
    const { epochs } = await model.fit(data, { ...fit, seed: 8 });
    model.dispose();
    expect(trial!.histories[2]!.map(({ loss, valLoss }) => [loss, valLoss])).toEqual(
      epochs.map(({ loss, valLoss }) => [loss, valLoss]),
    );
  });

  test('callbacks are created for each trial, and EarlyStopping ends it', async () => {
    const numbers: number[] = [];
    const callbacks = ({ number }: { number: number }) => {
      numbers.push(number);
      return [new EarlyStopping({ monitor: 'loss', patience: 0, minDelta: 100 })];
    };
    const { trials } = await new RandomSearch({ ...common, directory: folder(), maxTrials: 2 }).search(data, {
      ...fit,
      epochs: 6,
      callbacks,
    });
    expect(numbers).toEqual([0, 1]);
    expect(trials.map(({ histories }) => histories[0]!.length)).toEqual([2, 2]);
    expect(trials.map(({ status }) => status)).toEqual(['completed', 'completed']);
  });

  test('summaries have the layout of KerasTuner', async () => {
    const directory = folder();
    const search = new RandomSearch({ ...common, directory, maxTrials: 2 });
    expect(search.searchSpaceSummary().split('\n')).toEqual([
      ...['[Search space summary]', '|-Default search space size: 3'],
      ...['> units (Int)', '|-default: 2', '|-max_value: 6', '|-min_value: 2', '|-sampling: None', '|-step: 1'],
      ...[
        '> dropout (Float)',
        '|-default: 0',
        '|-max_value: 0.5',
        '|-min_value: 0',
        '|-sampling: None',
        '|-step: 0.25',
      ],
      ...[
        '> learningRate (Float)',
        '|-default: 0.001',
        '|-max_value: 1',
        '|-min_value: 0.001',
        '|-sampling: log',
        '|-step: None',
      ],
    ]);
    const { trials } = await search.search(data, fit);
    const [best] = [...trials].sort((a, b) => b.score! - a.score!);
    const { number, score, bestEpoch, values } = best!;
    expect(search.trialSummary(number).split('\n')).toEqual([
      ...[
        '[Trial summary]',
        `|-Trial ID: ${number}`,
        `|-Score: ${score}`,
        `|-Best epoch: ${bestEpoch}`,
        '> Hyperparameters:',
      ],
      ...[`|-dropout: ${values.dropout}`, `|-learningRate: ${values.learningRate}`, `|-units: ${values.units}`],
    ]);
    expect(search.resultsSummary(1)).toBe(
      [
        ...['[Results summary]', `|-Results in ${directory}`, '|-Trials: 2 completed', '|-Showing 1 best trials'],
        ...['|-Objective: valAccuracy (max)', search.trialSummary(number)],
      ].join('\n'),
    );
  });

  test('a second trial with the same shapes creates no pipeline', async () => {
    const rates = (hp: HyperParameters) => {
      hp.float('rate', { min: 0.1, max: 1 });
      return network(5, hp.get('rate') as number);
    };
    const created: number[] = [];
    const onTrialEnd = () => created.push(device.counters.pipelinesCreated);
    const search = new RandomSearch({ ...common, buildModel: rates, directory: folder(), maxTrials: 3, onTrialEnd });
    await search.search(data, fit);
    expect(created[1]).toBe(created[0]);
    expect(created[2]).toBe(created[0]);
  });

  test('GridSearch: tries every combination once', async () => {
    const build = (hp: HyperParameters) => {
      const units = hp.choice('units', [2, 4]);
      const learningRate = hp.boolean('slow') ? hp.choice('rate', [0.1, 0.2, 0.3]) : 1;
      return network(units, learningRate);
    };
    const search = new GridSearch({ ...common, buildModel: build, directory: folder() });
    const { trials } = await search.search(data, { ...fit, epochs: 1 });
    expect(new Set(trials.map(({ values }) => JSON.stringify(values))).size).toBe(2 * (1 + 3));
    expect(trials).toHaveLength(8);
  });

  test('ends if a small space has no other trial', async () => {
    const build = (hp: HyperParameters) => network(hp.choice('units', [2, 4, 6]));
    const search = new RandomSearch({ ...common, buildModel: build, directory: folder(), maxTrials: 50 });
    const { trials } = await search.search(data, { ...fit, epochs: 1 });
    expect(trials.map(({ values }) => values.units).sort()).toEqual([2, 4, 6]);
  });
});
