import fc from 'fast-check';
import { expect, test } from 'vitest';
import { simulateSearch } from '../../../bench/search/simulate-search.ts';
import { ArgumentError } from '../../../src/base/errors.ts';
import { exploreSpace } from '../../../src/search/explore.ts';
import type { HyperParameters } from '../../../src/search/hyperparameters.ts';
import { gridOracle } from '../../../src/search/oracles/grid.ts';
import type { HyperparameterValues } from '../../../src/search/record.ts';
import { spaceSize } from '../../../src/search/space.ts';

const combinations = (build: (hp: HyperParameters) => unknown, options = {}) => {
  const { state, isOver } = simulateSearch(gridOracle(options), build, () => null);
  return { list: [...state.proposed.values()], isOver };
};
const rows = (list: HyperparameterValues[]) => list.map((values) => Object.values(values).join(' '));

test("the last hyperparameter changes fastest, as in KerasTuner's example", () => {
  const { list, isOver } = combinations((hp) => {
    hp.choice('optimizer', ['sgd', 'adam']);
    hp.choice('rate', [0.01, 0.1]);
  });
  expect(rows(list)).toEqual(['sgd 0.01', 'sgd 0.1', 'adam 0.01', 'adam 0.1']);
  expect(isOver).toBe(true);
});

test('defaults come first for every kind; fixed values stay', () => {
  const { list } = combinations((hp) => {
    hp.int('n', { min: 1, max: 3, default: 2 });
    hp.fixed('classes', 10);
    hp.boolean('b', { default: true });
  });
  expect(rows(list)).toEqual(['2 10 true', '2 10 false', '1 10 true', '1 10 false', '3 10 true', '3 10 false']);
});

test('a conditional hyperparameter is enumerated only under its condition', () => {
  const { list } = combinations((hp) => {
    const kind = hp.choice('kind', ['mlp', 'linear', 'cnn']);
    hp.conditionalScope('kind', ['mlp'], () => hp.int('units', { min: 1, max: 2 }));
    if (kind === 'cnn' && hp.boolean('pool')) hp.choice('size', [2, 3]);
    hp.boolean('last');
  });
  expect(rows(list)).toEqual([
    ...['mlp 1 false', 'mlp 1 true', 'mlp 2 false', 'mlp 2 true'],
    ...['linear false', 'linear true'],
    ...[
      'cnn false false',
      'cnn false true',
      'cnn true 2 false',
      'cnn true 2 true',
      'cnn true 3 false',
      'cnn true 3 true',
    ],
  ]);
});

test('a number of layers given by another value, each with its own hyperparameters', () => {
  const { list } = combinations((hp) => {
    const layers = hp.int('layers', { min: 0, max: 3 });
    for (let i = 0; i < layers; i++) hp.choice(`units${i}`, [8, 16]);
  });
  expect(list.length).toBe(1 + 2 + 4 + 8);
  expect(new Set(rows(list)).size).toBe(15);
});

test('a float without a step has ten values', () => {
  const { list } = combinations((hp) => hp.float('rate', { min: 0, max: 1 }));
  expect(list.map(({ rate }) => Math.round((rate as number) * 100))).toEqual([5, 15, 25, 35, 45, 55, 65, 75, 85, 95]);
});

test('a range of integers is not stored as a list, because it may be huge', () => {
  const build = (hp: HyperParameters) => [
    hp.int('seed', { min: 0, max: 2 ** 53 - 1, default: 1 }),
    hp.float('part', { min: 0, max: 1, step: 1e-12, default: 2e-12 }),
  ];
  const parts = ['2e-12', '0', '1e-12', '3e-12'].map((part) => `1 ${part}`);
  expect(rows(combinations(build, { maxTrials: 4 }).list)).toEqual(parts);
  const single = (hp: HyperParameters) => hp.int('seed', { min: 0, max: 2 ** 53 - 1, default: 1 });
  expect(rows(combinations(single, { maxTrials: 4 }).list)).toEqual(['1', '0', '2', '3']);
});

test('drawn spaces: every combination once, as many as spaceSize, the same in each run', async () => {
  // Each hyperparameter: number of values, default, and the earlier one on whose value it depends.
  const wheel = fc.record({
    count: fc.integer({ min: 1, max: 4 }),
    start: fc.nat(3),
    parent: fc.nat(8),
    value: fc.nat(3),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(wheel, { minLength: 1, maxLength: 5 }), async (wheels) => {
      const build = (hp: HyperParameters) => {
        wheels.forEach(({ count, start, parent, value }, i) => {
          const ask = () => hp.int(`h${i}`, { min: 0, max: count - 1, default: start % count });
          const above = wheels[parent];
          if (parent >= i || !(`h${parent}` in hp.values)) ask();
          else hp.conditionalScope(`h${parent}`, [value % above!.count], ask);
        });
      };
      const { list, isOver } = combinations(build);
      const keys = list.map((values) => JSON.stringify(values));
      expect(isOver).toBe(true);
      expect(new Set(keys).size).toBe(keys.length);
      expect(keys.length).toBe(countByTree(wheels));
      expect(combinations(build).list).toEqual(list);
    }),
    { seed: 3, numRuns: 100 },
  );
  const space = await exploreSpace((hp) => {
    hp.choice('kind', ['a', 'b']);
    hp.conditionalScope('kind', ['a'], () => hp.int('n', { min: 1, max: 5 }));
  });
  expect(spaceSize(space)).toBe(6);
});

/** All combinations of the same builder, by recursion over the values. */
function countByTree(
  wheels: { count: number; parent: number; value: number }[],
  known: (number | null)[] = [],
): number {
  const i = known.length;
  if (i === wheels.length) return 1;
  const { count, parent, value } = wheels[i]!;
  const isConditional = parent < i && known[parent] !== null;
  if (isConditional && known[parent] !== value % wheels[parent]!.count) return countByTree(wheels, [...known, null]);
  let sum = 0;
  for (let v = 0; v < count; v++) sum += countByTree(wheels, [...known, v]);
  return sum;
}

test('maxTrials ends the search early; after it is raised, the search continues', () => {
  const build = (hp: HyperParameters) => [hp.choice('a', [1, 2, 3]), hp.choice('b', [1, 2])];
  const all = combinations(build).list;
  expect(all.length).toBe(6);
  expect(combinations(build, { maxTrials: 4 }).list).toEqual(all.slice(0, 4));
  expect(combinations(build, { maxTrials: 40 })).toEqual({ list: all, isOver: true });
});

test('failed and unfinished trials change nothing', () => {
  const build = (hp: HyperParameters) => [hp.choice('a', [1, 2, 3]), hp.choice('b', [1, 2])];
  const { state } = simulateSearch(gridOracle(), build, (_, number) => (number % 2 ? null : number));
  const early = { ...state, finished: new Map() };
  for (let number = 0; number < 8; number++) {
    expect(gridOracle().propose(number, early)).toEqual(gridOracle().propose(number, state));
  }
  expect([6, 7, 8].map((number) => gridOracle().propose(number, state))).toEqual([null, null, null]);
});

test.each<[unknown, RegExp]>([
  [{ maxTrials: 0 }, /GridSearch: maxTrials must be an integer from 1 up, but is 0/],
  [{ maxTrials: null }, /but is null/],
  [{ trials: 3 }, /there is no option trials/],
])('throws for options %j', (options, message) => {
  expect(() => gridOracle(options as never)).toThrow(ArgumentError);
  expect(() => gridOracle(options as never)).toThrow(message);
});
