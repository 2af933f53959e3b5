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
   * Makes and compiles a model from what it asks `hp` for. It is called once more for each trial than it trains, without a device: `build`
   * is the search's.
   */
  buildModel: BuildModel;
  /** The figure of the epochs that decides, such as `valAccuracy`; with its direction where the name does not say it. */
  objective: ObjectiveOption;
  /**
   * The folder in which the search is kept. One that holds the same search is gone on with: where it was killed, or from its end on where
   * it was made longer.
   */
  directory: string;
  /** For reports. Default: the searcher's name. */
  name?: string;
  /** Decides every value, weight, shuffle and dropout of the search. Default 0. */
  seed?: number;
  /**
   * How often each trial is trained, with seeds that follow each other, as replicas of one model. Its score is the mean; the weights that
   * are kept, and the model of `bestModels`, are those of the first. Default 1.
   */
  executionsPerTrial?: number;
  /** Whether a search that the folder holds is deleted when `search` begins. Default false. */
  overwrite?: boolean;
  /** Failed trials one after another with which the search ends. Default 3. */
  maxConsecutiveFailures?: number;
  /** When a trial under way is backed up: after every epoch, or after every so many steps. Default `epoch`. */
  saveFreq?: 'epoch' | number;
  /** Where trials are trained, unless `runner` does that, and where `bestModels` builds. */
  device?: Device;
  /**
   * Trials that are trained in the same dispatches, at most, where they differ in learning rate, penalties, dropout and seed alone: faster
   * for small models, with the same bits. Others, and those with callbacks that look at a training in the midst of an epoch, train one after
   * another. Default 1.
   */
  together?: number;
  /** What runs the trials. Default: this process, one after another. */
  runner?: TrialRunner;
  /** Called, and waited for, as a trial begins. */
  onTrialBegin?: (trial: TrialDescription) => unknown;
  /** Called, and waited for, when a trial's result is on the disk. */
  onTrialEnd?: (trial: Trial, record: SearchRecord) => unknown;
}

/** Options of the searches whose trials may be pruned. */
export interface PrunableSearchOptions extends SearchOptions {
  /**
   * Stops trials early whose best epoch so far is worse than the median of the trials before, in the same epoch, as Optuna's
   * MedianPruner. Default: none is.
   */
  pruning?: PruningOptions | boolean;
  /**
   * With `pruning`, trials that may run at once: each goes by the results of those before this group alone, so that the search is the
   * same however many machines there are. Default: `together`.
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
