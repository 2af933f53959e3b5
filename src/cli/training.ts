import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { AbortedError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import type { Callback, EpochLogs } from '../nn/callbacks.ts';
import type { Model } from '../nn/model.ts';
import type { TrainingEntry } from '../report/run-record.ts';
import type { TrainedReplica, TrainSpec } from './experiment.ts';

/** Where a training happens. */
export interface TrainingPlace {
  device: Device;
  /** The run's folder. */
  folder: string;
  signal: AbortSignal;
  progress: Callback;
  /** Told of each model before it is trained. */
  onModel(index: number, seed: number): void;
  /** Called when there is more in the entry. */
  onChange(): void;
}

const since = (start: number) => (performance.now() - start) / 1000;
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value ?? null)) as T;

/**
 * Trains the models of an entry, whose histories and figures grow as it goes.
 * @returns what `measure` took of each. @throws AbortedError after Ctrl-C, with the entry as far as it got
 */
export async function trainModels<M>(entry: TrainingEntry, spec: TrainSpec<M>, place: TrainingPlace): Promise<M[]> {
  const measured: M[] = [];
  for (const [index, seed] of entry.seeds.entries()) {
    if (place.signal.aborted) throw new AbortedError('training: stopped on request');
    place.onModel(index, seed);
    const begun = performance.now();
    const model = spec.createModel();
    try {
      model.build(place.device, { seed });
      model.compile(spec.compile());
      entry.timings.buildSeconds += since(begun);
      await trainOne(entry, spec, place, model, index);
      if (spec.measure) measured.push(plain(await spec.measure(replicaOf(model, index, seed, place.signal))));
    } finally {
      model.dispose();
    }
  }
  return measured;
}

async function trainOne<M>(
  entry: TrainingEntry,
  spec: TrainSpec<M>,
  { folder, signal, progress, onChange }: TrainingPlace,
  model: Model,
  index: number,
): Promise<void> {
  const { seeds, epochs, batchSize, timings } = entry;
  const seed = seeds[index]!;
  const done: TrainingEntry['histories'][number] = [];
  entry.histories.push(done);
  const before = timings.fitSeconds;
  const fitBegun = performance.now();
  const note: Callback = {
    onEpochEnd(logs: EpochLogs) {
      done.push(plain({ ...logs }) as (typeof done)[number]);
      timings.fitSeconds = before + since(fitBegun);
      onChange();
    },
  };
  const history = await model.fit(spec.data, {
    epochs,
    batchSize,
    seed,
    ...(spec.validationData === undefined ? {} : { validationData: spec.validationData }),
    ...(spec.validationSplit === undefined ? {} : { validationSplit: spec.validationSplit }),
    shuffle: spec.shuffle ?? true,
    callbacks: [
      progress,
      note,
      ...(spec.callbacks?.() ?? []),
      ...(spec.tensorBoard ? [await tensorBoard(folder, entry, seed)] : []),
    ],
    signal,
  });
  timings.fitSeconds = before + history.seconds;
  if (history.interrupted) throw new AbortedError('training: stopped on request');
  const test = spec.testData ?? spec.validationData;
  if (test === undefined) return;
  const evaluateBegun = performance.now();
  const figures = await model.evaluate(test, { batchSize: Math.min(batchSize, sizeOf(test)), signal });
  entry.evaluations.push(plain({ ...figures }) as (typeof entry.evaluations)[number]);
  timings.evaluateSeconds += since(evaluateBegun);
  onChange();
}

/** Samples of a loader; what has none is a stream. */
const sizeOf = (data: unknown): number => (data as { size?: number }).size ?? Number.POSITIVE_INFINITY;

/** Curves and histograms of the weights for `tensorboard --logdir RUN/logs`; those of an attempt that was cut short go. */
async function tensorBoard(folder: string, { name, seeds }: TrainingEntry, seed: number): Promise<Callback> {
  const { TensorBoard } = await import('../io/tensorboard.ts');
  const logDir = join(folder, 'logs', seeds.length > 1 ? `${name}-seed-${seed}` : name);
  rmSync(logDir, { recursive: true, force: true });
  return new TensorBoard({ logDir, histogramFreq: 1 });
}

function replicaOf(model: Model, index: number, seed: number, signal: AbortSignal): TrainedReplica {
  return {
    model,
    index,
    seed,
    weights: async (i) => (await model.weights[i]!.tensor.data()) as Float32Array,
    predict: (data) => model.predict(data, { signal }),
    async confusion(data) {
      const { confusionMatrix } = await import('../nn/evaluate.ts');
      return (await confusionMatrix(model, data, { signal })).counts.map((row) => [...row]);
    },
  };
}
