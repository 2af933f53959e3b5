import { z } from 'zod';
import { hyperparameterValues, objective, type Trial } from './record.ts';

/** Everything that a trial depends on except the builder, the data and the options of `fit`: plain JSON, also for other processes. */
export const trialDescription = z.strictObject({
  /** Number of the trial, from 0. */
  number: z.number().int().nonnegative(),
  /** Values of all hyperparameters that the builder requests. */
  values: hyperparameterValues,
  /** Its last epoch, counted from 1. */
  epochs: z.number().int().positive(),
  /** Number of epochs that were trained before. */
  initialEpoch: z.number().int().nonnegative(),
  /** The number of the trial whose best weights it starts with; null for new weights. */
  from: z.number().int().nonnegative().nullable(),
  /** Seed of the first execution; the others have the seeds after it. */
  seed: z.number().int().nonnegative(),
  /** Number of executions. */
  executions: z.number().int().positive(),
  /** The objective of the search. */
  objective,
  /**
   * For pruning: for each epoch, from index 0, the value that the best so far must reach; null if the epoch is not compared.
   */
  medians: z.array(z.number().nullable()).optional(),
});
/**
 * Everything that a trial depends on except the builder, the data and the options of `fit`: plain JSON, also for other processes.
 * @interface
 */
export type TrialDescription = z.infer<typeof trialDescription>;

/** The result of a trial. */
export interface TrialResult {
  /** Its values, score and logs. */
  trial: Trial;
  /** The weights of its best epoch as a safetensors file; null for a failed trial. */
  weights: Uint8Array | null;
}

/** What a `TrialRunner` gets in addition to the description of a trial. */
export interface TrialRunOptions {
  /** If `description.from` is a trial: its saved weights, to start with. */
  weights: Uint8Array | null;
  /** Ends the trial after the current step. */
  signal?: AbortSignal;
}

/** Runs trials, in this process or elsewhere. */
export interface TrialRunner {
  /** How many trials may run at once. */
  readonly concurrency: number;
  /**
   * Runs a trial to its end. If it diverges, runs out of memory or throws, the result has the status `failed`.
   * @throws AbortedError if `signal` ended it early, so that it can be resumed; DeviceLostError; ArgumentError for an objective that is
   *   not reported
   */
  run(description: TrialDescription, options: TrialRunOptions): Promise<TrialResult>;
  /** Called when a result is on the disk: backups of the trial can be deleted. */
  settled?(number: number): void;
}

/** Returns the seed of a trial's first execution. Executions of all trials have different seeds. */
export const seedOf = (seed: number, number: number, executions: number): number => seed + number * executions;
