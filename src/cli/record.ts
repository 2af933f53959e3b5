import type { Dataset, DatasetSource } from '../data/types.ts';
import type { CurvePlot } from '../report/plots.ts';
import type { RunRecord } from '../report/run-record.ts';
import type { Tuning } from '../tuner/load.ts';
import type { EngineDevice } from './engine.ts';
import type { Experiment, TrainingSettings } from './experiment.ts';
import { count } from './format.ts';
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

/** The record of a run that is about to start. */
export function newRecord(run: {
  experiment: Experiment;
  settings: TrainingSettings;
  limit?: number;
  dataset: Dataset;
  device: EngineDevice;
  tuning: Tuning;
  parameters: number;
  startedAt: Date;
}): RunRecord {
  const { experiment, settings, limit, dataset, device } = run;
  const { kind, path, description } = dataset.source;
  return {
    schemaVersion: 1,
    status: 'running',
    interrupted: false,
    experiment: { id: experiment.id, title: experiment.title },
    configuration: {
      dataset: experiment.dataset,
      ...settings,
      optimizer: experiment.optimizer,
      loss: experiment.loss,
      limit: limit ?? null,
    },
    data: { kind, path, description, trainImages: dataset.train.size, testImages: dataset.test.size },
    adapter: device.info,
    tuning: tuningRecord(run.tuning),
    versions: versions(),
    parameters: run.parameters,
    published: experiment.published,
    results: null,
    notes: comparisonNotes(experiment, settings, dataset.source, limit),
    runs: [],
    timings: { startedAt: run.startedAt.toISOString(), finishedAt: null, totalSeconds: 0 },
    counters: { ...device.counters },
  };
}

/** The accuracy and loss plots of a record, by file name without ending. */
export function plotsOf(record: RunRecord): Record<'accuracy' | 'loss', CurvePlot> {
  const { experiment, configuration, data } = record;
  const { optimizer, learningRate, batchSize, seed, runs } = configuration;
  const seeds = runs > 1 ? `seeds ${seed} to ${seed + runs - 1}` : `seed ${seed}`;
  const images = `${count(data.trainImages)} training and ${count(data.testImages)} test images`;
  const subtitle = [
    `${images}${data.kind === 'sample' ? ' (bundled sample)' : ''}`,
    `batch ${batchSize}, ${optimizer} ${learningRate}, ${seeds}`,
  ];
  const plot = (quantity: string, training: 'accuracy' | 'loss', test: 'valAccuracy' | 'valLoss') => ({
    title: `${experiment.id} ${experiment.title}: ${quantity}`,
    subtitle,
    quantity,
    curves: record.runs.map((run) => ({
      run: `seed ${run.seed}`,
      training: run.history.map((logs) => logs[training]),
      test: run.history.map((logs) => logs[test]),
    })),
  });
  const { trainAccuracy, testAccuracy } = record.published;
  return {
    accuracy: {
      ...plot('accuracy', 'accuracy', 'valAccuracy'),
      published: { training: trainAccuracy, test: testAccuracy },
    },
    loss: plot('loss', 'loss', 'valLoss'),
  };
}

/** Draws a record's curves: file name to content. Empty while no epoch has finished. */
export async function curveFiles(record: RunRecord): Promise<Map<string, string | Uint8Array>> {
  const files = new Map<string, string | Uint8Array>();
  if (record.runs.every((run) => run.history.length === 0)) return files;
  // Vega takes most of a second to load, which no command should wait for that draws nothing.
  const { drawCurves } = await import('../report/plots.ts');
  for (const [name, plot] of Object.entries(plotsOf(record))) {
    const { svg, png } = await drawCurves(plot);
    files.set(`${name}.svg`, svg);
    files.set(`${name}.png`, png);
  }
  return files;
}
