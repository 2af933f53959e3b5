import { expect, test } from 'vitest';
import { RandomSearch, type Trial, type TrialDescription, type TrialResult, type TrialRunner } from '../../src/node.ts';
import { horizonOf } from '../../src/search/horizon.ts';
import { computeMedians, isPruned } from '../../src/search/pruning.ts';
import { describeOnDevice } from '../support/device.ts';
import { buildModel, data, fit, folder, trialsOf } from './searches.ts';

/** A trial with these values of the objective, one for each epoch. */
const trial = (number: number, losses: (number | null)[], status: Trial['status'] = 'completed'): Trial => ({
  ...{
    number,
    values: {},
    status,
    score: 1,
    bestEpoch: 1,
    parameters: 1,
    adapter: '',
    seconds: { setUp: 0, total: 0 },
  },
  histories: [losses.map((valLoss, i) => ({ epoch: i + 1, valLoss }))],
});
const all = (...trials: Trial[]) => new Map(trials.map((one) => [one.number, one]));
const pruning = { warmUpEpochs: 1, startupTrials: 2 };
const objective = { name: 'valLoss', epochs: 4 };

// Optuna 3's MedianPruner(n_startup_trials=2, n_warmup_steps=1) compares with numpy.nanpercentile(..., 50) of the values of completed
// trials in the same step.
test('medians are those of the completed trials below the horizon, for each epoch after the warm-up', () => {
  const finished = all(
    trial(0, [9, 4, 2]),
    trial(1, [8, 1, 5, 7]),
    trial(2, [7, 2, null, 1]),
    trial(3, [6, 0, 0, 0], 'pruned'),
  );
  expect(computeMedians(pruning, objective, 2, finished)).toEqual([null, 2.5, 3.5, 7]);
  expect(computeMedians(pruning, objective, 4, finished)).toEqual([null, 2, 3.5, 4]);
  expect(computeMedians({ ...pruning, warmUpEpochs: 0 }, objective, 4, finished)).toEqual([8, 2, 3.5, 4]);
  expect(computeMedians(pruning, objective, 1, finished)).toBe(undefined); // below the startup
  expect(computeMedians({ ...pruning, startupTrials: 4 }, objective, 9, finished)).toBe(undefined); // three are completed
  expect(computeMedians(pruning, { ...objective, epochs: 6 }, 4, finished)!.slice(4)).toEqual([null, null]);
  const twice = { ...trial(0, []), histories: [[{ epoch: 2, valLoss: 1 }], [{ epoch: 2, valLoss: 4 }]] };
  expect(computeMedians({ warmUpEpochs: 0, startupTrials: 1 }, { ...objective, epochs: 2 }, 1, all(twice))).toEqual([
    null,
    2.5,
  ]);
});

test('a trial is pruned if its best value is worse than the median, not if it is equal', () => {
  const [min, max] = (['min', 'max'] as const).map((direction) => ({ name: 'valLoss', direction }));
  expect([1, 2, 3].map((best) => isPruned(min!, best, 2))).toEqual([false, false, true]);
  expect([1, 2, 3].map((best) => isPruned(max!, best, 2))).toEqual([true, false, false]);
  expect([isPruned(min!, null, 2), isPruned(min!, 5, null)]).toEqual([true, false]);
});

test('horizon: trials of a group are compared with those before the group', () => {
  expect(Array.from({ length: 9 }, (_, n) => horizonOf(n, 2, 1))).toEqual([0, 0, 2, 3, 4, 5, 6, 7, 8]);
  expect(Array.from({ length: 9 }, (_, n) => horizonOf(n, 2, 3))).toEqual([0, 0, 2, 2, 2, 5, 5, 5, 8]);
});

/** Losses computed from the values; stops a trial by the given medians, like a trial's watcher. */
class PretendingRunner implements TrialRunner {
  most = 0;
  readonly limits: unknown[] = [];
  private running = 0;
  constructor(readonly concurrency: number) {}

  async run({ number, values, epochs, medians: limits, objective }: TrialDescription): Promise<TrialResult> {
    this.limits[number] = limits ?? null;
    this.most = Math.max(this.most, ++this.running);
    await new Promise((resolve) => setTimeout(resolve, (number * 7) % 10));
    this.running--;
    const losses: number[] = [];
    let status: Trial['status'] = 'completed';
    while (losses.length < epochs && status === 'completed') {
      losses.push((values.learningRate as number) / (losses.length + 1));
      if (losses.length < epochs && isPruned(objective, Math.min(...losses), limits?.[losses.length - 1] ?? null))
        status = 'pruned';
    }
    return {
      trial: { ...trial(number, losses, status), values, score: Math.min(...losses) },
      weights: new Uint8Array(),
    };
  }
}

test('the same trials are pruned for any number of parallel trials', async () => {
  const run = async (concurrency: number, parallelTrials: number) => {
    const runner = new PretendingRunner(concurrency);
    const options = { buildModel, objective: 'valLoss', directory: folder(), maxTrials: 16, runner, parallelTrials };
    const record = await new RandomSearch({ ...options, pruning: { startupTrials: 3 } }).search(null, fit);
    return { most: runner.most, limits: runner.limits, trials: trialsOf(record) };
  };
  const [one, alone, three, many] = [await run(1, 1), await run(4, 1), await run(1, 4), await run(4, 4)];
  expect([one.most, alone.most, three.most, many.most]).toEqual([1, 3, 1, 4]); // the first three have no medians
  expect(alone.trials).toEqual(one.trials);
  expect(many.trials).toEqual(three.trials);
  expect([alone.limits, many.limits]).toEqual([one.limits, three.limits]);
  expect(one.limits).not.toEqual(three.limits);
  const pruned = one.trials.filter(({ status }) => status === 'pruned').length;
  expect(pruned).toBeGreaterThan(3);
  expect(pruned).toBeLessThan(13);
});

describeOnDevice('pruning', (device) => {
  test('stops trainings below the median after the warm-up, and keeps their scores', async () => {
    const search = new RandomSearch({
      ...{ buildModel, objective: 'valLoss', directory: folder(), seed: 2, maxTrials: 10, device },
      pruning: { warmUpEpochs: 1, startupTrials: 3 },
    });
    const { trials, options } = await search.search(data, { ...fit, epochs: 5 });
    expect(options).toMatchObject({ 'pruning/warmUpEpochs': 1, 'pruning/startupTrials': 3, parallelTrials: 1 });
    const losses = trials.map(({ histories }) => histories[0]!.map(({ valLoss }) => valLoss!));
    const lengths: number[] = [];
    const expected = losses.map((trialLosses, number) => {
      const before = trials.slice(0, number).filter(({ status }) => status === 'completed');
      for (let epoch = 2; epoch < 5 && number >= 3 && before.length >= 3; epoch++) {
        const others = before.map((one) => losses[one.number]![epoch - 1]!).sort((a, b) => a - b);
        const middle = (others[Math.floor((others.length - 1) / 2)]! + others[Math.ceil((others.length - 1) / 2)]!) / 2;
        if (Math.min(...trialLosses.slice(0, epoch)) <= middle) continue;
        lengths.push(epoch);
        return 'pruned';
      }
      return 'completed';
    });
    expect(trials.map(({ status }) => status)).toEqual(expected);
    expect(new Set(expected).size).toBe(2);
    const pruned = trials.filter(({ status }) => status === 'pruned');
    expect(pruned.map(({ histories }) => histories[0]!.length)).toEqual(lengths);
    for (const { score, number, reason } of pruned) {
      expect(score).toBe(Math.min(...losses[number]!));
      expect(reason).toMatch(
        /^after epoch \d its best valLoss was [\d.]+, but the median of the trials before it [\d.]+$/,
      );
    }
    expect(search.bestHyperparameters(20)).toHaveLength(10);
  });

  test('throws for invalid options', () => {
    const random = (pruning: unknown, more = {}) =>
      new RandomSearch({ buildModel, objective: 'valLoss', directory: folder(), device, pruning, ...more } as never);
    expect(() => random({ warmUpEpochs: -1 })).toThrow(
      /^RandomSearch: pruning: warmUpEpochs must be an integer from 0 up, but is -1/,
    );
    expect(() => random({ startupTrials: 0 })).toThrow(/startupTrials must be an integer from 1 up, but is 0/);
    expect(() => random({ warmup: 1 })).toThrow(/pruning: there is no option warmup/);
    expect(() => random(true, { parallelTrials: 0 })).toThrow(/parallelTrials must be an integer from 1 up/);
  });
});
