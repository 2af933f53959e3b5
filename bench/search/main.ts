/** `npm run bench -- search`: BayesianOptimization against RandomSearch on functions whose least value is known. */
import { parseArgs } from 'node:util';
import type { Oracle } from '../../src/search/oracle.ts';
import { randomOracle } from '../../src/search/oracles/random.ts';
import { tpeOracle } from '../../src/search/oracles/tpe.ts';
import { table } from '../table.ts';
import { drive } from './drive.ts';
import { TEST_FUNCTIONS, type TestFunction } from './functions.ts';
import { signedRankTest, signTest } from './signed-rank.ts';

const USAGE = `Usage: npm run bench -- search [options]

Searches for the least values of known functions, with as many trials and the same seeds for both searchers, and says how far their
best trials are from them (the regret). Needs no GPU; the same options give the same table each time.

  --trials N   trials of each search; default 60
  --seeds N    searches of each kind on each function; default 20
  --json       every regret as JSON instead of the table
  --help       this`;

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

/** Of each seed, how far the best trial is from the least value. */
function regrets(f: TestFunction, oracle: Oracle, trials: number, seeds: number): number[] {
  return Array.from({ length: seeds }, (_, seed) => {
    const { state } = drive(oracle, f.ask, f.value, { seed, most: trials });
    return Math.min(...[...state.finished.values()].map((trial) => trial.score!)) - f.least;
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
    bayesian: regrets(f, tpeOracle({ maxTrials: trials }), trials, seeds),
    random: regrets(f, randomOracle({ maxTrials: trials }), trials, seeds),
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
