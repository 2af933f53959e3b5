import { RandomStream } from '../base/random.ts';
import type { Hyperparameter, HyperparameterValue, SearchRecord, Trial } from '../search/record.ts';
import { chainsOf, roundOf } from './search-trials.ts';

/** How much of the scores a hyperparameter explains. */
export interface Importance {
  name: string;
  /** Share of the variance of the ranks that its groups explain, 0 to 1; null if too few trials have it. */
  importance: number | null;
  /** Share of shuffles of the ranks with at least this importance; null if the importance is null. */
  chance: number | null;
  /** Number of configurations that have it. */
  trials: number;
  /** Number of compared groups of values. */
  groups: number;
}

/** Minimum number of configurations for an importance. */
export const MIN_TRIALS = 8;
/** Maximum number of groups of a hyperparameter with many values, and minimum number of configurations in each. */
const MAX_GROUPS = 4;
const MIN_IN_GROUP = 4;
const SHUFFLES = 999;

/** Explains the values, for reports. */
export const importanceText =
  'Importance of a hyperparameter: the share of the variance of the ranks of the scores that goes with groups of its values (Kruskal and ' +
  "Wallis 1952), less what as many groups explain by chance on average (Kelley's correction, 1935); 0 is nothing, 1 everything. Numbers " +
  'with many values are cut into up to four groups of as many configurations each. A configuration counts once, by its first ' +
  'round, and is ranked among those that were trained as long; one that failed counts as the worst. A hyperparameter that only some ' +
  'configurations have is judged by these alone. "By chance" is the share of 999 shuffles of the ranks with at least this importance: above 0.05 ' +
  'there is little to rely on. What several hyperparameters do only together is not seen, and a search that ' +
  'proposes near its best trials looks closely there and hardly elsewhere.';

/**
 * Returns the importance of each hyperparameter that is not fixed, in the order of the space.
 *
 *     importance = max(0, 1 - (within / (n - k)) / (total / (n - 1)))
 *
 * with the sums of squares of the ranks within k groups and of all n. Ranks with ties have their mean.
 * Sources: Kruskal, Wallis: Use of ranks in one-criterion variance analysis, JASA 47 (1952); Kelley: An unbiased correlation ratio measure, PNAS 21 (1935).
 */
export function importancesOf(record: SearchRecord): Importance[] {
  const observed = observationsOf(record);
  const orders = new Map<number, Uint32Array[]>();
  const ordersOf = (count: number) => {
    const known = orders.get(count) ?? createShuffles(count);
    orders.set(count, known);
    return known;
  };
  return record.space
    .filter(({ kind }) => kind !== 'fixed')
    .map((hyperparameter) => {
      const { name } = hyperparameter;
      const observations = observed.filter(({ values }) => Object.hasOwn(values, name));
      const groups = groupsOf(
        hyperparameter,
        observations.map(({ values }) => values[name]!),
      );
      const count = new Set(groups).size;
      const common = { name, trials: observations.length, groups: count };
      const ranks = observations.map(({ rank }) => rank);
      const importance = observations.length < MIN_TRIALS ? null : explainedShare(ranks, groups);
      if (importance === null) return { ...common, importance, chance: null };
      const shuffled = ordersOf(ranks.length).map((order) => {
        return explainedShare(
          Array.from(order, (index) => ranks[index]!),
          groups,
        )!;
      });
      const atLeastAsHigh = shuffled.filter((other) => other >= importance - 1e-12).length;
      return { ...common, importance: Math.max(0, importance), chance: (atLeastAsHigh + 1) / (SHUFFLES + 1) };
    });
}

/** Creates shuffles, the same each time. */
const createShuffles = (count: number): Uint32Array[] =>
  Array.from({ length: SHUFFLES }, (_, i) => new RandomStream(i, 'shuffle', 0).permutation(count));

/** The share of the variance that groups explain, corrected for their number; null if there is nothing to explain or to compare. */
function explainedShare(ranks: readonly number[], groups: readonly number[]): number | null {
  const n = ranks.length;
  const mean = ranks.reduce((sum, rank) => sum + rank, 0) / n;
  const total = ranks.reduce((sum, rank) => sum + (rank - mean) ** 2, 0);
  const sums: number[] = [];
  const sizes: number[] = [];
  for (const [i, group] of groups.entries()) {
    sums[group] = (sums[group] ?? 0) + ranks[i]! - mean;
    sizes[group] = (sizes[group] ?? 0) + 1;
  }
  const k = Object.keys(sizes).length;
  if (k < 2 || n - k < 1 || total < 1e-12) return null;
  const between = sums.reduce((sum, deviation, group) => sum + deviation ** 2 / sizes[group]!, 0);
  return 1 - (total - between) / (n - k) / (total / (n - 1));
}

/** A configuration with its rank among those with as many epochs: from 0, the worst, to 1. */
interface Observation {
  values: Trial['values'];
  rank: number;
}

function observationsOf(record: SearchRecord): Observation[] {
  const first = chainsOf(record)
    .map(([trial]) => trial!)
    // A failed configuration may start again in a later round.
    .filter((trial) => (roundOf(trial)?.round ?? 0) === 0);
  const worst = record.objective.direction === 'max' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const sign = record.objective.direction === 'max' ? 1 : -1;
  const strata = new Map<unknown, Trial[]>();
  for (const trial of first) {
    const epochs = trial.values['tuner/epochs'];
    strata.set(epochs, [...(strata.get(epochs) ?? []), trial]);
  }
  return [...strata.values()].flatMap((trials) => {
    const ranks = ranksOf(trials.map(({ score }) => sign * (score ?? worst)));
    return trials.map(({ values }, i) => ({ values, rank: (ranks[i]! + 0.5) / trials.length }));
  });
}

/** Returns ranks from 0, the smallest; equal values have the mean of their ranks. */
function ranksOf(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => (a === b ? 0 : a - b));
  const first = new Map<number, number>();
  const count = new Map<number, number>();
  for (const [i, value] of sorted.entries()) {
    if (!first.has(value)) first.set(value, i);
    count.set(value, (count.get(value) ?? 0) + 1);
  }
  return values.map((value) => first.get(value)! + (count.get(value)! - 1) / 2);
}

/** Returns the group of each value: one for each value of a choice or of few numbers, else up to four groups of about equal size. */
function groupsOf(hyperparameter: Hyperparameter, values: readonly HyperparameterValue[]): number[] {
  const distinct = [...new Set(values)];
  const isNumber = hyperparameter.kind === 'int' || hyperparameter.kind === 'float';
  if (!isNumber || distinct.length <= MAX_GROUPS) return values.map((value) => distinct.indexOf(value));
  const count = Math.max(2, Math.min(MAX_GROUPS, Math.floor(values.length / MIN_IN_GROUP)));
  const ranks = ranksOf(values as number[]);
  return ranks.map((rank) => Math.min(count - 1, Math.floor(((rank + 0.5) / values.length) * count)));
}
