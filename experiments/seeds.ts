import type { ExperimentContext, TrainSpec } from '../src/cli/experiment.ts';
import type { Training } from '../src/report/training.ts';

/** Trains independently for each item: one after another, or all at once if workers do it. @returns results in the order of `items` */
export async function trainEach<T, R>(
  context: ExperimentContext,
  items: readonly T[],
  train: (item: T) => Promise<R>,
): Promise<R[]> {
  if (context.atOnce) return Promise.all(items.map(train));
  const trained: R[] = [];
  for (const item of items) trained.push(await train(item));
  return trained;
}

/**
 * Trains once for each seed, because models with early stopping end at different epochs and cannot share their steps. Each training is
 * saved as `NAME-seed-SEED`. The number of seeds is `replicas` of `spec`; default: that of the experiment's settings.
 * @returns all models as one training, each with its own number of epochs
 */
export async function trainSeeds<M>(
  context: ExperimentContext,
  name: string,
  spec: TrainSpec<M> | ((seed: number) => TrainSpec<M>),
): Promise<Training<M>> {
  const specOf = (seed: number) => (typeof spec === 'function' ? spec(seed) : spec);
  const { replicas = context.settings.replicas } = specOf(context.seed);
  const seeds = Array.from({ length: replicas }, (_, i) => context.seed + i);
  const trained = await trainEach(context, seeds, (seed) =>
    context.train(`${name}-seed-${seed}`, { ...specOf(seed), ...{ seed, replicas: 1 } }),
  );
  return mergeTrainings(name, trained);
}

/** Joins trainings of one network with different seeds into one training. */
export function mergeTrainings<M, T extends Omit<Training<M>, 'measured'> & { measured?: M[] }>(
  name: string,
  trainings: readonly T[],
): Training<M> {
  const diverged = trainings.flatMap((one) => one.diverged ?? []);
  const sumOf = (time: keyof Training['timings']) => trainings.reduce((sum, { timings }) => sum + timings[time], 0);
  return {
    ...trainings[0]!,
    name,
    seeds: trainings.flatMap(({ seeds }) => seeds),
    histories: trainings.flatMap(({ histories }) => histories),
    evaluations: trainings.flatMap(({ evaluations }) => evaluations),
    measured: trainings.flatMap(({ measured = [] }) => measured),
    ...(diverged.length > 0 ? { diverged } : {}),
    timings: {
      buildSeconds: sumOf('buildSeconds'),
      fitSeconds: sumOf('fitSeconds'),
      evaluateSeconds: sumOf('evaluateSeconds'),
    },
  };
}
