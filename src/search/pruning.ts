import { checkOptions } from '../base/check.ts';
import { isBetter, metricOf } from './objective.ts';
import { checkCount } from './oracles/options.ts';
import type { Objective, Trial } from './record.ts';

/** When trials with bad results are stopped. */
export interface PruningOptions {
  /** Epochs that every trial trains before it can be pruned. Default: 0. */
  warmUpEpochs?: number;
  /** Number of first trials, all completed, before any is pruned. Default: 5. */
  startupTrials?: number;
}
export type Pruning = Required<PruningOptions>;

/** Returns the pruning options with defaults; null for no pruning. @throws ArgumentError for invalid options */
export function readPruning(who: string, options: PruningOptions | boolean | undefined): Pruning | null {
  if (options === undefined || options === false) return null;
  if (options === true) return { warmUpEpochs: 0, startupTrials: 5 };
  const { warmUpEpochs = 0, startupTrials = 5 } = checkOptions(`${who}: pruning`, options, {
    warmUpEpochs: true,
    startupTrials: true,
  });
  checkCount(`${who}: pruning`, 'warmUpEpochs', warmUpEpochs, 0);
  checkCount(`${who}: pruning`, 'startupTrials', startupTrials);
  return { warmUpEpochs, startupTrials };
}

/**
 * Computes the medians that a trial's best value so far is compared with after each epoch, as Optuna's MedianPruner
 * (https://optuna.readthedocs.io, `MedianPruner`). They are over the values of the completed trials below the horizon in the same epoch.
 * @returns a median for each epoch, from index 0, or null where nothing is compared; undefined if nothing is pruned yet
 */
export function computeMedians(
  { warmUpEpochs, startupTrials }: Pruning,
  { name, epochs }: { name: string; epochs: number },
  horizon: number,
  finished: ReadonlyMap<number, Trial>,
): (number | null)[] | undefined {
  const completed = [...finished.values()].filter((trial) => trial.number < horizon && trial.status === 'completed');
  if (horizon < startupTrials || completed.length < startupTrials) return undefined;
  return Array.from({ length: epochs }, (_, i) => {
    if (i < warmUpEpochs) return null;
    const values = completed.flatMap((trial) => meanOfEpoch(trial, i + 1, name) ?? []);
    return values.length === 0 ? null : median(values);
  });
}

/** Returns a trial's metric in an epoch: the mean over its executions; null if one of them has no finite value. */
function meanOfEpoch({ histories }: Trial, epoch: number, name: string): number | null {
  const values = histories.map((epochs) => {
    const logs = epochs.find((entry) => entry.epoch === epoch);
    return logs ? metricOf(logs, name) : null;
  });
  if (values.length === 0 || values.includes(null)) return null;
  return (values as number[]).reduce((sum, value) => sum + value, 0) / values.length;
}

/** Returns the median; for an even number of values the mean of the two in the middle, as NumPy does. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Whether to stop a trial. @param best its best value so far; null if no value was finite */
export const isPruned = (objective: Objective, best: number | null, medianValue: number | null): boolean =>
  medianValue !== null && (best === null || isBetter(objective, medianValue, best));
