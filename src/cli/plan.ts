import type { Dataset, DatasetName } from '../data/types.ts';
import type { ExperimentRecord, RunRequest } from '../report/run-record.ts';
import type { Engine } from './engine.ts';
import type { Experiment, Settings } from './experiment.ts';
import type { ExperimentSetup } from './experiment-contexts.ts';
import { fitBatch, reducedNotes, settingsFor, shortNames } from './settings.ts';

/** An experiment with the settings it runs with. */
export interface PlannedExperiment {
  experiment: Experiment;
  settings: Settings;
  /** Its record before it runs. */
  initialRecord: ExperimentRecord;
  /** Its entry in the run's record. */
  record: ExperimentRecord;
  /** Paths of its published weights. */
  weightFiles: readonly string[];
  /** The variations that `--short` cuts. */
  short: ExperimentSetup['short'];
}

/**
 * Fixes the settings of an experiment: the same on every machine that has the same data.
 * @param finished its record if an earlier session finished it
 * @throws UsageError for settings that the experiment does not support
 */
export function planExperiment(
  experiment: Experiment,
  request: RunRequest,
  datasets: ReadonlyMap<DatasetName, Dataset>,
  weightFiles: readonly string[],
  finished?: ExperimentRecord,
): PlannedExperiment {
  const loaded = experiment.datasets.map((name) => datasets.get(name)!);
  const planAtScale = (request: RunRequest) => {
    const requested = settingsFor(experiment, request);
    const sizes = loaded.map(({ train }) => Math.min(train.size, requested.limit ?? train.size));
    const settings = sizes.length > 0 ? fitBatch(requested, Math.max(...sizes)) : requested;
    return { settings, notes: reducedNotes(experiment, request, settings, loaded) };
  };
  const { settings, notes } = planAtScale(request);
  const initialRecord = newExperimentRecord(experiment, settings, notes, request.seed);
  const short = { names: shortNames(request), ...planAtScale({ ...request, scale: 'short' }) };
  return { experiment, settings, short, weightFiles, initialRecord, record: { ...(finished ?? initialRecord) } };
}

function newExperimentRecord(
  experiment: Experiment,
  settings: Settings,
  reduced: string[],
  seed: number,
): ExperimentRecord {
  const { id, title, question, datasets } = experiment;
  return {
    ...{ id, title, question: [...question], status: 'waiting', reduced, settings: { ...settings } },
    seeds: Array.from({ length: settings.replicas }, (_, i) => seed + i),
    ...{ datasets: [...datasets], seconds: 0, sections: [] },
  };
}

/** Returns what a planned experiment's context is created from. */
export const setupOf = (
  { experiment, settings, short, weightFiles }: PlannedExperiment,
  experimentRecord: ExperimentRecord,
  request: RunRequest,
): ExperimentSetup => ({
  ...{
    experimentRecord,
    settings,
    short,
    weightFiles,
    seed: request.seed,
    scale: request.scale,
    datasets: experiment.datasets,
  },
});

/** Loads the data sets of experiments, each once. @param dir the folder given as `--data` */
export async function loadDatasets(
  experiments: readonly Experiment[],
  dir: string | undefined,
  engine: Pick<Engine, 'loadDataset'>,
): Promise<Map<DatasetName, Dataset>> {
  const names = new Set(experiments.flatMap(({ datasets }) => datasets));
  const loaded = new Map<DatasetName, Dataset>();
  for (const name of names) loaded.set(name, await engine.loadDataset(name, { dir }));
  return loaded;
}
