import type { Hyperparameter, HyperparameterValue, HyperparameterValues, Objective, Trial } from './record.ts';

/** A trial as it is proposed: its values are known once the builder was run with it. */
export interface Proposal {
  /** Values that are set already; what the builder asks for beyond them is drawn. */
  values: HyperparameterValues;
  /** The epoch it trains to, counted from 1; left out, that of `search`. */
  epochs?: number;
  /** Epochs that are behind it; default 0. */
  initialEpoch?: number;
  /** The number of the trial whose best weights it begins with. */
  from?: number;
}

/** What a searcher goes by. */
export interface SearchState {
  seed: number;
  objective: Objective;
  /** Trials that ended, by number. */
  finished: ReadonlyMap<number, Trial>;
  /** Values of every trial that was proposed, ended or not, by number: all numbers below the one asked about are there. */
  proposed: ReadonlyMap<number, HyperparameterValues>;
  /** What each trial's builder asked for, in that order, by number. */
  asked: ReadonlyMap<number, readonly Hyperparameter[]>;
}

/**
 * Proposes trials. Everything it says depends on the trial's number, the seed, and the results of trials whose numbers it says
 * itself, never on which others happen to have ended: so that a search on many machines, or one that was killed, has the same trials.
 */
export interface Oracle {
  /**
   * The trial of a number. @returns `'wait'` while results that it goes by are still to come; null where the search has no
   * trial of that number, nor any later one
   */
  propose(number: number, state: SearchState): Proposal | 'wait' | null;
  /**
   * A value that the proposal does not hold, for what the builder asks.
   * @param values what this trial's builder was given so far
   * @param attempt counts from 0: more where the values came out as those of an earlier trial
   */
  draw(
    hyperparameter: Hyperparameter,
    number: number,
    attempt: number,
    values: HyperparameterValues,
    state: SearchState,
  ): HyperparameterValue;
  /** Whether the trials depend on the order in which the builder asks, and on defaults; default false. */
  readonly isOrdered?: boolean;
  /** How many draws a number gets before the search counts as exhausted, when all came out as earlier trials; default 1. */
  readonly attempts?: number;
}
