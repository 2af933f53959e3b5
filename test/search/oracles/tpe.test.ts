import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TEST_FUNCTIONS } from '../../../bench/search/functions.ts';
import { buildTrial, simulateSearch, trialOf } from '../../../bench/search/simulate-search.ts';
import { ArgumentError } from '../../../src/base/errors.ts';
import type { HyperParameters } from '../../../src/search/hyperparameters.ts';
import { randomOracle } from '../../../src/search/oracles/random.ts';
import { type TpeOptions, tpeOracle } from '../../../src/search/oracles/tpe.ts';
import type { Trial } from '../../../src/search/record.ts';

const rate = (hp: HyperParameters) => hp.float('rate', { min: 0, max: 1 });
const lower = (values: Record<string, unknown>) => values.rate as number;

test('the first trials are those of a random search with the same seed', () => {
  const [guided, random] = [
    simulateSearch(tpeOracle({ maxTrials: 12 }), rate, lower, { seed: 3 }),
    simulateSearch(randomOracle({ maxTrials: 12 }), rate, lower, { seed: 3 }),
  ].map(({ state }) => [...state.proposed.values()].map(lower));
  expect(guided!.slice(0, 10)).toEqual(random!.slice(0, 10));
  expect(guided![10]).not.toBe(random![10]);
  const two = simulateSearch(tpeOracle({ maxTrials: 3, startup: 2 }), rate, lower, { seed: 3 }).state.proposed;
  expect([...two.values()].map(lower).slice(0, 2)).toEqual(random!.slice(0, 2));
  expect(two.get(2)!.rate).not.toBe(random![2]);
});

test('proposes maxTrials trials, 10 by default', () => {
  const search = simulateSearch(tpeOracle(), rate, lower);
  expect([search.state.finished.size, search.isOver]).toEqual([10, true]);
});

/** A state in which the trials of the list have ended. */
function stateOf(
  build: (hp: HyperParameters) => unknown,
  list: [values: Record<string, never>, score: number | null][],
) {
  const { state } = simulateSearch(randomOracle({ maxTrials: 1 }), build, () => 0);
  const [finished, proposed, asked] = [new Map<number, Trial>(), new Map(), new Map()];
  list.forEach(([values, score], number) => {
    const trial = buildTrial(randomOracle(), build, number, values, state);
    proposed.set(number, trial.values);
    asked.set(number, trial.asked);
    finished.set(number, trialOf(number, trial.values, score));
  });
  return { ...state, finished, proposed, asked };
}
const next = (build: (hp: HyperParameters) => unknown, state: ReturnType<typeof stateOf>, seed = 0, attempt = 0) =>
  buildTrial(tpeOracle({ maxTrials: 99, startup: 10 }), build, state.finished.size, {}, { ...state, seed }, attempt)
    .values;
const seeds = Array.from({ length: 30 }, (_, seed) => seed);

describe('values drawn after the first trials', () => {
  const choice = (hp: HyperParameters) => hp.choice('activation', ['relu', 'tanh', 'elu']);
  const endedState = (best: string, rest: string[], score: (i: number) => number | null) =>
    stateOf(choice, [
      [{ activation: best as never }, 0],
      ...rest.map((a, i) => [{ activation: a as never }, score(i)] as never),
    ]);
  const others = ['relu', 'elu', 'relu', 'elu', 'relu', 'relu', 'elu', 'elu', 'relu'];

  test('are those of the best tenth', () => {
    // l(tanh) = (0.6 + 1/3) / 2, g(tanh) = (9 * 0.0769 + 1/3) / 10: a ratio of 4.5, against 0.55 and 0.66 of the others.
    const state = endedState('tanh', others, (i) => 1 + i);
    expect(seeds.map((seed) => next(choice, state, seed).activation)).toEqual(seeds.map(() => 'tanh'));
  });

  test('are those with the highest objective if it is maximized', () => {
    const state = {
      ...endedState('tanh', others, (i) => -1 - i),
      objective: { name: 'accuracy', direction: 'max' as const },
    };
    expect(seeds.map((seed) => next(choice, state, seed).activation)).toEqual(seeds.map(() => 'tanh'));
  });

  test('avoid those that failed: failed trials count as bad', () => {
    const state = endedState('tanh', others.map(() => 'relu'), () => null); // biome-ignore format: one call
    const drawn = seeds.map((seed) => next(choice, state, seed).activation);
    expect(drawn.filter((activation) => activation === 'relu')).toEqual([]);
  });

  test('avoid those that failed, also if fewer trials succeeded than count as good', () => {
    const list = ['relu', ...new Array(18).fill('elu'), 'tanh'].map((a) => [
      { activation: a },
      a === 'tanh' ? 0 : null,
    ]);
    const state = stateOf(choice, list as never);
    expect(seeds.map((seed) => next(choice, state, seed).activation)).toEqual(seeds.map(() => 'tanh'));
  });

  test('are those that failed least if all trials failed', () => {
    const state = stateOf(choice, others.concat('relu').map((a) => [{ activation: a as never }, null])); // biome-ignore format: one call
    expect(seeds.map((seed) => next(choice, state, seed).activation)).toEqual(seeds.map(() => 'tanh'));
  });

  test('are near the good values of a range, and far from the bad ones', () => {
    const list = [0.8, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.15, 0.25, 0.35].map((r) => [
      { rate: r as never },
      Math.abs(r - 0.8),
    ]);
    const state = stateOf(rate, list as never);
    const drawn = seeds.map((seed) => lower(next(rate, state, seed)));
    expect(Math.min(...drawn)).toBeGreaterThan(0.6);
    expect(new Set(drawn).size).toBe(30);
  });

  // (p, q) and (q, p) are good. Separately, p is as good as q in both places, so pairs of equal letters would be as good.
  const letters = ['p', 'q', 'r'] as const;
  const bad = [
    'pp',
    'qq',
    'pp',
    'qq',
    'pp',
    'qq',
    'pp',
    'qq',
    'pr',
    'rp',
    'qr',
    'rq',
    'pr',
    'rp',
    'qr',
    'rq',
    'rr',
    'rr',
  ];
  const pairs = ['pq', 'qp', ...bad].map(([a, b], i) => [{ a, b }, i] as const);
  const partner: Record<string, string> = { p: 'q', q: 'p' };

  test('form a good pair, not two values that are only good separately', () => {
    const pair = (hp: HyperParameters) => [hp.choice('a', letters), hp.choice('b', letters)];
    const state = stateOf(pair, pairs as never);
    const drawn = seeds.map((seed) => next(pair, state, seed));
    expect(drawn.filter(({ a, b }) => partner[a as string] !== b)).toEqual([]);
  });

  test('depend on the earlier values if only some trials have the hyperparameter', () => {
    const pair = (hp: HyperParameters) => [hp.choice('a', letters), hp.boolean('has') && hp.choice('b', letters)];
    const list = pairs.map(([values, i]) => [{ ...values, has: true }, i]);
    const state = stateOf(pair, [...list, [{ a: 'r', has: false }, 99]] as never);
    for (const seed of seeds.slice(0, 15)) {
      for (const a of ['p', 'q']) {
        const { values } = buildTrial(tpeOracle({ maxTrials: 99 }), pair, 21, { a, has: true }, { ...state, seed });
        expect(values).toEqual({ a, has: true, b: partner[a] });
      }
    }
  });

  test('ignore trials that had another range for the hyperparameter', () => {
    const build = (hp: HyperParameters) =>
      hp.int('units', Number(hp.values.units ?? 0) >= 100 ? { min: 100, max: 400 } : { min: 1, max: 4 });
    const list = [1, 2, 3, 4, ...new Array(6).fill(400)].map((units) => [{ units }, units]);
    const state = stateOf(build, list as never);
    expect(seeds.map((seed) => next(build, state, seed).units)).toEqual(seeds.map(() => 1));
  });

  test('depend on the trials with the hyperparameter if others lack it or have another range', () => {
    const build = (hp: HyperParameters) => {
      const kind = hp.choice('kind', ['a', 'b']);
      if (kind === 'a') hp.int('units', { min: 1, max: 4 });
      else hp.int('units', { min: 100, max: 400 });
    };
    const list = Array.from({ length: 20 }, (_, i) =>
      i % 2 ? { kind: 'a', units: 1 + (i % 4) } : { kind: 'b', units: 100 + i },
    );
    const state = stateOf(build, list.map((values, i) => [values, i]) as never);
    for (const seed of seeds) {
      const { kind, units } = next(build, state, seed);
      expect(kind === 'a' ? (units as number) <= 4 : (units as number) >= 100).toBe(true);
    }
  });

  test('depend on hundreds of earlier values, whose densities multiply beyond the range of f64', () => {
    const names = Array.from({ length: 700 }, (_, i) => `x${i}`);
    const build = (hp: HyperParameters) => {
      if (!hp.boolean('has')) return;
      for (const name of names) hp.float(name, { min: 0, max: 1 });
      hp.float('rate', { min: 0, max: 1 });
    };
    const set = { has: true, ...Object.fromEntries(names.map((name) => [name, 0.5])) };
    const list = Array.from({ length: 59 }, (_, i) => [{ ...set, rate: i < 6 ? 0.8 : 0.2 }, i]);
    const state = stateOf(build, [...list, [{ has: false }, 99]] as never);
    for (const seed of seeds.slice(0, 5)) {
      const { rate } = buildTrial(tpeOracle({ maxTrials: 99 }), build, 60, set, { ...state, seed }).values;
      expect(rate).toBeGreaterThan(0.6);
    }
  });

  test('differ by attempt, and are uniform after ten attempts, so that no space seems exhausted', () => {
    const list = Array.from({ length: 20 }, (_, i) => [{ activation: i % 10 ? 'relu' : 'tanh' }, i % 10]);
    const state = stateOf(choice, list as never);
    const attempts = tpeOracle().attempts!;
    const drawn = Array.from({ length: attempts }, (_, attempt) => next(choice, state, 0, attempt).activation);
    expect(attempts).toBe(31);
    expect(new Set(drawn.slice(0, 10))).toEqual(new Set(['tanh']));
    expect(new Set(drawn.slice(10))).toEqual(new Set(['relu', 'tanh', 'elu']));
    const floats = [0, 1, 2].map((attempt) => next(rate, stateOf(rate, Array(10).fill([{}, 0])), 0, attempt).rate);
    expect(new Set(floats).size).toBe(3);
  });
});

describe('parallel trials', () => {
  const build = (hp: HyperParameters) => [rate(hp), hp.choice('activation', ['relu', 'tanh'])];
  const score = (values: Record<string, unknown>, n: number) => (n % 7 === 3 ? null : lower(values));

  test.each([1, 3, 4])('%i: a trial waits for those before its group, and for no others', (parallelTrials) => {
    const oracle = tpeOracle({ maxTrials: 30, startup: 5, parallelTrials });
    const { state } = simulateSearch(oracle, build, score);
    for (let n = 0; n < 30; n++) {
      const horizon = n < 5 ? 0 : n - ((n - 5) % parallelTrials);
      const waits = [...state.finished.keys()].filter((missing) => {
        const finished = new Map(state.finished);
        finished.delete(missing);
        return oracle.propose(n, { ...state, finished }) === 'wait';
      });
      expect(waits).toEqual(Array.from({ length: horizon }, (_, i) => i));
    }
  });

  test('are the same in whatever order they end', () => {
    const options: TpeOptions = { maxTrials: 30, startup: 5, parallelTrials: 3 };
    const { state } = simulateSearch(tpeOracle(options), build, score);
    const order = fc.array(fc.nat(), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(order, (choices) => {
        const oracle = tpeOracle(options);
        const current = { ...state, finished: new Map<number, Trial>(), proposed: new Map(), asked: new Map() };
        const running: number[] = [];
        let number = 0;
        for (const choice of choices) {
          // Starts as many trials as allowed, then ends a random one of those that run.
          for (let proposal = oracle.propose(number, current); proposal !== 'wait' && proposal !== null; ) {
            const trial = buildTrial(oracle, build, number, proposal.values, current);
            current.proposed.set(number, trial.values);
            current.asked.set(number, trial.asked);
            running.push(number++);
            proposal = oracle.propose(number, current);
          }
          const [ended] = running.splice(choice % Math.max(1, running.length), 1);
          if (ended === undefined) break;
          const values = current.proposed.get(ended)!;
          current.finished.set(ended, trialOf(ended, values, score(values, ended)));
        }
        expect([...current.proposed]).toEqual([...state.proposed]);
        expect(current.finished.size).toBe(30);
      }),
      { seed: 5, numRuns: 15 },
    );
  });
});

test('finds lower values than a random search on known functions', () => {
  const best = (oracle: typeof tpeOracle | typeof randomOracle, f: (typeof TEST_FUNCTIONS)[number], seed: number) => {
    const { state } = simulateSearch(oracle({ maxTrials: 50 }), f.ask, f.value, { seed });
    return Math.min(...[...state.finished.values()].map((trial) => trial.score!));
  };
  const wins = TEST_FUNCTIONS.map(
    (f) => [0, 1, 2, 3, 4].filter((seed) => best(tpeOracle, f, seed) < best(randomOracle, f, seed)).length,
  );
  expect(wins.filter((n) => n >= 3).length).toBeGreaterThanOrEqual(4);
  expect(wins.reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(18); // by chance 12.5, with a deviation of 2.5
});

test.each<[unknown, RegExp]>([
  [{ maxTrials: 0 }, /BayesianOptimization: maxTrials must be an integer from 1 up, but is 0/],
  [{ startup: 0 }, /startup must be an integer from 1 up, but is 0/],
  [{ parallelTrials: 1.5 }, /parallelTrials must be an integer from 1 up, but is 1.5/],
  [{ paralellTrials: 2 }, /there is no option paralellTrials; did you mean parallelTrials\?/],
  [null, /options must be an object/],
])('throws for options %j', (given, message) => {
  expect(() => tpeOracle(given as never)).toThrow(ArgumentError);
  expect(() => tpeOracle(given as never)).toThrow(message);
});
