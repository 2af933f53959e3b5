import type { HyperparameterValue, SearchRecord, Trial } from '../search/record.ts';
import { show } from './figures/scored.ts';

// What reports of a search ask of its trials.

const numberOf = (value: HyperparameterValue | undefined): number | null => (typeof value === 'number' ? value : null);

/** What the searcher itself set; null where it is no Hyperband's. */
export const roundOf = ({ values }: Trial) => {
  const [bracket, round] = [numberOf(values['tuner/bracket']), numberOf(values['tuner/round'])];
  if (bracket === null || round === null) return null;
  return {
    ...{ bracket, round },
    from: numberOf(values['tuner/initial_epoch']) ?? 0,
    to: numberOf(values['tuner/epochs']) ?? 0,
  };
};

/** The trial whose weights it went on with. */
export function parentOf(trial: Trial, record: SearchRecord): Trial | undefined {
  const { values } = trial;
  const named = values['tuner/trial_number'] ?? values['tuner/trial_id'];
  if (named === undefined || !(roundOf(trial)?.round ?? 0)) return undefined;
  return record.trials.find(({ number }) => number === Number(named) && number !== trial.number);
}

/** Trials of one configuration, first round first; of a search without rounds each trial by itself. By the number of the first. */
export function chainsOf(record: SearchRecord): Trial[][] {
  const chains = new Map<number, Trial[]>();
  for (const trial of [...record.trials].sort((a, b) => a.number - b.number)) {
    const parent = parentOf(trial, record);
    const chain = parent && chains.get(parent.number);
    // Only the next of its last: a second child of one trial is a configuration of its own.
    if (chain && chain.at(-1) === parent) {
      chain.push(trial);
      chains.set(trial.number, chain);
    } else chains.set(trial.number, [trial]);
  }
  return [...new Set(chains.values())];
}

/** Trials with the best first; those without a score last. Equal ones by number. */
export function rankTrials({ trials, objective }: SearchRecord): Trial[] {
  const sign = objective.direction === 'max' ? -1 : 1;
  const at = ({ score }: Trial) => (score === null ? Number.POSITIVE_INFINITY : sign * score);
  const order = (a: number, b: number) => (a === b ? 0 : a - b);
  return [...trials].sort((a, b) => order(at(a), at(b)) || a.number - b.number);
}

/** The trial with the best score; undefined where none has any. */
export const bestTrial = (record: SearchRecord): Trial | undefined =>
  rankTrials(record).find(({ score }) => score !== null);

/** Hyperparameters of the builder's own: without those that the searcher adds. */
export const isOwn = (name: string): boolean => !name.startsWith('tuner/');

/** A value as tables have it: numbers with four digits or four decimals, small and very large ones with an exponent, truth as a word. */
export const valueCell = (value: HyperparameterValue | undefined): number | string | null => {
  if (value === undefined) return null;
  if (typeof value !== 'number') return String(value);
  const shown = show(value);
  if (shown.includes('e')) return shown;
  // Tables fill a column up to four decimals: fewer digits of a larger number would get false ones.
  return Math.abs(value) < 1 ? Number(shown) : Number(value.toFixed(4));
};
