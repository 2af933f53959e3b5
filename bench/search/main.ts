/** `npm run bench -- search`: compares BayesianOptimization and RandomSearch on functions with known minima. */
import { parseArgs } from 'node:util';
import type { Oracle } from '../../src/search/oracle.ts';
import { randomOracle } from '../../src/search/oracles/random.ts';
import { tpeOracle } from '../../src/search/oracles/tpe.ts';
import { table } from '../table.ts';
import { TEST_FUNCTIONS, type TestFunction } from './functions.ts';
import { signedRankTest, signTest } from './signed-rank.ts';
import { simulateSearch } from './simulate-search.ts';

const USAGE = `Usage: npm run bench -- search [options]

Searches for the minima of known functions, with the same number of trials and the same seeds for both searchers. Prints the regret:
the difference of their best trials from the minima. Needs no GPU; the same options give the same table each time.

  --trials N   trials of each search; default 60
  --seeds N    searches of each kind on each function; default 20
  --json       prints every regret as JSON instead of the table
  --help       prints this text`;

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function options() {
  try {
    const numbers = { trials: { type: 'string' }, seeds: { type: 'string' } } as const;
    const { values } = parseArgs({ options: { ...numbers, json: { type: 'boolean' }, help: { type: 'boolean' } } });
    const { trials = '60', seeds = '20', json, help } = values;
    const read = { trials: Number(trials), seeds: Number(seeds), json, help };
    const wrong = Object.entries(read).find(([, n]) => typeof n === 'number' && !(Number.isSafeInteger(n) && n > 0));
    return wrong ? fail(`--${wrong[0]}: must be a positive integer`) : read;
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
}

/** Returns for each seed the difference of the best trial from the minimum. */
function measureRegrets(f: TestFunction, oracle: Oracle, trials: number, seeds: number): number[] {
  return Array.from({ length: seeds }, (_, seed) => {
    const { state } = simulateSearch(oracle, f.ask, f.value, { seed, maxTrials: trials });
    return Math.min(...[...state.finished.values()].map((trial) => trial.score!)) - f.minimum;
  });
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}

const { trials, seeds, json, help } = options();
if (help) {
  process.stdout.write(`${USAGE}\n`);
} else {
  const results = TEST_FUNCTIONS.map((f) => ({
    name: f.name,
    bayesian: measureRegrets(f, tpeOracle({ maxTrials: trials }), trials, seeds),
    random: measureRegrets(f, randomOracle({ maxTrials: trials }), trials, seeds),
  }));
  const rows = results.map(({ name, bayesian, random }) => {
    const differences = bayesian.map((regret, i) => random[i]! - regret);
    const wins = differences.filter((difference) => difference > 0).length;
    const ties = differences.filter((difference) => difference === 0).length;
    const p = [signTest(differences), signedRankTest(differences)].map((chance) => chance.toPrecision(2));
    return [name, median(bayesian).toPrecision(3), median(random).toPrecision(3), `${wins}/${seeds}`, `${ties}`, ...p];
  });
  const heads = ['function', 'BayesianOptimization', 'RandomSearch', 'wins', 'ties', 'sign test p', 'Wilcoxon p'];
  const title = `Median regret of the best of ${trials} trials, ${seeds} seeds; p two-sided`;
  process.stdout.write(json ? `${JSON.stringify(results)}\n` : `${title}\n\n${table(heads, rows)}`);
}
