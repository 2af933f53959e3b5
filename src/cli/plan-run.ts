import type { Checkpoint } from '../applications/checkpoints.ts';
import { UsageError } from '../base/errors.ts';
import type { Dataset, DatasetName } from '../data/types.ts';
import { readRunRecord } from '../report/report-files.ts';
import { checkWritable } from '../report/run-folder.ts';
import type { RunRequest } from '../report/run-record.ts';
import type { Engine } from './engine.ts';
import type { Io } from './io.ts';
import type { RunOptions } from './options.ts';
import { loadDatasets, type PlannedExperiment, planExperiment } from './plan.ts';
import { checkOptions, findRun, type ResumedRun } from './resume.ts';
import { lockRun } from './run-lock.ts';
import type { RunTarget } from './run-target.ts';
import { checkLimit, checkShort, defaultScale, requestOf } from './settings.ts';
import { findWeights, type WeightFile } from './weights.ts';

/** The plan of a run, before a device is opened or a folder is created. */
export interface RunPlan {
  target: RunTarget;
  options: RunOptions;
  /** The run that `--resume` continues; null for a new one. */
  resumed: ResumedRun | null;
  /** The options as `run.json` stores them, including those of the resumed run. */
  request: RunRequest;
  /** The target's experiments with their settings, in the order in which they run. */
  experiments: PlannedExperiment[];
  datasets: ReadonlyMap<DatasetName, Dataset>;
  /** Files of the published weights that experiments start with. */
  weights: ReadonlyMap<Checkpoint, WeightFile[]>;
}

/** @throws UsageError for options that the target or another option excludes */
export function checkRunOptions(
  { id, experiments, file }: Pick<RunTarget, 'id' | 'experiments' | 'file'>,
  options: Pick<RunOptions, 'profile' | 'workers' | 'acceptChanges' | 'resume'>,
): void {
  const [{ networks = [], datasets }] = experiments as [RunTarget['experiments'][number]];
  if (options.profile && (experiments.length > 1 || networks.length === 0 || datasets.length === 0)) {
    throw new UsageError(
      `--profile: takes an experiment with its own network and data set, such as A1, but was given ${id}`,
    );
  }
  if (options.workers !== undefined && file !== undefined) {
    throw new UsageError(
      `--workers: workers have the experiments that come with tilegrad, and not ${file}; leave the option out`,
    );
  }
  if (options.acceptChanges && (options.resume === undefined || file === undefined)) {
    throw new UsageError('--accept-changes is for --resume with your own experiment; leave the option out');
  }
}

/**
 * Finds the run that `--resume` names, and locks its folder until the result is disposed.
 * @throws UsageError, FileError or DataError as `findRun` and `lockRun`; UsageError for an option that contradicts the run
 */
export function resumeRun(
  target: RunTarget,
  options: RunOptions & { resume: string | true },
  note: (message: string) => void,
): ResumedRun & Disposable {
  const { folder } = findRun(target, options.resume, options.out, note);
  checkWritable(folder);
  const lock = lockRun(folder);
  try {
    // Read under the lock: another process may have written it since `findRun` read it.
    const resumed = { folder, record: readRunRecord(folder) };
    checkOptions(resumed, options);
    return { ...resumed, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/**
 * Loads what the experiments need and fixes their settings. Writes nothing but downloaded weights.
 * @throws UsageError for settings that do not fit the experiments or their data; errors of loading data and weights
 */
export async function planRun(
  target: RunTarget,
  options: RunOptions,
  resumed: ResumedRun | null,
  engine: Pick<Engine, 'loadDataset' | 'findCheckpoint'>,
  io: Io,
): Promise<RunPlan> {
  const { experiments } = target;
  const data = options.data ?? resumed?.record.request.data;
  const datasets = await loadDatasets(experiments, data, engine);
  if (!resumed) checkLimit(options.limit, datasets.values());
  const weights = await findWeights(experiments, engine, io);
  const requested = { ...options, ...resumed?.record.request, data };
  const request = requestOf(target, requested, requested.scale ?? defaultScale(datasets.values()));
  checkShort(request, experiments);
  const planned = experiments.map((experiment) => {
    const paths = experiment.checkpoint ? weights.get(experiment.checkpoint)!.map(({ path }) => path) : [];
    const finished = resumed?.record.rows.find(({ id, status }) => id === experiment.id && status === 'finished');
    return planExperiment(experiment, request, datasets, paths, finished);
  });
  return { target, options, resumed, request, experiments: planned, datasets, weights };
}
