import { z } from 'zod';

// The record of a search, on disk and in reports: plain data, without code of the engine.

const value = z.union([z.number(), z.string(), z.boolean()]);

/**
 * The value of a hyperparameter.
 * @useDeclaredType
 */
export type HyperparameterValue = z.infer<typeof value>;

/** A condition on another hyperparameter's value; this one exists only if all of its conditions hold. */
const condition = z.strictObject({
  /** The other hyperparameter. */
  name: z.string(),
  /** Its values. */
  values: z.array(value).min(1),
});

const nameAndConditions = {
  /** Its name in the builder. */
  name: z.string().min(1),
  /** Conditions on the values of other hyperparameters; it exists only if all hold. */
  conditions: z.array(condition),
};
const range = {
  /** Least value. */
  min: z.number(),
  /** Greatest value, included. */
  max: z.number(),
  /** The distribution of drawn values. */
  sampling: z.enum(['linear', 'log']),
};

/** A hyperparameter as the builder first requested it. `step` of a log range is a factor, as in KerasTuner. */
export const hyperparameter = z.discriminatedUnion('kind', [
  z.strictObject({
    /** An integer. */
    kind: z.literal('int'),
    ...nameAndConditions,
    ...range,
    /** Distance between values, or the factor between them. */
    step: z.number(),
    /** The value if none is drawn. */
    default: z.number(),
  }),
  z.strictObject({
    /** A number. */
    kind: z.literal('float'),
    ...nameAndConditions,
    ...range,
    /** Distance between values, or the factor between them; null for any number of the range. */
    step: z.number().nullable(),
    /** The value if none is drawn. */
    default: z.number(),
  }),
  z.strictObject({
    /** One of a list. */
    kind: z.literal('choice'),
    ...nameAndConditions,
    /** The list. */
    values: z.array(value).min(1),
    /** Whether neighbors in the list have similar effects. */
    ordered: z.boolean(),
    /** The value if none is drawn. */
    default: value,
  }),
  z.strictObject({
    /** True or false. */
    kind: z.literal('boolean'),
    ...nameAndConditions,
    /** The value if none is drawn. */
    default: z.boolean(),
  }),
  z.strictObject({
    /** The same in every trial. */
    kind: z.literal('fixed'),
    ...nameAndConditions,
    /** That value. */
    value,
  }),
]);
/**
 * A hyperparameter as the builder first requested it. `step` of a log range is a factor, as in KerasTuner.
 * @useDeclaredType
 */
export type Hyperparameter = z.infer<typeof hyperparameter>;

/** The values of a trial by name, in the order of the builder's requests. */
export const hyperparameterValues = z.record(z.string(), value);
/**
 * The values of a trial by name, in the order of the builder's requests.
 * @useDeclaredType
 */
export type HyperparameterValues = z.infer<typeof hyperparameterValues>;

/** A metric. JSON has no NaN or Infinity: values that are not finite are `null`. */
const metric = z.number().nullable();

/** A model and its training with one set of values. */
export const trial = z.strictObject({
  /** Number, from 0, in the order of proposals. Seed and values depend on it, never on when or where the trial ran. */
  number: z.number().int().nonnegative(),
  /** By name, with those of the searcher: `tuner/bracket`, `tuner/round`, `tuner/epochs`, `tuner/initial_epoch`, `tuner/trial_number`. */
  values: hyperparameterValues,
  /** `pruned`: stopped early because it did worse than the median; its score counts, as it is. `failed`: it has no score. */
  status: z.enum(['completed', 'pruned', 'failed']),
  /** Mean over the executions of the best value of the objective in any epoch; null for a failed trial. */
  score: metric,
  /** The epoch, counted from 1, of the first execution whose weights were kept; null for a failed trial. */
  bestEpoch: z.number().int().positive().nullable(),
  /** For each execution, the logs of each epoch. */
  histories: z.array(
    z.array(
      z
        .object({
          /** From 1. */
          epoch: z.number().int().positive(),
        })
        .catchall(metric),
    ),
  ),
  /** Number of values in all weights of the model; null if no model was created. */
  parameters: z.number().int().nonnegative().nullable(),
  /** Why it failed or was pruned. */
  reason: z.string().optional(),
  /** Building and training, in seconds of wall time. */
  seconds: z.strictObject({
    /** Until the end of the first step, with the compilation of kernels. */
    setUp: z.number(),
    /** In total. */
    total: z.number(),
  }),
  /** The adapter that trained it. */
  adapter: z.string(),
  /** The worker that trained it, if one did. */
  worker: z.string().optional(),
});
/**
 * A model and its training with one set of values.
 * @interface
 */
export type Trial = z.infer<typeof trial>;

export const objective = z.strictObject({
  /** A metric of the epochs, such as `valAccuracy`. */
  name: z.string(),
  /** Whether less or more of it is better. */
  direction: z.enum(['min', 'max']),
});
/**
 * The metric that ranks trials, and its direction.
 * @inline
 */
export type Objective = z.infer<typeof objective>;

/** A search: its options and its results. */
export const searchRecord = z.strictObject({
  /** Identifies the file. */
  kind: z.literal('tilegrad-search'),
  /** Version of the format. */
  schemaVersion: z.literal(1),
  /** Name of the search, for reports. */
  name: z.string(),
  /** `RandomSearch`, `GridSearch`, `Hyperband`, `BayesianOptimization`. */
  searcher: z.string(),
  /** Options of the searcher's class, such as `maxTrials` or `maxEpochs` and `factor`. */
  options: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  /** Options of each trial's `fit` that are plain values, and a description of the data. */
  fit: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  /** The objective of the search. */
  objective,
  /** Decides every value, weight, shuffle and dropout. */
  seed: z.number().int().nonnegative(),
  /** How often each trial is trained. */
  executionsPerTrial: z.number().int().positive(),
  /** Every hyperparameter that any trial requested, in the order of the first requests. */
  space: z.array(hyperparameter),
  /** By number. */
  trials: z.array(trial),
});
/**
 * A search: its options and its results.
 * @interface
 */
export type SearchRecord = z.infer<typeof searchRecord>;
