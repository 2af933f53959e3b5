import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { simulateSearch, trialOf } from '../../../bench/search/simulate-search.ts';
import { ArgumentError } from '../../../src/base/errors.ts';
import type { HyperParameters } from '../../../src/search/hyperparameters.ts';
import { hyperbandOracle, hyperbandRounds } from '../../../src/search/oracles/hyperband.ts';
import type { Trial } from '../../../src/search/record.ts';

/** [trials, epochs] of the rounds of each bracket, the first bracket first. */
function tableOf(maxEpochs: number, factor: number): [trials: number, epochs: number][][] {
  const rounds = hyperbandRounds(maxEpochs, factor);
  const brackets = [...new Set(rounds.map(({ bracket }) => bracket))];
  return brackets.map((b) => rounds.filter(({ bracket }) => bracket === b).map(({ size, epochs }) => [size, epochs]));
}

// biome-ignore format: a bracket a row
test.each<[string, number, number, [number, number][][]]>([
  ['C1: 10 epochs, factor 3', 10, 3, [
    [[12, 2], [4, 4], [2, 10]],
    [[6, 4], [2, 10]],
    [[4, 10]],
  ]],
  ['100 epochs, factor 3', 100, 3, [
    [[98, 2], [33, 4], [11, 12], [4, 34], [2, 100]],
    [[41, 4], [14, 12], [5, 34], [2, 100]],
    [[18, 12], [6, 34], [2, 100]],
    [[9, 34], [3, 100]],
    [[6, 100]],
  ]],
  ['81 epochs, factor 3', 81, 3, [
    [[81, 1], [27, 3], [9, 9], [3, 27], [1, 81]],
    [[34, 3], [12, 9], [4, 27], [2, 81]],
    [[15, 9], [5, 27], [2, 81]],
    [[8, 27], [3, 81]],
    [[5, 81]],
  ]],
  ['27 epochs, factor 2', 27, 2, [
    [[20, 2], [10, 4], [5, 7], [3, 14], [2, 27]],
    [[12, 4], [6, 7], [3, 14], [2, 27]],
    [[8, 7], [4, 14], [2, 27]],
    [[6, 14], [3, 27]],
    [[6, 27]],
  ]],
  ['8 epochs, factor 2, of which KerasTuner tests brackets 3 and 0', 8, 2, [
    [[8, 1], [4, 2], [2, 4], [1, 8]],
    [[6, 2], [3, 4], [2, 8]],
    [[4, 4], [2, 8]],
    [[4, 8]],
  ]],
  ['one epoch', 1, 3, [[[1, 1]]]],
  ['fewer epochs than the factor', 2, 3, [[[2, 2]]]],
])("sizes and epochs are those of KerasTuner's formulas: %s", (_, maxEpochs, factor, table) => {
  expect(tableOf(maxEpochs, factor)).toEqual(table);
});

test('the first rounds for 81 epochs are those of Algorithm 1 of Li et al.; later rounds have its sizes rounded up', () => {
  const [R, eta, sMax] = [81, 3, 4];
  for (const { bracket: s, round: i, size, epochs } of hyperbandRounds(R, eta)) {
    const n = Math.ceil(((sMax + 1) / (s + 1)) * eta ** s);
    expect(epochs).toBe(R * eta ** (i - s)); // r_i = R eta^-s eta^i
    if (i === 0) expect(size).toBe(n);
    expect(size - Math.floor(n / eta ** i)).toBeGreaterThanOrEqual(0); // n_i = floor(n eta^-i)
    expect(size - Math.floor(n / eta ** i)).toBeLessThanOrEqual(1);
  }
});

test('every bracket costs about (s_max + 1) R epochs if trials continue from their weights', () => {
  for (const bracket of tableOf(81, 3)) {
    const cost = bracket.reduce((sum, [size, epochs], i) => sum + size * (epochs - (bracket[i - 1]?.[1] ?? 0)), 0);
    expect(cost).toBeLessThanOrEqual(5 * 81);
    expect(cost).toBeGreaterThan(0.65 * 5 * 81);
  }
});

test('rounds follow each other without a gap', () => {
  expect(hyperbandRounds(10, 3).map(({ start }) => start)).toEqual([0, 12, 16, 18, 24, 26]);
});

const build = (hp: HyperParameters) => [hp.float('rate', { min: 0, max: 1 }), hp.int('units', { min: 1, max: 99 })];
const options = { maxEpochs: 10, factor: 3 };
const rateOf = (values: Record<string, unknown>) => values.rate as number;

describe('a search of 10 epochs with factor 3', () => {
  const oracle = hyperbandOracle(options);
  const { state, isOver } = simulateSearch(oracle, build, rateOf);
  const trials = [...state.finished.values()];

  test('has 30 trials, of which the first of each bracket are drawn, and the values of the tuner', () => {
    expect([trials.length, isOver]).toEqual([30, true]);
    const tunerValues = { 'tuner/bracket': 2, 'tuner/round': 0, 'tuner/epochs': 2, 'tuner/initial_epoch': 0 };
    expect(oracle.propose(0, state)).toEqual({ values: tunerValues, epochs: 2, initialEpoch: 0 });
    expect(trials[0]!.values).toMatchObject(tunerValues);
    const drawn = trials.filter(({ values }) => values['tuner/round'] === 0).map(({ values }) => rateOf(values));
    expect(drawn.length).toBe(12 + 6 + 4);
    expect(new Set(drawn).size).toBe(drawn.length);
  });

  test('a later round continues the best trials of the round before, from their weights and epochs', () => {
    const best = trials.slice(0, 12).sort((a, b) => a.score! - b.score!);
    [12, 13, 14, 15].forEach((number, place) => {
      const from = best[place]!;
      const { rate, units } = from.values;
      const tunerValues = { 'tuner/bracket': 2, 'tuner/round': 1, 'tuner/epochs': 4, 'tuner/initial_epoch': 2 };
      expect(oracle.propose(number, state)).toEqual({
        values: { rate, units, 'tuner/trial_number': from.number, ...tunerValues },
        epochs: 4,
        initialEpoch: 2,
        from: from.number,
      });
      expect(trials[number]!.values).toMatchObject({ rate, units, ...tunerValues });
    });
    // The next round continues the copies, not their originals.
    expect(oracle.propose(16, state)).toMatchObject({ from: 12, epochs: 10, initialEpoch: 4 });
    expect(oracle.propose(17, state)).toMatchObject({ from: 13, epochs: 10, initialEpoch: 4 });
  });

  test('continues the highest score if the objective is maximized', () => {
    const rising = { ...state, objective: { name: 'accuracy', direction: 'max' as const } };
    const highest = trials.slice(0, 12).sort((a, b) => b.score! - a.score!)[0]!;
    expect(oracle.propose(12, rising)).toMatchObject({ from: highest.number });
  });

  test('continues the earlier of two equal scores', () => {
    const equal = { ...state, finished: new Map(trials.map((trial) => [trial.number, { ...trial, score: 1 }])) };
    expect([12, 13, 14, 15].map((number) => oracle.propose(number, equal))).toMatchObject(
      [0, 1, 2, 3].map((from) => ({ from })),
    );
  });

  test('waits for every trial of the previous round, and for no other', () => {
    for (const missing of [0, 5, 11]) {
      const finished = new Map(state.finished);
      finished.delete(missing);
      const proposals = [12, 15, 16, 18, 24, 26].map((number) => oracle.propose(number, { ...state, finished }));
      expect(proposals.map((proposal) => proposal === 'wait')).toEqual([true, true, false, false, false, false]);
    }
  });

  test('proposals do not depend on the order in which trials ended', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(trials, { minLength: trials.length }), (ended) => {
        const finished = new Map<number, Trial>();
        const proposals = new Map<number, unknown>();
        for (const trial of ended) {
          finished.set(trial.number, trial);
          // Asks again after each trial, and keeps the first proposal.
          for (let number = 0; number < 31; number++) {
            const proposal = oracle.propose(number, { ...state, finished });
            if (proposal !== 'wait' && !proposals.has(number)) proposals.set(number, proposal);
          }
        }
        for (let number = 0; number < 31; number++)
          expect(proposals.get(number)).toEqual(oracle.propose(number, state));
      }),
      { seed: 4, numRuns: 20 },
    );
  });

  test('a failed trial ranks last', () => {
    const stateWithFailures = (numbers: number[]) => {
      const ended = trials.map((t) => trialOf(t.number, t.values, numbers.includes(t.number) ? null : t.score));
      return { ...state, finished: new Map(ended.map((trial) => [trial.number, trial])) };
    };
    const best = trials
      .slice(0, 12)
      .sort((a, b) => a.score! - b.score!)
      .map(({ number }) => number);
    expect(oracle.propose(12, stateWithFailures([best[0]!]))).toMatchObject({ from: best[1] });
    // Two of four places go to trials that failed, in the order of their numbers; they start again.
    const others = stateWithFailures(best.slice(2));
    const again = best.slice(2).sort((a, b) => a - b)[0]!;
    const { rate } = state.proposed.get(again)!;
    expect(oracle.propose(13, others)).toMatchObject({ from: best[1], initialEpoch: 2 });
    const proposal = oracle.propose(14, others);
    expect(proposal).toMatchObject({ values: { rate, 'tuner/initial_epoch': 0 }, epochs: 4, initialEpoch: 0 });
    expect(proposal).not.toHaveProperty('from');
    expect(proposal).not.toHaveProperty(['values', 'tuner/trial_number']);
  });

  test('proposes nothing after the last trial', () => {
    expect([30, 31].map((number) => oracle.propose(number, state))).toEqual([null, null]);
  });
});

test('a second iteration draws other values, and continues its own trials', () => {
  const oracle = hyperbandOracle({ ...options, hyperbandIterations: 2 });
  const { state, isOver } = simulateSearch(oracle, build, rateOf);
  const rates = [...state.proposed.values()].map(rateOf);
  expect([rates.length, isOver]).toEqual([60, true]);
  expect(rates.slice(30, 42).filter((rate) => rates.slice(0, 30).includes(rate))).toEqual([]);
  const best = rates.indexOf(Math.min(...rates.slice(30, 42)), 30);
  expect(oracle.propose(42, state)).toMatchObject({ from: best, epochs: 4, initialEpoch: 2 });
  expect(
    hyperbandOracle({ maxEpochs: 2 ** 50, factor: 2, hyperbandIterations: 2 ** 52 }).propose(0, state),
  ).toMatchObject({
    epochs: 1,
  });
});

test('has 100 epochs, factor 3 and one iteration by default', () => {
  const size = (rounds: { size: number }[]) => rounds.reduce((sum, round) => sum + round.size, 0);
  expect(simulateSearch(hyperbandOracle(), build, rateOf).state.finished.size).toBe(size(hyperbandRounds(100, 3)));
});

test.each<[unknown, RegExp]>([
  [{ maxEpochs: 0 }, /Hyperband: maxEpochs must be an integer from 1 up, but is 0/],
  [{ maxEpochs: 1.5 }, /but is 1.5/],
  [{ factor: 1 }, /Hyperband: factor must be an integer from 2 up, but is 1/],
  [{ factor: '3' }, /but is "3"/],
  [{ hyperbandIterations: 0 }, /hyperbandIterations must be an integer from 1 up, but is 0/],
  [{ max_epochs: 3 }, /there is no option max_epochs; did you mean maxEpochs\?/],
])('throws for options %j', (given, message) => {
  expect(() => hyperbandOracle(given as never)).toThrow(ArgumentError);
  expect(() => hyperbandOracle(given as never)).toThrow(message);
});
