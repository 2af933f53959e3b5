import { z } from 'zod';
import { hyperparameterValues, objective, type Trial } from './record.ts';

/** All that a trial depends on besides the builder, the data and the options of `fit`: plain JSON, for other processes too. */
export const trialDescription = z.strictObject({
  /** Its number, from 0. */
  number: z.number().int().nonnegative(),
  /** Every value that the builder asks for. */
  values: hyperparameterValues,
  /** The epoch it trains to, counted from 1. */
  epochs: z.number().int().positive(),
  /** Epochs that are behind it. */
  initialEpoch: z.number().int().nonnegative(),
  /** The number of the trial whose best weights it begins with; null for drawn ones. */
  from: z.number().int().nonnegative().nullable(),
  /** Of the first execution; those after it have the seeds that follow. */
  seed: z.number().int().nonnegative(),
  /** How often it is trained. */
  executions: z.number().int().positive(),
  /** What the search goes by. */
  objective,
  /**
   * For pruning: by epoch, the first being that of index 0, the value that the best so far must not be worse than; null for an epoch
   * in which nothing is compared.
   */
  medians: z.array(z.number().nullable()).optional(),
});
/**
 * All that a trial depends on besides the builder, the data and the options of `fit`: plain JSON, for other processes too.
 * @interface
 */
export type TrialDescription = z.infer<typeof trialDescription>;

/** What came of a trial. */
export interface TrialResult {
  /** Its values, score and logs. */
  trial: Trial;
  /** The safetensors file of its best epoch's weights; null for a failed trial. */
  weights: Uint8Array | null;
}

/** What a `TrialRunner` is given besides the description of a trial. */
export interface TrialRunOptions {
  /** The weights that it begins with, where `description.from` is a trial: those that were kept of it. */
  weights: Uint8Array | null;
  /** Ends the trial after the step under way. */
  signal?: AbortSignal;
}

/** Runs trials, in this process or elsewhere. */
export interface TrialRunner {
  /** How many trials may run at once. */
  readonly concurrency: number;
  /**
   * Runs a trial to its end. One that diverges, runs out of memory or throws is a result too: `status` is `failed`.
   * @throws AbortedError where `signal` ended it early, and it can be gone on with; DeviceLostError; ArgumentError for an objective
   *   that is not reported
   */
  run(description: TrialDescription, options: TrialRunOptions): Promise<TrialResult>;
  /** Called where a result is on the disk: what was kept for going on with the trial can go. */
  settled?(number: number): void;
}

/** The seed of a trial's first execution: executions of all trials have seeds of their own. */
export const seedOf = (seed: number, number: number, executions: number): number => seed + number * executions;
