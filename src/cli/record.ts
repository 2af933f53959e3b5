import type { Dataset, DatasetSource } from '../data/types.ts';
import type { RunRecord } from '../report/run-record.ts';
import type { Tuning } from '../tuner/load.ts';
import type { EngineDevice, EngineModel } from './engine.ts';
import type { Experiment, TrainingSettings } from './experiment.ts';
import { modelLayers } from './model-layers.ts';
import type { RunOptions } from './options.ts';
import { versions } from './versions.ts';

/** Where the images come from, in a line; the sample is never passed off as the whole set. */
export function sourceText(dataset: Dataset): string {
  const { kind, description, path } = dataset.source;
  if (kind !== 'sample') return `${description} (${path})`;
  return `${description}\n${' '.repeat(9)}This is not the full data set: to get it, run \`npx tilegrad data fetch ${dataset.name}\``;
}

/** Every reason why this run's figures cannot be held against the published ones; empty when it is like for like. */
export function comparisonNotes(
  experiment: Experiment,
  settings: TrainingSettings,
  source: DatasetSource,
  limit?: number,
): string[] {
  const notes: string[] = [];
  if (source.kind === 'sample') {
    notes.push(
      `trained on the bundled sample, not the full data set: run \`npx tilegrad data fetch ${experiment.dataset}\``,
    );
  }
  if (limit !== undefined) notes.push(`--limit ${limit} was given`);
  const named = [
    ['epochs', 'epochs'],
    ['batchSize', 'batch size'],
    ['learningRate', 'learning rate'],
  ] as const;
  for (const [key, name] of named) {
    if (settings[key] !== experiment.defaults[key]) {
      notes.push(`${name} ${settings[key]} instead of ${experiment.defaults[key]}`);
    }
  }
  return notes;
}

/** Which kernels were chosen until now, for `run.json`. */
export function tuningRecord({ measured, path, hash }: Tuning): RunRecord['tuning'] {
  return { measured, file: measured > 0 ? path : null, choicesHash: hash() };
}

/** The command that does the same again, whatever the experiment's own settings will be by then. */
export function repeatCommand(experiment: Experiment, settings: TrainingSettings, options: RunOptions): string {
  const { epochs, batchSize, learningRate, seed, runs } = settings;
  const words = [
    ...['npx', 'tilegrad', 'run', experiment.id],
    ...(options.data === undefined ? [] : ['--data', quoted(options.data)]),
    ...['--epochs', epochs, '--batch', batchSize, '--lr', learningRate, '--seed', seed, '--runs', runs],
    ...(options.limit === undefined ? [] : ['--limit', options.limit]),
  ];
  return words.join(' ');
}

/** A word as a shell takes it. */
const quoted = (word: string) => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** The record of a run that is about to start. */
export function newRecord(run: {
  experiment: Experiment;
  settings: TrainingSettings;
  options: RunOptions;
  dataset: Dataset;
  device: EngineDevice;
  tuning: Tuning;
  model: EngineModel;
  startedAt: Date;
}): RunRecord {
  const { experiment, settings, options, dataset, device, model } = run;
  const { kind, path, description } = dataset.source;
  return {
    schemaVersion: 1,
    status: 'running',
    interrupted: false,
    experiment: { id: experiment.id, title: experiment.title, question: experiment.question },
    command: repeatCommand(experiment, settings, options),
    configuration: {
      dataset: experiment.dataset,
      ...settings,
      optimizer: experiment.optimizer,
      loss: experiment.loss,
      limit: options.limit ?? null,
    },
    data: { kind, path, description, trainImages: dataset.train.size, testImages: dataset.test.size },
    adapter: device.info,
    tuning: tuningRecord(run.tuning),
    versions: versions(),
    parameters: model.countParams(),
    model: { inputShape: [...model.inputShape], layers: modelLayers(model), summary: model.summary() },
    published: experiment.published,
    results: null,
    notes: comparisonNotes(experiment, settings, dataset.source, options.limit),
    runs: [],
    timings: { startedAt: run.startedAt.toISOString(), finishedAt: null, totalSeconds: 0 },
    counters: { ...device.counters },
  };
}
