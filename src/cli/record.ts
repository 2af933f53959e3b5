import { hostname } from 'node:os';
import type { Dataset } from '../data/types.ts';
import type { ExperimentRecord, RunRecord, RunRequest, TrainingEntry } from '../report/run-record.ts';
import type { Tuning } from '../tuner/load.ts';
import type { EngineDevice } from './engine.ts';
import { fingerprintOf, hashOf } from './fingerprint.ts';
import { repeatCommand } from './settings.ts';
import { versions } from './versions.ts';
import type { WeightFile } from './weights.ts';

/** Describes where the images come from; for the sample, it says that it is not the full data set. */
export function sourceText(dataset: Dataset): string {
  const { kind, description, path } = dataset.source;
  if (kind !== 'sample') return `${description} (${path})`;
  return `${description}\n${' '.repeat(9)}This is not the full data set: to get it, run \`npx tilegrad data fetch ${dataset.name}\``;
}

/**
 * Returns the kernels selected so far, for `run.json`.
 * @param before the record of earlier sessions, whose selections are included: this session does not repeat what they finished
 */
export function tuningRecord(tuning: Tuning, before?: RunRecord['tuning']): RunRecord['tuning'] {
  const { measured, measuredHash, path } = tuning;
  const choices = { ...before?.choices, ...tuning.choices() };
  return { measured, measuredHash, file: measured > 0 ? path : null, choices, choicesHash: tuning.hash(choices) };
}

/** Returns the data sets as `run.json` stores them, with fingerprints of their content. */
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

/** Returns the record of a run that is about to start. */
export function newRecord(run: {
  title: string;
  question: readonly string[];
  request: RunRequest;
  rows: ExperimentRecord[];
  /** Finished trainings of earlier sessions. */
  trainings: readonly TrainingEntry[];
  datasets: Iterable<Dataset>;
  weights: readonly WeightFile[];
  device: EngineDevice;
  tuning: Tuning;
  startedAt: Date;
  /** The hash of a user's experiment. */
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
    trainings: run.trainings.map((entry) => ({ ...entry, kept: true })),
    timings: { startedAt: run.startedAt.toISOString(), finishedAt: null, totalSeconds: 0 },
    counters: { ...device.counters },
  };
}
