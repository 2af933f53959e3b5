import { z } from 'zod';

// What is kept of a search, on disk and in reports: plain data, without any code of the engine.

const value = z.union([z.number(), z.string(), z.boolean()]);

/** The value of a hyperparameter. */
export type HyperparameterValue = z.infer<typeof value>;

/** Under which other hyperparameter's values this one exists; all of a list must hold. */
const condition = z.strictObject({ name: z.string(), values: z.array(value).min(1) });

const named = { name: z.string().min(1), conditions: z.array(condition) };
const range = { min: z.number(), max: z.number(), sampling: z.enum(['linear', 'log']) };

/** A hyperparameter as the builder first asked for it. `step` of a log range is a factor, as KerasTuner has it. */
export const hyperparameter = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('int'), ...named, ...range, step: z.number(), default: z.number() }),
  z.strictObject({ kind: z.literal('float'), ...named, ...range, step: z.number().nullable(), default: z.number() }),
  z.strictObject({
    ...{ kind: z.literal('choice'), ...named, values: z.array(value).min(1), ordered: z.boolean(), default: value },
  }),
  z.strictObject({ kind: z.literal('boolean'), ...named, default: z.boolean() }),
  z.strictObject({ kind: z.literal('fixed'), ...named, value }),
]);
export type Hyperparameter = z.infer<typeof hyperparameter>;

/** The values of a trial by name, in the order in which the builder asked for them. */
export const hyperparameterValues = z.record(z.string(), value);
export type HyperparameterValues = z.infer<typeof hyperparameterValues>;

/** A figure of training. JSON has no NaN or Infinity: what is not finite is `null`. */
const figure = z.number().nullable();

/** A model and its training with one set of values. */
export const trial = z.strictObject({
  /** From 0 in the order in which trials are proposed; seed and values depend on it, never on when or where the trial ran. */
  number: z.number().int().nonnegative(),
  /** With those of the searcher's own: `tuner/bracket`, `tuner/round`, `tuner/epochs`, `tuner/initial_epoch`, `tuner/trial_number`. */
  values: hyperparameterValues,
  /** `pruned`: stopped early because it did worse than the median; its score counts, as it is. `failed`: it has no score. */
  status: z.enum(['completed', 'pruned', 'failed']),
  /** Mean over the executions of the best value of the objective in any epoch; null for a failed trial. */
  score: figure,
  /** The epoch, counted from 1, of the first execution whose weights were kept; null for a failed trial. */
  bestEpoch: z.number().int().positive().nullable(),
  /** Of each execution, the logs of each epoch. */
  histories: z.array(z.array(z.object({ epoch: z.number().int().positive() }).catchall(figure))),
  parameters: z.number().int().nonnegative().nullable(),
  /** Why it failed or was pruned. */
  reason: z.string().optional(),
  /** Building and training, in seconds of wall time; `setUp` of it until the first step was done, with what it compiled. */
  seconds: z.strictObject({ setUp: z.number(), total: z.number() }),
  /** The adapter that trained it, and the worker where there was one. */
  adapter: z.string(),
  worker: z.string().optional(),
});
export type Trial = z.infer<typeof trial>;

export const objective = z.strictObject({ name: z.string(), direction: z.enum(['min', 'max']) });
export type Objective = z.infer<typeof objective>;

/** A search: what was asked for and what was found. */
export const searchRecord = z.strictObject({
  kind: z.literal('tilegrad-search'),
  schemaVersion: z.literal(1),
  name: z.string(),
  /** `RandomSearch`, `GridSearch`, `Hyperband`, `BayesianOptimization`. */
  searcher: z.string(),
  /** The searcher's own options, such as `maxTrials` or `maxEpochs` and `factor`. */
  options: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  /** What each trial's `fit` is given: its options as far as they are plain values, and what tells the data. */
  fit: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  objective,
  seed: z.number().int().nonnegative(),
  executionsPerTrial: z.number().int().positive(),
  /** Every hyperparameter that any trial met, in the order of first asking. */
  space: z.array(hyperparameter),
  /** By number. */
  trials: z.array(trial),
});
export type SearchRecord = z.infer<typeof searchRecord>;
