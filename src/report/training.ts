import { z } from 'zod';
import { modelFigure } from './figures/schema.ts';

/** A metric of training. JSON has no NaN or Infinity: a loss that diverged is `null`. */
const metric = z.number().nullable();

/** Logs of an epoch. */
const epochLogs = z
  .object({
    /** From 1. */
    epoch: z.number().int().positive(),
  })
  .catchall(metric);

/** The record of a training, for reports. Lists with one entry for each model are in the order of `seeds`. */
export const training = z.object({
  /** Name of the training. */
  name: z.string(),
  /** The seed of each model. */
  seeds: z.array(z.number().int().nonnegative()).min(1),
  /** Number of the last epoch. */
  epochs: z.number().int().positive(),
  /** Number of samples of a step. */
  batchSize: z.number().int().positive(),
  /** The optimizer with its settings, in words. */
  optimizer: z.string(),
  /** The loss with its settings, in words. */
  loss: z.string(),
  /** For each model, its finished epochs. */
  histories: z.array(z.array(epochLogs)),
  /** Metrics on the test data after the last epoch, for each model; empty if there are none. */
  evaluations: z.array(z.record(z.string(), metric)),
  /** Seeds of the models whose final loss is not a finite number; missing if there are none. */
  diverged: z.array(z.number().int().nonnegative()).optional(),
  /** The value of `measure` for each model. */
  measured: z.array(z.unknown()),
  /** The model: its layers for drawing, and its summary. */
  model: modelFigure.pick({ inputShape: true, layers: true }).extend({
    /** Name of the model. */
    title: z.string(),
    /** The result of `model.summary()`. */
    summary: z.string(),
    /** Values in all weights of one model. */
    parameters: z.number().int(),
  }),
  /** Wall time of all models together. */
  timings: z.object({
    /** Creating the models. */
    buildSeconds: z.number(),
    /** `fit`. */
    fitSeconds: z.number(),
    /** Measuring on the test data. */
    evaluateSeconds: z.number(),
  }),
  /** The worker that trained them and its adapter; missing if the run's own process did. */
  worker: z.string().optional(),
});

type StoredTraining = z.infer<typeof training>;

/** Seeds of the models whose last loss, of training, validation or test data, is not a finite number. */
export function divergedSeeds({
  seeds,
  histories,
  evaluations,
}: Pick<StoredTraining, 'seeds' | 'histories' | 'evaluations'>): number[] {
  return seeds.filter((_, r) => {
    const last = histories[r]?.at(-1);
    return [last?.loss, last?.valLoss, evaluations[r]?.loss].some(
      (loss) => loss !== undefined && !Number.isFinite(loss),
    );
  });
}

/** Returns a warning for a training with models whose final loss is not a finite number; null for one without. */
export function divergenceText({
  name,
  seeds,
  diverged = [],
}: Pick<StoredTraining, 'name' | 'seeds' | 'diverged'>): string | null {
  if (diverged.length === 0) return null;
  const models = diverged.length === seeds.length ? 'every model' : `the model of seed ${diverged.join(', ')}`;
  return `training ${name}: the loss of ${models} is not a finite number at the end, so what is measured of it means nothing; try a lower learning rate`;
}

/** A training with the values that the experiment measured for each model. */
export interface Training<M = unknown> extends Omit<StoredTraining, 'measured'> {
  /** The value of `measure` for each model. */
  measured: M[];
}

/** A metric of the last epoch of each model: Keras's training accuracy is the mean over that epoch. */
export const lastFigures = ({ histories }: Training, name = 'accuracy'): number[] =>
  histories.map((epochs) => epochs.at(-1)?.[name] ?? Number.NaN);

/** A metric on the test data of each model. */
export const testFigures = ({ evaluations }: Training, name = 'accuracy'): number[] =>
  evaluations.map((metrics) => metrics[name] ?? Number.NaN);
