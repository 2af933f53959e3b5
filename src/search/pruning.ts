import { checkOptions } from '../base/check.ts';
import { figureOf, isBetter } from './objective.ts';
import { checkCount } from './oracles/options.ts';
import type { Objective, Trial } from './record.ts';

/** When trials that do badly are stopped. */
export interface PruningOptions {
  /** Epochs that every trial trains, whatever comes of it. Default 0. */
  warmUpEpochs?: number;
  /** Number of first trials, all completed, before any is pruned. Default: 5. */
  startupTrials?: number;
}
export type Pruning = Required<PruningOptions>;

/** @throws ArgumentError */
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
 * The medians that a trial's best value so far is compared with after each epoch, as in Optuna's MedianPruner
 * (https://optuna.readthedocs.io, `MedianPruner`): of what the completed trials below the horizon had in that same epoch.
 * @returns by epoch, the first being that of index 0; undefined where nothing is pruned yet
 */
export function medians(
  { warmUpEpochs, startupTrials }: Pruning,
  { name, epochs }: { name: string; epochs: number },
  horizon: number,
  finished: ReadonlyMap<number, Trial>,
): (number | null)[] | undefined {
  const completed = [...finished.values()].filter((trial) => trial.number < horizon && trial.status === 'completed');
  if (horizon < startupTrials || completed.length < startupTrials) return undefined;
  return Array.from({ length: epochs }, (_, i) => {
    if (i < warmUpEpochs) return null;
    const values = completed.flatMap((trial) => meanAt(trial, i + 1, name) ?? []);
    return values.length === 0 ? null : median(values);
  });
}

/** Returns a trial's metric in an epoch: the mean over its executions; null if one of them has no finite value. */
function meanAt({ histories }: Trial, epoch: number, name: string): number | null {
  const values = histories.map((epochs) => {
    const logs = epochs.find((one) => one.epoch === epoch);
    return logs ? figureOf(logs, name) : null;
  });
  if (values.length === 0 || values.includes(null)) return null;
  return (values as number[]).reduce((sum, value) => sum + value, 0) / values.length;
}

/** As NumPy's: of an even number of values, the mean of the two in the middle. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Whether to stop a trial whose best value so far is `best`; null if none was finite. */
export const isPruned = (objective: Objective, best: number | null, against: number | null): boolean =>
  against !== null && (best === null || isBetter(objective, against, best));
