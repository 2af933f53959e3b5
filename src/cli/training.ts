import { existsSync } from 'node:fs';
import { AbortedError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { TrainingEntry } from '../report/run-record.ts';
import { divergedSeeds } from '../report/training.ts';
import type { EpochLogs } from '../training/callbacks/logs.ts';
import type { Callback, Model } from '../training/model.ts';
import type { CallbackState } from '../training/state/training-state.ts';
import type { TrainedReplica, TrainSpec } from './experiment.ts';
import { toPlainJson } from './plain-json.ts';
import { secondsSince } from './seconds-since.ts';
import { createTensorBoards } from './tensorboard.ts';

/** What a training gets from its run. */
export interface TrainingContext {
  device: Device;
  /** The run's folder. */
  folder: string;
  /** The file from which this training continues after its last epoch or an interruption. */
  backup: string;
  signal: AbortSignal;
  progress: Callback;
  /** Called when the entry has changed. */
  onChange(): void;
}

/**
 * Trains all replicas of an entry together, and writes histories and metrics into it after each epoch.
 * @returns the value of `measure` for each replica, and the seconds of earlier sessions
 * @throws AbortedError after Ctrl-C; the entry then holds the finished epochs
 */
export async function trainModels<M>(
  entry: TrainingEntry,
  spec: TrainSpec<M>,
  context: TrainingContext,
): Promise<{ measured: M[]; secondsBefore: number }> {
  const { seeds, timings } = entry;
  const { signal } = context;
  const startTime = performance.now();
  const model = await spec.createModel();
  try {
    model.build(context.device, { seed: seeds[0]!, replicas: seeds.length });
    model.compile(spec.compile());
    timings.buildSeconds = secondsSince(startTime);
    const secondsBefore = await fit(model, entry, spec, context);
    const test = spec.testData ?? spec.validationData;
    if (test !== undefined) {
      const evaluateStart = performance.now();
      const batchSize = Math.min(entry.batchSize, samplesOf(test));
      const metrics = await model.evaluateReplicas(test, { batchSize, signal });
      entry.evaluations = toPlainJson(metrics.map((values) => ({ ...values }))) as typeof entry.evaluations;
      timings.evaluateSeconds = secondsSince(evaluateStart);
      context.onChange();
    }
    const diverged = divergedSeeds(entry);
    if (diverged.length > 0) entry.diverged = diverged;
    const measured: M[] = [];
    if (spec.measure) {
      for (const replica of replicasOf(model, seeds, signal)) measured.push(toPlainJson(await spec.measure(replica)));
    }
    return { measured, secondsBefore };
  } finally {
    model.dispose();
  }
}

async function fit<M>(
  model: Model,
  entry: TrainingEntry,
  spec: TrainSpec<M>,
  { folder, backup, signal, progress, onChange }: TrainingContext,
): Promise<number> {
  const { seeds, epochs, batchSize, timings } = entry;
  const { BackupAndRestore } = await import('../io/backup.ts');
  const isResumed = existsSync(backup);
  const recorder = new EpochRecorder(entry, onChange);
  const { validationData, validationSplit, shuffle = true } = spec;
  const history = await model.fit(spec.data, {
    ...{ epochs, batchSize, seed: seeds[0]!, shuffle, signal },
    ...(validationData === undefined ? {} : { validationData }),
    ...(validationSplit === undefined ? {} : { validationSplit }),
    ...(spec.cacheFeatures ? { cacheFeatures: true } : {}),
    callbacks: [
      progress,
      recorder,
      ...(spec.callbacks?.() ?? []),
      ...(spec.tensorBoard ? await createTensorBoards(folder, entry, isResumed) : []),
      // Deleted when the result is saved, not when fit ends: the metrics on the test data are still missing then.
      new BackupAndRestore({ path: backup, deleteCheckpoint: false }),
    ],
  });
  timings.fitSeconds = history.seconds; // of all sessions
  if (history.interrupted) throw new AbortedError('training: stopped on request');
  return recorder.secondsBefore;
}

/** Writes the epochs into the entry, and restores them if a training is resumed. */
class EpochRecorder implements Callback {
  /** Seconds that earlier sessions took. */
  secondsBefore = 0;
  private readonly startTime = performance.now();

  constructor(
    private readonly entry: TrainingEntry,
    private readonly onChange: () => void,
  ) {
    entry.histories = entry.seeds.map(() => []);
  }

  onEpochEnd(_: EpochLogs, replicas: readonly EpochLogs[]): void {
    const { histories, timings } = this.entry;
    for (const [r, logs] of replicas.entries())
      histories[r]!.push(toPlainJson({ ...logs }) as (typeof histories)[0][0]);
    timings.fitSeconds = this.secondsBefore + secondsSince(this.startTime);
    this.onChange();
  }

  state() {
    return toPlainJson({ histories: this.entry.histories, seconds: this.secondsBefore + secondsSince(this.startTime) });
  }

  restore({ histories, seconds }: CallbackState): void {
    this.entry.histories = histories as TrainingEntry['histories'];
    this.secondsBefore = seconds as number;
  }
}

/** Number of samples of a loader; infinity for a stream. */
export const samplesOf = (data: unknown): number => (data as { size?: number }).size ?? Number.POSITIVE_INFINITY;

/** Returns the replicas of a trained model. */
function replicasOf(model: Model, seeds: readonly number[], signal: AbortSignal): TrainedReplica[] {
  const sliceOfReplica = (all: Float32Array, index: number) => {
    const size = all.length / seeds.length;
    return all.slice(index * size, (index + 1) * size);
  };
  // One call computes the outputs of all replicas, at the first request.
  const outputs = new Map<unknown, Promise<Float32Array>>();
  return seeds.map((seed, index) => ({
    model,
    index,
    seed,
    weights: async (i) => sliceOfReplica((await model.weights[i]!.tensor.data()) as Float32Array, index),
    async predict(data) {
      const allOutputs = outputs.get(data) ?? model.predict(data, { signal });
      outputs.set(data, allOutputs);
      return sliceOfReplica(await allOutputs, index);
    },
    async confusion(data) {
      const { confusionMatrix } = await import('../training/evaluate.ts');
      return (await confusionMatrix(model, data, { replica: index, signal })).counts.map((row) => [...row]);
    },
  }));
}
