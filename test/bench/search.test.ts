import { describe, expect, test } from 'vitest';
import { TEST_FUNCTIONS } from '../../bench/search/functions.ts';
import { signedRankTest, signTest } from '../../bench/search/signed-rank.ts';
import { HyperParameters } from '../../src/search/hyperparameters.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

const valueAt = (name: string, values: Record<string, number | string | boolean>) => {
  const f = TEST_FUNCTIONS.find((other) => other.name === name)!;
  const hp = new HyperParameters({ values });
  f.ask(hp); // throws for a value out of range
  expect(hp.unasked).toEqual([]);
  return f.value(hp.values) - f.minimum;
};
const points = (...x: number[]) => Object.fromEntries(x.map((value, i) => [`x${i}`, value]));

describe('test functions have their minimum where the literature has it', () => {
  test.each([
    ['Branin', points(-Math.PI, 12.275), 1e-12],
    ['Branin', points(Math.PI, 2.275), 1e-12],
    ['Branin', points(3 * Math.PI, 2.475), 1e-12],
    ['Hartmann 6-d', points(0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573), 1e-6],
    ['Rosenbrock 4-d', points(1, 1, 1, 1), 0],
    ['Ackley 5-d', points(0, 0, 0, 0, 0), 1e-14],
    [
      'mixed and conditional',
      {
        ...{ kind: 'mlp', rate: 0.003, normalized: true, layers: 3, units0: 96, units1: 64, units2: 32, dropout: 0.2 },
      },
      1e-14,
    ],
  ])('%s %j', (name, values, within) => {
    expect(Math.abs(valueAt(name, values))).toBeLessThanOrEqual(within);
  });

  test('test functions have larger values elsewhere', () => {
    expect(valueAt('Branin', points(0, 0)) + 10 / (8 * Math.PI)).toBeCloseTo(55.602113, 6);
    expect(valueAt('Rosenbrock 4-d', points(0, 0, 0, 0))).toBe(3);
    expect(valueAt('Ackley 5-d', points(1, 1, 1, 1, 1))).toBeCloseTo(20 - 20 * Math.exp(-0.2), 12); // waves add nothing
    const cnn = { kind: 'cnn', rate: 0.03, normalized: false, kernel: 5, dropout: 0.3 };
    expect(valueAt('mixed and conditional', cnn)).toBeCloseTo(1 + 0.5 + 0.1 + 1.5, 12);
  });
});

test('signTest: is twice the tail of the binomial distribution', () => {
  expect(signTest([1, 2, 3, 4, 5])).toBe(2 / 32);
  expect(signTest([1, 2, 3, 0, 4, -5])).toBe((2 * (1 + 5)) / 32);
  expect(signTest([1, -2])).toBe(1);
  expect(signTest([0, 0])).toBe(1);
});

test("Wilcoxon's signed-rank test: Darwin's plants, as in SciPy's documentation; ties computed by hand", () => {
  const plants = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75];
  expect(signedRankTest(plants)).toBe(0.041259765625);
  expect(signedRankTest([1, 2, 3, 4, 5])).toBe(2 / 32);
  // Ranks 1.5, 1.5, 3: the sum of the negative ones is 1.5; of 8 assignments 0, 1.5 and 1.5 are no larger.
  expect(signedRankTest([-1, 1, 2])).toBe((2 * 3) / 8);
});

describe('npm run bench -- search', () => {
  const main = bundleBeforeTests('bench/search/main.ts');

  test('prints a row for each function, and the same in every run', async () => {
    const run = () => runToEnd([main, '--trials', '12', '--seeds', '3']);
    const { out, code } = await run();
    expect(code).toBe(0);
    expect(out).toMatch(/^Median regret of the best of 12 trials, 3 seeds/);
    for (const { name } of TEST_FUNCTIONS) expect(out).toMatch(new RegExp(`^${name}  .*\\d/3 `, 'm'));
    expect((await run()).out).toBe(out);
  });

  test.each([
    [['--trials', '0'], '--trials: must be a positive integer'],
    [['--seeds', 'x'], '--seeds: must be a positive integer'],
    [['--trails', '3'], '--trails'],
  ])('%j exits with 2', async (words, message) => {
    const { err, code } = await runToEnd([main, ...words]);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
