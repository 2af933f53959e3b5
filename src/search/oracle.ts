import type { Hyperparameter, HyperparameterValue, HyperparameterValues, Objective, Trial } from './record.ts';

/** A proposed trial: its values are complete after the builder has run with it. */
export interface Proposal {
  /** Preset values; all others that the builder requests are drawn. */
  values: HyperparameterValues;
  /** Its last epoch, counted from 1; default: that of `search`. */
  epochs?: number;
  /** Number of epochs that were trained before; default: 0. */
  initialEpoch?: number;
  /** The number of the trial whose best weights it starts with. */
  from?: number;
}

/** What a searcher's decisions depend on. */
export interface SearchState {
  seed: number;
  objective: Objective;
  /** Finished trials by number. */
  finished: ReadonlyMap<number, Trial>;
  /** Values of all proposed trials by number; it contains all numbers below the current one. */
  proposed: ReadonlyMap<number, HyperparameterValues>;
  /** The hyperparameters that each trial's builder requested, in that order, by number. */
  asked: ReadonlyMap<number, readonly Hyperparameter[]>;
}

/**
 * Proposes trials. Its answers depend only on the trial's number, the seed, and the results of the trials that a proposal requires, never
 * on which other trials have finished. So a search on many machines, or one that was killed, has the same trials.
 */
export interface Oracle {
  /**
   * Returns the trial of a number; `'wait'` while results that it depends on are missing; null if the search has no trial of that
   * number or a later one.
   */
  propose(number: number, state: SearchState): Proposal | 'wait' | null;
  /**
   * Draws the value of a hyperparameter that the proposal does not contain.
   * @param values  the values that this trial's builder got so far
   * @param attempt number of earlier attempts, whose values equaled those of an earlier trial
   */
  draw(
    hyperparameter: Hyperparameter,
    number: number,
    attempt: number,
    values: HyperparameterValues,
    state: SearchState,
  ): HyperparameterValue;
  /** Whether the trials depend on the order of the builder's requests and on defaults; default: false. */
  readonly isOrdered?: boolean;
  /** Attempts for a number, all equal to earlier trials, after which the search counts as exhausted; default: 1. */
  readonly attempts?: number;
}
