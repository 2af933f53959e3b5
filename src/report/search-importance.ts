import { RandomStream } from '../random.ts';
import type { Hyperparameter, HyperparameterValue, SearchRecord, Trial } from '../search/record.ts';
import { chainsOf, roundOf } from './search-trials.ts';

/** How much of the score goes with a hyperparameter. */
export interface Importance {
  name: string;
  /** Share of the variance of the ranks that its groups explain, 0 to 1; null where too few trials have it. */
  importance: number | null;
  /** Share of shuffles of the ranks that gave as much; null with the importance. */
  chance: number | null;
  /** Configurations that have it. */
  trials: number;
  /** Groups of values that were compared. */
  groups: number;
}

/** With fewer configurations nothing is said. */
export const FEWEST_TRIALS = 8;
/** Groups of a hyperparameter with many values, of at least so many configurations each. */
const MOST_GROUPS = 4;
const FEWEST_IN_GROUP = 4;
const SHUFFLES = 999;

/** What the figures mean, for reports. */
export const importanceText =
  'Importance of a hyperparameter: the share of the variance of the ranks of the scores that goes with groups of its values (Kruskal and ' +
  "Wallis 1952), less what as many groups explain by chance on average (Kelley's correction, 1935); 0 is nothing, 1 everything. Numbers " +
  'with many values are cut into up to four groups of as many configurations each. A configuration counts once, by its first ' +
  'round, and is ranked among those that were trained as long; one that failed counts as the worst. A hyperparameter that only some ' +
  'configurations have is judged by these alone. "By chance" is the share of 999 shuffles of the ranks with at least this importance: above 0.05 ' +
  'there is little to rely on. What several hyperparameters do only together is not seen, and a search that ' +
  'proposes near its best trials looks closely there and hardly elsewhere.';

/**
 * Importance of each hyperparameter that is not fixed, in the order of the space.
 *
 *     importance = max(0, 1 - (within / (n - k)) / (total / (n - 1)))
 *
 * with the sums of squares of the ranks within k groups and of all n. Ranks with ties have their mean.
 * Sources: Kruskal, Wallis: Use of ranks in one-criterion variance analysis, JASA 47 (1952); Kelley: An unbiased correlation ratio measure, PNAS 21 (1935).
 */
export function importancesOf(record: SearchRecord): Importance[] {
  const observed = observationsOf(record);
  return record.space
    .filter(({ kind }) => kind !== 'fixed')
    .map((hyperparameter) => {
      const { name } = hyperparameter;
      const having = observed.filter(({ values }) => Object.hasOwn(values, name));
      const groups = groupsOf(
        hyperparameter,
        having.map(({ values }) => values[name]!),
      );
      const count = new Set(groups).size;
      const about = { name, trials: having.length, groups: count };
      const ranks = having.map(({ rank }) => rank);
      const importance = having.length < FEWEST_TRIALS ? null : explained(ranks, groups);
      if (importance === null) return { ...about, importance, chance: null };
      const shuffled = Array.from({ length: SHUFFLES }, (_, i) => {
        const order = new RandomStream(i, 'shuffle', 0).permutation(ranks.length);
        return explained(
          Array.from(order, (at) => ranks[at]!),
          groups,
        )!;
      });
      const asMuch = shuffled.filter((other) => other >= importance - 1e-12).length;
      return { ...about, importance: Math.max(0, importance), chance: (asMuch + 1) / (SHUFFLES + 1) };
    });
}

/** The share of the variance that groups explain, corrected for their number; null where there is nothing to explain or to compare. */
function explained(ranks: readonly number[], groups: readonly number[]): number | null {
  const n = ranks.length;
  const k = new Set(groups).size;
  const squares = (values: readonly number[]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  };
  const total = squares(ranks);
  if (k < 2 || n - k < 1 || total === 0) return null;
  const within = Array.from(new Set(groups), (group) => squares(ranks.filter((_, i) => groups[i] === group)));
  return 1 - within.reduce((sum, one) => sum + one, 0) / (n - k) / (total / (n - 1));
}

/** A configuration with its rank among those that had as many epochs: from 0, the worst, to 1. */
interface Observation {
  values: Trial['values'];
  rank: number;
}

function observationsOf(record: SearchRecord): Observation[] {
  const first = chainsOf(record)
    .map(([trial]) => trial!)
    // A configuration that failed may be begun again in a later round.
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

/** Ranks from 0, the smallest; equal values have the mean of theirs. */
function ranksOf(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal - 1) / 2;
  });
}

/** The group of each value: itself of a choice or of few numbers, else one of up to four of about equal counts. */
function groupsOf(hyperparameter: Hyperparameter, values: readonly HyperparameterValue[]): number[] {
  const distinct = [...new Set(values)];
  const isNumber = hyperparameter.kind === 'int' || hyperparameter.kind === 'float';
  if (!isNumber || distinct.length <= MOST_GROUPS) return values.map((value) => distinct.indexOf(value));
  const count = Math.max(2, Math.min(MOST_GROUPS, Math.floor(values.length / FEWEST_IN_GROUP)));
  const ranks = ranksOf(values as number[]);
  return ranks.map((rank) => Math.min(count - 1, Math.floor(((rank + 0.5) / values.length) * count)));
}
