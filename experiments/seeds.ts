import type { ExperimentContext, TrainSpec } from '../src/cli/experiment.ts';
import type { Training } from '../src/report/training.ts';

/** Trainings that do not need each other's results: one after the other, or all at once where workers do them. In the order of `items`. */
export async function trainEach<T, R>(
  lab: ExperimentContext,
  items: readonly T[],
  train: (item: T) => Promise<R>,
): Promise<R[]> {
  if (lab.atOnce) return Promise.all(items.map(train));
  const trained: R[] = [];
  for (const item of items) trained.push(await train(item));
  return trained;
}

/**
 * A training once for each of the row's seeds: models that are stopped early, each by its own figures, cannot share their steps. A training
 * each is kept, `NAME-seed-SEED`. As many as the row's setting says, or `replicas` of the training.
 * @returns all of them as one, each model with as many epochs as it took
 */
export async function trainSeeds<M>(
  lab: ExperimentContext,
  name: string,
  spec: TrainSpec<M> | ((seed: number) => TrainSpec<M>),
): Promise<Training<M>> {
  const specOf = (seed: number) => (typeof spec === 'function' ? spec(seed) : spec);
  const { replicas = lab.settings.replicas } = specOf(lab.seed);
  const seeds = Array.from({ length: replicas }, (_, i) => lab.seed + i);
  const trained = await trainEach(lab, seeds, (seed) =>
    lab.train(`${name}-seed-${seed}`, { ...specOf(seed), ...{ seed, replicas: 1 } }),
  );
  return merged(name, trained);
}

/** Trainings of one network, a seed each, as one. */
export function merged<M, T extends Omit<Training<M>, 'measured'> & { measured?: M[] }>(
  name: string,
  trainings: readonly T[],
): Training<M> {
  const diverged = trainings.flatMap((one) => one.diverged ?? []);
  const seconds = (what: keyof Training['timings']) => trainings.reduce((sum, { timings }) => sum + timings[what], 0);
  return {
    ...trainings[0]!,
    name,
    seeds: trainings.flatMap(({ seeds }) => seeds),
    histories: trainings.flatMap(({ histories }) => histories),
    evaluations: trainings.flatMap(({ evaluations }) => evaluations),
    measured: trainings.flatMap(({ measured = [] }) => measured),
    ...(diverged.length > 0 ? { diverged } : {}),
    timings: {
      buildSeconds: seconds('buildSeconds'),
      fitSeconds: seconds('fitSeconds'),
      evaluateSeconds: seconds('evaluateSeconds'),
    },
  };
}
