import { z } from 'zod';

// What is kept of a search, on disk and in reports: plain data, without any code of the engine.

const value = z.union([z.number(), z.string(), z.boolean()]);

/**
 * The value of a hyperparameter.
 * @useDeclaredType
 */
export type HyperparameterValue = z.infer<typeof value>;

/** Under which other hyperparameter's values this one exists; all of a list must hold. */
const condition = z.strictObject({
  /** The other hyperparameter. */
  name: z.string(),
  /** Its values. */
  values: z.array(value).min(1),
});

const named = {
  /** What the builder calls it. */
  name: z.string().min(1),
  /** Under which other hyperparameters' values it exists; all of the list must hold. */
  conditions: z.array(condition),
};
const range = {
  /** Least value. */
  min: z.number(),
  /** Greatest value, included. */
  max: z.number(),
  /** What a value is drawn from. */
  sampling: z.enum(['linear', 'log']),
};

/** A hyperparameter as the builder first asked for it. `step` of a log range is a factor, as KerasTuner has it. */
export const hyperparameter = z.discriminatedUnion('kind', [
  z.strictObject({
    /** An integer. */
    kind: z.literal('int'),
    ...named,
    ...range,
    /** Distance between values, or the factor between them. */
    step: z.number(),
    /** The value where nothing draws one. */
    default: z.number(),
  }),
  z.strictObject({
    /** A number. */
    kind: z.literal('float'),
    ...named,
    ...range,
    /** Distance between values, or the factor between them; null for any number of the range. */
    step: z.number().nullable(),
    /** The value where nothing draws one. */
    default: z.number(),
  }),
  z.strictObject({
    /** One of a list. */
    kind: z.literal('choice'),
    ...named,
    /** The list. */
    values: z.array(value).min(1),
    /** Whether neighbors in the list are alike. */
    ordered: z.boolean(),
    /** The value where nothing draws one. */
    default: value,
  }),
  z.strictObject({
    /** True or false. */
    kind: z.literal('boolean'),
    ...named,
    /** The value where nothing draws one. */
    default: z.boolean(),
  }),
  z.strictObject({
    /** The same in every trial. */
    kind: z.literal('fixed'),
    ...named,
    /** That value. */
    value,
  }),
]);
/**
 * A hyperparameter as the builder first asked for it. `step` of a log range is a factor, as KerasTuner has it.
 * @useDeclaredType
 */
export type Hyperparameter = z.infer<typeof hyperparameter>;

/** The values of a trial by name, in the order in which the builder asked for them. */
export const hyperparameterValues = z.record(z.string(), value);
/**
 * The values of a trial by name, in the order in which the builder asked for them.
 * @useDeclaredType
 */
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
  histories: z.array(
    z.array(
      z
        .object({
          /** From 1. */
          epoch: z.number().int().positive(),
        })
        .catchall(figure),
    ),
  ),
  /** Values in all weights of the model; null where none was made. */
  parameters: z.number().int().nonnegative().nullable(),
  /** Why it failed or was pruned. */
  reason: z.string().optional(),
  /** Building and training, in seconds of wall time. */
  seconds: z.strictObject({
    /** Until the first step was done, with what it compiled. */
    setUp: z.number(),
    /** In all. */
    total: z.number(),
  }),
  /** The adapter that trained it. */
  adapter: z.string(),
  /** The worker that trained it, where there was one. */
  worker: z.string().optional(),
});
/**
 * A model and its training with one set of values.
 * @interface
 */
export type Trial = z.infer<typeof trial>;

export const objective = z.strictObject({
  /** A figure of the epochs, such as `valAccuracy`. */
  name: z.string(),
  /** Whether less or more of it is better. */
  direction: z.enum(['min', 'max']),
});
/**
 * What a search goes by.
 * @inline
 */
export type Objective = z.infer<typeof objective>;

/** A search: what was asked for and what was found. */
export const searchRecord = z.strictObject({
  /** What the file is. */
  kind: z.literal('tilegrad-search'),
  /** Version of the format. */
  schemaVersion: z.literal(1),
  /** Name of the search, for reports. */
  name: z.string(),
  /** `RandomSearch`, `GridSearch`, `Hyperband`, `BayesianOptimization`. */
  searcher: z.string(),
  /** The searcher's own options, such as `maxTrials` or `maxEpochs` and `factor`. */
  options: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  /** What each trial's `fit` is given: its options as far as they are plain values, and what tells the data. */
  fit: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  /** What the search goes by. */
  objective,
  /** Decides every value, weight, shuffle and dropout. */
  seed: z.number().int().nonnegative(),
  /** How often each trial is trained. */
  executionsPerTrial: z.number().int().positive(),
  /** Every hyperparameter that any trial met, in the order of first asking. */
  space: z.array(hyperparameter),
  /** By number. */
  trials: z.array(trial),
});
/**
 * A search: what was asked for and what was found.
 * @interface
 */
export type SearchRecord = z.infer<typeof searchRecord>;
