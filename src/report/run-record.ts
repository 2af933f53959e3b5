import { z } from 'zod';
import { modelFigure } from './figures/schema.ts';

/**
 * A figure of training. JSON has no NaN or Infinity, so a diverged loss is `null` in the file: read `null` as "not a
 * finite number".
 */
const figure = z.number().nullable();

const epochLogs = z.object({
  epoch: z.number().int().positive(),
  loss: figure,
  accuracy: figure,
  valLoss: figure.optional(),
  valAccuracy: figure.optional(),
  learningRate: z.number(),
  seconds: z.number(),
  samplesPerSecond: z.number(),
});

const spread = z.object({
  mean: figure,
  /** Sample standard deviation; `null` for a single run. */
  sd: figure,
});

const trainedModel = z.object({
  seed: z.number().int().nonnegative(),
  interrupted: z.boolean(),
  history: z.array(epochLogs),
  /** Loss and accuracy on the test set after the last epoch; `null` when the run did not get that far. */
  evaluation: z.object({ loss: figure, accuracy: figure }).nullable(),
  timings: z.object({
    /** Creating the weights. */
    buildSeconds: z.number(),
    /** The whole `fit` call, validation included. */
    fitSeconds: z.number(),
    /** One pass over the test set. */
    evaluateSeconds: z.number().nullable(),
  }),
});

/** What `run.json` holds. `schemaVersion` grows whenever a field changes its meaning or goes away. */
export const runRecord = z.object({
  schemaVersion: z.literal(1),
  status: z.enum(['running', 'finished', 'interrupted', 'failed']),
  interrupted: z.boolean(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  experiment: z.object({ id: z.string(), title: z.string(), question: z.string().optional() }),
  /** What does the same again; missing in records of older versions, as are `question`, `model` and `tuning`. */
  command: z.string().optional(),
  configuration: z.object({
    dataset: z.string(),
    epochs: z.number().int().positive(),
    batchSize: z.number().int().positive(),
    learningRate: z.number().positive(),
    optimizer: z.string(),
    loss: z.string(),
    seed: z.number().int().nonnegative(),
    runs: z.number().int().positive(),
    limit: z.number().int().positive().nullable(),
  }),
  data: z.object({
    kind: z.enum(['folder', 'archive', 'sample']),
    path: z.string(),
    description: z.string(),
    trainImages: z.number().int(),
    testImages: z.number().int(),
  }),
  adapter: z.object({
    name: z.string(),
    vendor: z.string(),
    architecture: z.string(),
    driver: z.string(),
    isSoftware: z.boolean(),
    features: z.array(z.string()),
    limits: z.record(z.string(), z.number()),
  }),
  /** Which kernels ran: the same seed, adapter and `choicesHash` give the same bits. */
  tuning: z
    .object({
      /** Choices of kernels that were taken from the tuner's cache; all others are by rule. */
      measured: z.number().int().nonnegative(),
      /** The cache file, where there was one of use. */
      file: z.string().nullable(),
      /** Of every choice made, by operator and sizes. */
      choicesHash: z.string(),
    })
    .optional(),
  versions: z.object({ tilegrad: z.string(), node: z.string(), webgpu: z.string(), platform: z.string() }),
  parameters: z.number().int(),
  model: modelFigure.pick({ inputShape: true, layers: true }).extend({ summary: z.string() }).optional(),
  published: z.object({ trainAccuracy: z.number(), testAccuracy: z.number(), parameters: z.number().int() }),
  /** Mean and spread over the finished runs; `null` until one has finished. */
  results: z.object({ runs: z.number().int(), trainAccuracy: spread, testAccuracy: spread }).nullable(),
  /** Why a comparison with the published figures is not like for like; empty when it is. */
  notes: z.array(z.string()),
  runs: z.array(trainedModel),
  timings: z.object({ startedAt: z.string(), finishedAt: z.string().nullable(), totalSeconds: z.number() }),
  /** What the device did since it was opened, all runs together. */
  counters: z.record(z.string(), z.number()),
});

export type RunRecord = z.infer<typeof runRecord>;
export type TrainedModel = z.infer<typeof trainedModel>;
export type Spread = z.infer<typeof spread>;

/** Mean and sample standard deviation (n - 1) of the values; the deviation of fewer than two is `null`. */
export function meanAndSd(values: number[]): Spread {
  if (values.length === 0) return { mean: null, sd: null };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, sd: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squares / (values.length - 1)) };
}

/**
 * Final figures over the runs that finished: training accuracy as Keras reports it (the running mean over the last
 * epoch) and accuracy on the test set. `null` when no run has finished.
 */
export function summarise(runs: TrainedModel[]): RunRecord['results'] {
  const finished = runs.filter((run) => run.evaluation !== null);
  if (finished.length === 0) return null;
  return {
    runs: finished.length,
    trainAccuracy: meanAndSd(finished.map((run) => run.history.at(-1)?.accuracy ?? Number.NaN)),
    testAccuracy: meanAndSd(finished.map((run) => run.evaluation?.accuracy ?? Number.NaN)),
  };
}
