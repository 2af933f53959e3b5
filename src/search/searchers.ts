import { checkOptions } from '../check.ts';
import { gridOracle } from './oracles/grid.ts';
import { randomOracle } from './oracles/random.ts';
import { type PrunableSearchOptions, prunableNames, Search } from './search.ts';

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
    super(rest, { name, oracle: randomOracle({ maxTrials }), options: { maxTrials }, ...pruningOf(rest) });
  }
}

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
    super(rest, { name, oracle: gridOracle(own), options: { maxTrials: maxTrials ?? null }, ...pruningOf(rest) });
  }
}

const pruningOf = ({ pruning, parallelTrials }: PrunableSearchOptions) => ({ pruning, parallelTrials });
