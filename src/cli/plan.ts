import type { Dataset, DatasetName } from '../data/types.ts';
import type { RowRecord, RunRequest } from '../report/run-record.ts';
import type { Engine } from './engine.ts';
import type { Experiment, Settings } from './experiment.ts';
import type { RowPlace } from './lab.ts';
import { fitBatch, reducedNotes, settingsFor, shortNames } from './settings.ts';

/** A row with the settings it is run with. */
export interface Planned {
  experiment: Experiment;
  settings: Settings;
  /** As it is before anything was done. */
  fresh: RowRecord;
  /** As it stands in the record. */
  row: RowRecord;
  /** Paths of its published weights. */
  weightFiles: readonly string[];
  /** Of the variations that `--short` cuts. */
  short: RowPlace['short'];
}

/**
 * A row as a request asks for it: the same on every machine that has the same data.
 * @param finished the row as an earlier session finished it
 * @throws UsageError for settings that the row does not take
 */
export function planRow(
  experiment: Experiment,
  request: RunRequest,
  datasets: ReadonlyMap<DatasetName, Dataset>,
  weightFiles: readonly string[],
  finished?: RowRecord,
): Planned {
  const own = experiment.datasets.map((name) => datasets.get(name)!);
  const at = (request: RunRequest) => {
    const asked = settingsFor(experiment, request);
    const sizes = own.map(({ train }) => Math.min(train.size, asked.limit ?? train.size));
    const settings = sizes.length > 0 ? fitBatch(asked, Math.max(...sizes)) : asked;
    return { settings, notes: reducedNotes(experiment, request, settings, own) };
  };
  const { settings, notes } = at(request);
  const fresh = newRow(experiment, settings, notes, request.seed);
  const short = { names: shortNames(request), ...at({ ...request, scale: 'short' }) };
  return { experiment, settings, short, weightFiles, fresh, row: { ...(finished ?? fresh) } };
}

function newRow(experiment: Experiment, settings: Settings, reduced: string[], seed: number): RowRecord {
  const { id, title, question, datasets } = experiment;
  return {
    ...{ id, title, question: [...question], status: 'waiting', reduced, settings: { ...settings } },
    seeds: Array.from({ length: settings.replicas }, (_, i) => seed + i),
    ...{ datasets: [...datasets], seconds: 0, sections: [] },
  };
}

/** What a lab is made of, for a row of a plan. */
export const placeOf = (
  { experiment, settings, short, weightFiles }: Planned,
  row: RowRecord,
  request: RunRequest,
): RowPlace => ({
  ...{ row, settings, short, weightFiles, seed: request.seed, scale: request.scale, datasets: experiment.datasets },
});

/** The data sets of some rows. @param dir as `--data` */
export async function loadDatasets(
  rows: readonly Experiment[],
  dir: string | undefined,
  engine: Engine,
): Promise<Map<DatasetName, Dataset>> {
  const names = new Set(rows.flatMap(({ datasets }) => datasets));
  const loaded = new Map<DatasetName, Dataset>();
  for (const name of names) loaded.set(name, await engine.loadDataset(name, { dir }));
  return loaded;
}
