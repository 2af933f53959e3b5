import { checkOptions } from '../base/check.ts';
import { gridOracle } from './oracles/grid.ts';
import { hyperbandOracle } from './oracles/hyperband.ts';
import { checkCount } from './oracles/options.ts';
import { randomOracle } from './oracles/random.ts';
import { tpeOracle } from './oracles/tpe.ts';
import { Search } from './search.ts';
import { type PrunableSearchOptions, prunableNames, type SearchOptions, searchNames } from './search-options.ts';

/** Options of `RandomSearch`. */
export interface RandomSearchOptions extends PrunableSearchOptions {
  /** Number of trials of the search. Default: 10. */
  maxTrials?: number;
}

/** Draws the values of every trial at random, as KerasTuner's class of the same name. */
export class RandomSearch extends Search {
  /** @throws ArgumentError, also if the folder holds another search; errors of `buildModel`; DataError, FileError */
  constructor(options: RandomSearchOptions, ...surplus: never[]) {
    const name = 'RandomSearch';
    const { maxTrials = 10, ...rest } = checkOptions(name, options, { ...prunableNames, maxTrials: true }, surplus);
    super(rest, { name, oracle: randomOracle({ maxTrials }), options: { maxTrials }, ...pruningOf(name, rest) });
  }
}

/** Options of `GridSearch`. */
export interface GridSearchOptions extends PrunableSearchOptions {
  /** Maximum number of trials. Default: all combinations. */
  maxTrials?: number;
}

/**
 * Tries every combination of values once, as KerasTuner's class of the same name. The last hyperparameter that the builder requests
 * changes first. A range without a step has ten values.
 */
export class GridSearch extends Search {
  /** @throws ArgumentError, also if the folder holds another search; errors of `buildModel`; DataError, FileError */
  constructor(options: GridSearchOptions, ...surplus: never[]) {
    const name = 'GridSearch';
    const { maxTrials, ...rest } = checkOptions(name, options, { ...prunableNames, maxTrials: true }, surplus);
    const gridOptions: { maxTrials?: number } = maxTrials === undefined ? {} : { maxTrials };
    super(rest, {
      name,
      oracle: gridOracle(gridOptions),
      options: { maxTrials: maxTrials ?? null },
      ...pruningOf(name, rest),
    });
  }
}

/** Options of `Hyperband`. */
export interface HyperbandOptions extends SearchOptions {
  /** Epochs of the longest trials. Default: 100. */
  maxEpochs?: number;
  /** Each round keeps the best 1 in `factor` trials and trains them for `factor` times the epochs. Default: 3. */
  factor?: number;
  /** How often all brackets run, each time with new trials. Default: 1. */
  hyperbandIterations?: number;
}

/**
 * Trains many trials for a few epochs and continues the best of them from the weights of their best epoch, as KerasTuner's class of the
 * same name. Brackets of rounds determine the epochs of each trial.
 */
export class Hyperband extends Search {
  /** @throws ArgumentError, also if the folder holds another search; errors of `buildModel`; DataError, FileError */
  constructor(options: HyperbandOptions, ...surplus: never[]) {
    const name = 'Hyperband';
    const names = { ...searchNames, maxEpochs: true, factor: true, hyperbandIterations: true };
    const hints = {
      pruning: 'its rounds end trials with bad results',
      maxTrials: 'maxEpochs, factor and hyperbandIterations decide it',
    };
    checkOptions(name, options, names, surplus, hints);
    const { maxEpochs = 100, factor = 3, hyperbandIterations = 1, ...rest } = options;
    const rounds = { maxEpochs, factor, hyperbandIterations };
    super(rest, { name, oracle: hyperbandOracle(rounds), options: rounds, decidesEpochs: true });
  }
}

/** Options of `BayesianOptimization`. */
export interface BayesianOptimizationOptions extends PrunableSearchOptions {
  /** Number of trials of the search. Default: 10. */
  maxTrials?: number;
  /** Number of first trials that are drawn at random. Default: 10. */
  numInitialPoints?: number;
  /**
   * Number of trials that may run at once. Each depends only on the results of trials before this group, so the search does not depend
   * on the number of machines. Default: `together`.
   */
  parallelTrials?: number;
}

/**
 * Draws each trial from regions where earlier trials did well, by the tree-structured Parzen estimator, as Optuna does. KerasTuner's
 * class of the same name uses Gaussian processes instead.
 */
export class BayesianOptimization extends Search {
  /** @throws ArgumentError, also if the folder holds another search; errors of `buildModel`; DataError, FileError */
  constructor(options: BayesianOptimizationOptions, ...surplus: never[]) {
    const name = 'BayesianOptimization';
    const names = { ...prunableNames, maxTrials: true, numInitialPoints: true };
    const { maxTrials = 10, numInitialPoints = 10, ...rest } = checkOptions(name, options, names, surplus);
    const parallelTrials = parallelOf(name, rest);
    const oracle = tpeOracle({
      maxTrials,
      startup: checkCount(name, 'numInitialPoints', numInitialPoints),
      parallelTrials,
    });
    super(rest, { name, oracle, options: { maxTrials, numInitialPoints, parallelTrials }, ...pruningOf(name, rest) });
  }
}

/** @throws ArgumentError if `together` is not a count */
const parallelOf = (who: string, { together = 1, parallelTrials }: PrunableSearchOptions): number =>
  parallelTrials ?? checkCount(who, 'together', together);

const pruningOf = (who: string, options: PrunableSearchOptions) => ({
  pruning: options.pruning,
  parallelTrials: parallelOf(who, options),
});
