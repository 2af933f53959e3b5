import { hostname } from 'node:os';
import type { Dataset } from '../data/types.ts';
import type { ExperimentRecord, RunRecord, RunRequest, TrainingEntry } from '../report/run-record.ts';
import type { Tuning } from '../tuner/load.ts';
import type { EngineDevice } from './engine.ts';
import { fingerprintOf, hashOf } from './fingerprint.ts';
import { repeatCommand } from './settings.ts';
import { versions } from './versions.ts';
import type { WeightFile } from './weights.ts';

/** Where the images come from, in a line; the sample is never passed off as the whole set. */
export function sourceText(dataset: Dataset): string {
  const { kind, description, path } = dataset.source;
  if (kind !== 'sample') return `${description} (${path})`;
  return `${description}\n${' '.repeat(9)}This is not the full data set: to get it, run \`npx tilegrad data fetch ${dataset.name}\``;
}

/**
 * Which kernels were chosen until now, for `run.json`.
 * @param before that of the sessions before this one, whose choices count as well: this one does not make again what they finished
 */
export function tuningRecord(tuning: Tuning, before?: RunRecord['tuning']): RunRecord['tuning'] {
  const { measured, measuredHash, path } = tuning;
  const choices = { ...before?.choices, ...tuning.choices() };
  return { measured, measuredHash, file: measured > 0 ? path : null, choices, choicesHash: tuning.hash(choices) };
}

/** Data sets as `run.json` names them, with what tells whether they are the same ones. */
export function dataRecord(datasets: Iterable<Dataset>): RunRecord['data'] {
  return Object.fromEntries(
    [...datasets].map(({ name, train, test, source: { kind, path, description } }) => [
      name,
      {
        ...{ kind, path, description, trainImages: train.size, testImages: test.size },
        fingerprint: hashOf([fingerprintOf(train), fingerprintOf(test)]),
      },
    ]),
  );
}

/** The record of a run that is about to start. */
export function newRecord(run: {
  title: string;
  question: readonly string[];
  request: RunRequest;
  rows: ExperimentRecord[];
  /** Those of earlier sessions. */
  trainings: readonly TrainingEntry[];
  datasets: Iterable<Dataset>;
  weights: readonly WeightFile[];
  device: EngineDevice;
  tuning: Tuning;
  startedAt: Date;
  /** Of an experiment of one's own. */
  code?: string | undefined;
}): RunRecord {
  const { title, question, request, rows, device } = run;
  return {
    kind: 'tilegrad-run',
    schemaVersion: 2,
    id: request.id,
    title,
    question: [...question],
    status: 'running',
    process: { pid: process.pid, host: hostname() },
    request,
    ...(run.code === undefined ? {} : { code: run.code }),
    command: repeatCommand(request),
    data: dataRecord(run.datasets),
    ...(run.weights.length > 0 ? { weights: [...run.weights] } : {}),
    adapter: device.info,
    probe: device.probe,
    tuning: tuningRecord(run.tuning),
    versions: versions(),
    rows,
    trainings: run.trainings.map((one) => ({ ...one, kept: true })),
    timings: { startedAt: run.startedAt.toISOString(), finishedAt: null, totalSeconds: 0 },
    counters: { ...device.counters },
  };
}
