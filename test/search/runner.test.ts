import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  Adam,
  BayesianOptimization,
  Hyperband,
  loadModel,
  RandomSearch,
  SearchError,
  type Trial,
  type TrialDescription,
  type TrialResult,
  type TrialRunner,
} from '../../src/node.ts';
import { trialDescription } from '../../src/search/trial.ts';
import { describeOnDevice } from '../support/device.ts';
import { random } from '../support/random.ts';
import { buildModel, data, fit, folder, trialsOf } from './searches.ts';

/** Runs trials without training: their losses are computed from their values. Parallel trials end in another order. */
class PretendingRunner implements TrialRunner {
  /** Trials that began, in that order, and how many ran at once at most. */
  readonly begun: TrialDescription[] = [];
  most = 0;
  private running = 0;
  private readonly noise = random(11);

  constructor(
    readonly concurrency: number,
    private readonly lossOf = ({ values, epochs }: TrialDescription) => (values.units as number) / epochs,
  ) {}

  async run(description: TrialDescription): Promise<TrialResult> {
    expect(trialDescription.parse(JSON.parse(JSON.stringify(description)))).toEqual(description);
    this.begun.push(description);
    this.most = Math.max(this.most, ++this.running);
    await new Promise((resolve) => setTimeout(resolve, this.concurrency > 1 ? 20 * this.noise.uniform() : 0));
    this.running--;
    const { number, values, epochs, initialEpoch, executions } = description;
    const score = this.lossOf(description);
    const epochsLogs = Array.from({ length: epochs - initialEpoch }, (_, i) => ({
      epoch: initialEpoch + i + 1,
      valLoss: score,
    }));
    const histories = Array.from({ length: executions }, () => epochsLogs);
    const trial: Trial = {
      ...{ number, values, status: 'completed', score, bestEpoch: epochs, histories, parameters: 1 },
      ...{ seconds: { setUp: 0, total: 0 }, adapter: 'none' },
    };
    return { trial, weights: new TextEncoder().encode(`weights of ${number}`) };
  }
}

const common = { buildModel, objective: 'valLoss', seed: 3 };

test('a runner receives plain JSON; parallel trials give the same search as sequential ones', async () => {
  const run = async (concurrency: number) => {
    const runner = new PretendingRunner(concurrency);
    const record = await new RandomSearch({ ...common, directory: folder(), maxTrials: 12, runner }).search(null, fit);
    return { runner, trials: trialsOf(record) };
  };
  const [one, four] = [await run(1), await run(4)];
  expect([one.runner.most, four.runner.most]).toEqual([1, 4]);
  expect(four.trials).toEqual(one.trials);
  expect(one.runner.begun.map(({ seed }) => seed)).toEqual(Array.from({ length: 12 }, (_, n) => 3 + n));
  expect(
    one.runner.begun.every(({ epochs, from, initialEpoch }) => epochs === 3 && from === null && initialEpoch === 0),
  ).toBe(true);
});

test('BayesianOptimization uses the results of groups of trials, whichever ends first', async () => {
  const run = async (concurrency: number, parallelTrials: number) => {
    const runner = new PretendingRunner(concurrency);
    const options = { ...common, directory: folder(), maxTrials: 12, numInitialPoints: 4, parallelTrials, runner };
    return { runner, trials: trialsOf(await new BayesianOptimization(options).search(null, fit)) };
  };
  const [one, three, alone] = [await run(1, 3), await run(3, 3), await run(3, 1)];
  expect(three.runner.most).toBe(3);
  expect(three.trials).toEqual(one.trials);
  expect(alone.trials.slice(0, 5)).toEqual(one.trials.slice(0, 5));
  expect(alone.trials).not.toEqual(one.trials);
});

test('Hyperband passes the weights of the previous round to the runner, and other brackets continue while one waits', async () => {
  const run = async (concurrency: number) => {
    const directory = folder();
    const handed: [number, number | null, string | null][] = [];
    const runner = new PretendingRunner(concurrency);
    const original = runner.run.bind(runner);
    runner.run = (description, { weights } = { weights: null }) => {
      handed.push([description.number, description.from, weights && new TextDecoder().decode(weights)]);
      return original(description);
    };
    const record = await new Hyperband({ ...common, directory, maxEpochs: 9, runner } as never).search(null, {
      batchSize: 8,
    });
    return { runner, handed, trials: trialsOf(record) };
  };
  const [one, six] = [await run(1), await run(6)];
  expect(six.trials).toEqual(one.trials);
  expect(six.runner.most).toBe(6);
  for (const [number, from, weights] of one.handed) {
    const { values } = one.trials[number]!;
    expect(from).toBe(values['tuner/trial_number'] ?? null);
    expect(weights).toBe(from === null ? null : `weights of ${from}`);
  }
  expect(one.handed.filter(([, from]) => from !== null).length).toBeGreaterThan(3);
  const order = six.runner.begun.map(({ number }) => number);
  expect(order).not.toEqual([...order].sort((a, b) => a - b)); // it did not wait for the end of a round
});

test('an error of the runner ends the search once the other trials have ended', async () => {
  const runner = new PretendingRunner(3, ({ number }) => {
    if (number === 4) throw new RangeError('the queue is gone');
    return number;
  });
  const search = new RandomSearch({ ...common, directory: folder(), maxTrials: 12, runner });
  await expect(search.search(null, fit)).rejects.toThrow(/^the queue is gone$/);
  expect(search.record.trials.length).toBeLessThan(12);
  const onTrialBegin = () => {
    throw new RangeError('no more trials');
  };
  const stopped = new RandomSearch({ ...common, directory: folder(), runner: new PretendingRunner(2), onTrialBegin });
  await expect(stopped.search(null, fit)).rejects.toThrow(/^no more trials$/); // at once, before anything is waited for
  for (const hook of ['onTrialBegin', 'onTrialEnd']) {
    const rejecting = { [hook]: () => Promise.reject(new RangeError('not written')) };
    const options = { ...common, directory: folder(), runner: new PretendingRunner(2) };
    await expect(new RandomSearch({ ...options, ...rejecting }).search(null, fit)).rejects.toThrow(/^not written$/);
  }
  const failing = new PretendingRunner(3);
  failing.run = async ({ number, values }) => ({
    trial: {
      ...{
        number,
        values,
        status: 'failed',
        score: null,
        bestEpoch: null,
        histories: [],
        parameters: null,
        reason: 'broken',
      },
      ...{ seconds: { setUp: 0, total: 0 }, adapter: 'none' },
    },
    weights: null,
  });
  const hopeless = new RandomSearch({ ...common, directory: folder(), maxTrials: 12, runner: failing });
  await expect(hopeless.search(null, fit)).rejects.toThrow(SearchError);
});

describeOnDevice('Hyperband', (device) => {
  test('starts a later round with the weights of the trial that it continues', async () => {
    const directory = folder();
    const described: TrialDescription[] = [];
    const onTrialBegin = (trial: TrialDescription) => described.push(trial);
    const search = new Hyperband({ ...common, directory, maxEpochs: 4, factor: 2, device, onTrialBegin });
    const { trials } = await search.search(data, { batchSize: 8, validationSplit: 0.25 });
    const carried = described.find(({ from }) => from !== null)!;
    const { number, from, seed, epochs, initialEpoch, values } = carried;
    expect(initialEpoch).toBe(described[from!]!.epochs);
    // The same without a search: from the saved weights, and from drawn ones.
    const train = async (path: string | null) => {
      const model =
        path === null
          ? buildModel(search.bestHyperparameters(99).find((hp) => hp.get('tuner/trial_number') === from)!).build(
              device,
              { seed },
            )
          : loadModel(path, device);
      model.compile({
        optimizer: new Adam({ learningRate: values.learningRate as number }),
        loss: 'sparseCategoricalCrossentropy',
      });
      const history = await model.fit(data, { batchSize: 8, validationSplit: 0.25, epochs, initialEpoch, seed });
      model.dispose();
      return history.epochs.map(({ epoch, loss, valLoss }) => ({ epoch, loss, valLoss }));
    };
    const path = join(directory, 'weights', `${String(from).padStart(4, '0')}.safetensors`);
    expect(readFileSync(path).length).toBeGreaterThan(100);
    const found = trials[number]!.histories[0]!.map(({ epoch, loss, valLoss }) => ({ epoch, loss, valLoss }));
    expect(found).toEqual(await train(path));
    const drawn = await train(null);
    expect(found[0]!.loss).not.toBe(drawn[0]!.loss);
    expect(found[0]!.loss).toBeLessThan(trials[from!]!.histories[0]![0]!.loss!);
  });

  test('throws for pruning, and for epochs in search', async () => {
    const options = { ...common, directory: folder(), device };
    expect(() => new Hyperband({ ...options, pruning: true } as never)).toThrow(
      /^Hyperband: there is no option pruning; its rounds end/,
    );
    await expect(new Hyperband(options).search(data, { epochs: 3 })).rejects.toThrow(
      /epochs must be left out, because the rounds decide/,
    );
  });
});
