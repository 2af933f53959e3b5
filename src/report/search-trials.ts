import type { HyperparameterValue, SearchRecord, Trial } from '../search/record.ts';
import { formatNumber } from './figures/scored.ts';

// Rounds, chains and order of a search's trials, for reports.

const numberOf = (value: HyperparameterValue | undefined): number | null => (typeof value === 'number' ? value : null);

/** Returns the round of Hyperband that a trial is in; null for other searchers. */
export const roundOf = ({ values }: Trial) => {
  const [bracket, round] = [numberOf(values['tuner/bracket']), numberOf(values['tuner/round'])];
  if (bracket === null || round === null) return null;
  return {
    ...{ bracket, round },
    from: numberOf(values['tuner/initial_epoch']) ?? 0,
    to: numberOf(values['tuner/epochs']) ?? 0,
  };
};

/** Returns the trial with whose weights a trial started. */
export function parentOf(trial: Trial, record: SearchRecord): Trial | undefined {
  const { values } = trial;
  const parentNumber = values['tuner/trial_number'] ?? values['tuner/trial_id'];
  if (parentNumber === undefined || !(roundOf(trial)?.round ?? 0)) return undefined;
  return record.trials.find(({ number }) => number === Number(parentNumber) && number !== trial.number);
}

/** Returns the trials of each configuration, by round; without rounds, each trial alone. Ordered by the number of the first trial. */
export function chainsOf(record: SearchRecord): Trial[][] {
  const chains = new Map<number, Trial[]>();
  for (const trial of [...record.trials].sort((a, b) => a.number - b.number)) {
    const parent = parentOf(trial, record);
    const chain = parent && chains.get(parent.number);
    // Only the last trial of a chain is continued: a second trial with the same parent is another configuration.
    if (chain && chain.at(-1) === parent) {
      chain.push(trial);
      chains.set(trial.number, chain);
    } else chains.set(trial.number, [trial]);
  }
  return [...new Set(chains.values())];
}

/** Sorts trials, the best first and those without a score last; for equal scores, by number. */
export function rankTrials({ trials, objective }: SearchRecord): Trial[] {
  const sign = objective.direction === 'max' ? -1 : 1;
  const key = ({ score }: Trial) => (score === null ? Number.POSITIVE_INFINITY : sign * score);
  const order = (a: number, b: number) => (a === b ? 0 : a - b);
  return [...trials].sort((a, b) => order(key(a), key(b)) || a.number - b.number);
}

/** Returns the trial with the best score; undefined if none has one. */
export const bestTrial = (record: SearchRecord): Trial | undefined =>
  rankTrials(record).find(({ score }) => score !== null);

/** Whether a value belongs to the builder, not to the searcher. */
export const isBuilderValue = (name: string): boolean => !name.startsWith('tuner/');

/** Formats a value for tables: numbers with four digits or four decimals, small and very large ones with an exponent, booleans as words. */
export const valueCell = (value: HyperparameterValue | undefined): number | string | null => {
  if (value === undefined) return null;
  if (typeof value !== 'number') return String(value);
  const text = formatNumber(value);
  if (text.includes('e')) return text;
  // Tables pad a column to up to four decimals, which would add wrong digits to a rounded larger number.
  return Math.abs(value) < 1 ? Number(text) : Number(value.toFixed(4));
};
