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
  /** Trials of the whole search. Default 10. */
  maxTrials?: number;
}

/** Draws the values of every trial at random, as KerasTuner's class of this name. */
export class RandomSearch extends Search {
  /** @throws ArgumentError, for the folder of another search too; what the builder throws; DataError, FileError */
  constructor(options: RandomSearchOptions, ...surplus: never[]) {
    const name = 'RandomSearch';
    const { maxTrials = 10, ...rest } = checkOptions(name, options, { ...prunableNames, maxTrials: true }, surplus);
    super(rest, { name, oracle: randomOracle({ maxTrials }), options: { maxTrials }, ...pruningOf(name, rest) });
  }
}

/** Options of `GridSearch`. */
export interface GridSearchOptions extends PrunableSearchOptions {
  /** Trials at most. Default: all combinations. */
  maxTrials?: number;
}

/**
 * Tries every combination of values once, as KerasTuner's class of this name: the last hyperparameter that the builder asks for changes
 * first. Of a range without a step, ten values are tried.
 */
export class GridSearch extends Search {
  /** @throws ArgumentError, for the folder of another search too; what the builder throws; DataError, FileError */
  constructor(options: GridSearchOptions, ...surplus: never[]) {
    const name = 'GridSearch';
    const { maxTrials, ...rest } = checkOptions(name, options, { ...prunableNames, maxTrials: true }, surplus);
    const own: { maxTrials?: number } = maxTrials === undefined ? {} : { maxTrials };
    super(rest, { name, oracle: gridOracle(own), options: { maxTrials: maxTrials ?? null }, ...pruningOf(name, rest) });
  }
}

/** Options of `Hyperband`. */
export interface HyperbandOptions extends SearchOptions {
  /** Epochs of the trials that are trained longest. Default 100. */
  maxEpochs?: number;
  /** The best 1 in `factor` of a round go on to the next, with `factor` times the epochs. Default 3. */
  factor?: number;
  /** How often all brackets are gone through, each time with new trials. Default 1. */
  hyperbandIterations?: number;
}

/**
 * Trains many trials for few epochs and goes on with the best of them, from their best epoch's weights, as KerasTuner's class of this name:
 * brackets of rounds, which say how many epochs each trial trains.
 */
export class Hyperband extends Search {
  /** @throws ArgumentError, for the folder of another search too; what the builder throws; DataError, FileError */
  constructor(options: HyperbandOptions, ...surplus: never[]) {
    const name = 'Hyperband';
    const names = { ...searchNames, maxEpochs: true, factor: true, hyperbandIterations: true };
    const hints = {
      pruning: 'its rounds end what does badly',
      maxTrials: 'maxEpochs, factor and hyperbandIterations decide it',
    };
    checkOptions(name, options, names, surplus, hints);
    const { maxEpochs = 100, factor = 3, hyperbandIterations = 1, ...rest } = options;
    const own = { maxEpochs, factor, hyperbandIterations };
    super(rest, { name, oracle: hyperbandOracle(own), options: own, decidesEpochs: true });
  }
}

/** Options of `BayesianOptimization`. */
export interface BayesianOptimizationOptions extends PrunableSearchOptions {
  /** Trials of the whole search. Default 10. */
  maxTrials?: number;
  /** Trials at the beginning that are drawn at random. Default 10. */
  numInitialPoints?: number;
  /**
   * Trials that may run at once: each goes by the results of those before this group alone, so that the search is the same however many
   * machines there are. Default: `together`.
   */
  parallelTrials?: number;
}

/**
 * Draws each trial where those before it did well, by the tree-structured Parzen estimator, as Optuna does. KerasTuner's class of this
 * name goes by Gaussian processes instead.
 */
export class BayesianOptimization extends Search {
  /** @throws ArgumentError, for the folder of another search too; what the builder throws; DataError, FileError */
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

/** @throws ArgumentError for a `together` that is no count */
const parallelOf = (who: string, { together = 1, parallelTrials }: PrunableSearchOptions): number =>
  parallelTrials ?? checkCount(who, 'together', together);

const pruningOf = (who: string, options: PrunableSearchOptions) => ({
  pruning: options.pruning,
  parallelTrials: parallelOf(who, options),
});
