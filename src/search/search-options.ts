import type { OptionNames } from '../base/check.ts';
import type { Device } from '../gpu/device.ts';
import type { BuildModel } from './build-model.ts';
import type { ObjectiveOption } from './objective.ts';
import type { PruningOptions } from './pruning.ts';
import type { SearchRecord, Trial } from './record.ts';
import type { TrialDescription, TrialRunner } from './trial.ts';

/** Options of all searches. */
export interface SearchOptions {
  /**
   * Returns a compiled model with hyperparameters from `hp`. It is called when a trial is proposed and again when it is trained, and must
   * not call `build`: the search does.
   */
  buildModel: BuildModel;
  /** The metric that ranks trials, such as `valAccuracy`; with its direction if the name does not imply it. */
  objective: ObjectiveOption;
  /**
   * The folder of the search. If it already holds the same search, that search continues: where it was killed, or with more trials if it
   * was
   * made longer.
   */
  directory: string;
  /** Name for reports. Default: the name of the searcher. */
  name?: string;
  /** Decides every value, weight, shuffle and dropout of the search. Default 0. */
  seed?: number;
  /**
   * Trainings of each trial, with consecutive seeds, as replicas of one model. The score is their mean; the saved weights, and the model of
   * `bestModels`, are those of the first. Default: 1.
   */
  executionsPerTrial?: number;
  /** Whether to delete the search in the folder when `search` begins. Default: false. */
  overwrite?: boolean;
  /** Consecutive failed trials that end the search. Default: 3. */
  maxConsecutiveFailures?: number;
  /** When a running trial is backed up: after every epoch, or every n steps. Default: `epoch`. */
  saveFreq?: 'epoch' | number;
  /** The device of `bestModels`, and of the trials unless `runner` runs them. */
  device?: Device;
  /**
   * Maximum number of trials to train in the same dispatches. They may differ only in learning rate, penalties, dropout and seed. This is
   * faster for small models and gives the same bits. Other trials, and those with callbacks that act within an epoch, train one after
   * another. Default: 1.
   */
  together?: number;
  /** Runs the trials. Default: this process, one after another. */
  runner?: TrialRunner;
  /** Called before each trial; the search awaits it. */
  onTrialBegin?: (trial: TrialDescription) => unknown;
  /** Called when a trial's result is on the disk; the search awaits it. */
  onTrialEnd?: (trial: Trial, record: SearchRecord) => unknown;
}

/** Options of the searches that can prune trials. */
export interface PrunableSearchOptions extends SearchOptions {
  /**
   * Stops a trial early if its best epoch so far is worse than the median of the earlier trials in the same epoch, as Optuna's
   * MedianPruner. Default: no pruning.
   */
  pruning?: PruningOptions | boolean;
  /**
   * With `pruning`, the number of trials that may run at once. Each depends only on the results of trials before this group, so the
   * search does not depend on the number of machines. Default: `together`.
   */
  parallelTrials?: number;
}

export const searchNames: OptionNames<SearchOptions> = {
  ...{ buildModel: true, objective: true, directory: true, name: true, seed: true, executionsPerTrial: true },
  ...{ overwrite: true, maxConsecutiveFailures: true, saveFreq: true, device: true, runner: true, together: true },
  ...{ onTrialBegin: true, onTrialEnd: true },
};
export const prunableNames: OptionNames<PrunableSearchOptions> = {
  ...searchNames,
  pruning: true,
  parallelTrials: true,
};
