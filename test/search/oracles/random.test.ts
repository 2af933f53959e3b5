import { expect, test } from 'vitest';
import { buildTrial, simulateSearch } from '../../../bench/search/simulate-search.ts';
import { ArgumentError } from '../../../src/base/errors.ts';
import type { HyperParameters } from '../../../src/search/hyperparameters.ts';
import { randomOracle } from '../../../src/search/oracles/random.ts';

const rate = (hp: HyperParameters) => hp.float('rate', { min: 1e-4, max: 1, sampling: 'log' });
const units = (hp: HyperParameters) => hp.int('units', { min: 1, max: 1000 });

test('proposes maxTrials trials, 10 by default, and never waits', () => {
  const search = simulateSearch(randomOracle(), rate, () => 0);
  expect([search.state.finished.size, search.isOver]).toEqual([10, true]);
  expect(simulateSearch(randomOracle({ maxTrials: 3 }), rate, () => 0).state.finished.size).toBe(3);
  const state = { ...search.state, finished: new Map() };
  expect([9, 10, 11].map((number) => randomOracle().propose(number, state))).toEqual([{ values: {} }, null, null]);
});

test('a value depends on seed, trial, attempt and name, not on other requests or their order', () => {
  const oracle = randomOracle();
  const { state } = simulateSearch(oracle, rate, () => 0);
  const alone = buildTrial(oracle, rate, 7, {}, state).values.rate;
  const both = (hp: HyperParameters) => [units(hp), rate(hp)];
  const reversedBuilder = (hp: HyperParameters) => [rate(hp), units(hp)];
  expect(buildTrial(oracle, both, 7, {}, state).values.rate).toBe(alone);
  expect(buildTrial(oracle, reversedBuilder, 7, {}, state).values.rate).toBe(alone);
  const renamedBuilder = (hp: HyperParameters) => hp.float('rates', { min: 1e-4, max: 1, sampling: 'log' });
  const others = [
    buildTrial(oracle, rate, 8, {}, state).values.rate,
    buildTrial(oracle, rate, 7, {}, state, 1).values.rate,
    buildTrial(oracle, rate, 7, {}, { ...state, seed: 1 }).values.rate,
    buildTrial(oracle, renamedBuilder, 7, {}, state).values.rates,
  ];
  expect(new Set([alone, ...others]).size).toBe(5);
});

test('values are uniform over the distribution, and independent between names', () => {
  const maxTrials = 4000;
  const { state } = simulateSearch(
    randomOracle({ maxTrials }),
    (hp) => [units(hp), rate(hp)],
    () => 0,
    { maxTrials },
  );
  const draws = [...state.proposed.values()].map(({ units, rate }) => [
    ((units as number) - 0.5) / 1000,
    Math.log10(rate as number) / 4 + 1,
  ]);
  // 16 cells of equal chance: 99.9% quantile of chi square at 15 degrees of freedom.
  const counts = new Array<number>(16).fill(0);
  for (const [a, b] of draws) counts[Math.floor(a! * 4) * 4 + Math.floor(b! * 4)]! += 1;
  const expected = maxTrials / 16;
  expect(counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)).toBeLessThan(37.7);
});

test.each<[unknown, RegExp]>([
  [{ maxTrials: 0 }, /RandomSearch: maxTrials must be an integer from 1 up, but is 0/],
  [{ maxTrials: 2.5 }, /but is 2.5/],
  [{ maxTrials: '3' }, /but is "3"/],
  [{ max_trials: 3 }, /there is no option max_trials; did you mean maxTrials\?/],
  [3, /options must be an object/],
])('throws for options %j', (options, message) => {
  expect(() => randomOracle(options as never)).toThrow(ArgumentError);
  expect(() => randomOracle(options as never)).toThrow(message);
});
