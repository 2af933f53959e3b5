import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Checkpoint } from '../applications/checkpoints.ts';
import { DataError } from '../base/errors.ts';
import type { Dataset } from '../data/types.ts';
import type { Capability, Needs } from '../jobs/records.ts';
import { experimentId, runRecord } from '../report/run-record.ts';
import { trialDescription } from '../search/trial.ts';
import type { Experiment } from './experiment.ts';
import { fingerprintOf, hashOf } from './fingerprint.ts';
import { versions } from './versions.ts';
import type { WeightFile } from './weights.ts';

// Messages between the coordinator of a run and its workers. A job computes one result of an experiment: a training or another computation.

const resultName = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,60}$/);
const resultHash = z.string().regex(/^[0-9a-f]{16}$/);

/** The requested result. Attachments hold the experiment's earlier results, and files that its trainings wrote. */
export const experimentJob = z.strictObject({
  row: experimentId,
  request: runRecord.shape.request,
  name: resultName,
  hash: resultHash,
  /** If the result is that of a search: the requested trial. */
  trial: trialDescription.optional(),
});
export type ExperimentJob = z.infer<typeof experimentJob>;

export const experimentJobResult = z.strictObject({ value: z.unknown(), seconds: z.number() });

/** The kind of these jobs. */
export const EXPERIMENT_JOB_KIND = { name: 'row', result: experimentJobResult };

/** The attachment that holds the weights of a trial. */
export const WEIGHTS_ATTACHMENT = 'weights';
/** Jobs of a search in the queue at once: more than there are workers. */
export const MAX_QUEUED_JOBS = 1000;

/** Names of attachments: a saved result, and a file by its path in the run's folder. */
export const resultAttachment = (name: string, hash: string) => `part/${name}-${hash}`;
const FILE_PREFIX = 'file/';

/** Folders of a run into which trainings write files. */
const ATTACHED_FOLDERS = ['logs', 'weights'];
const SAFE_PATH = new RegExp(`^(${ATTACHED_FOLDERS.join('|')})(/[A-Za-z0-9_][A-Za-z0-9_.-]*){1,5}$`);

/** Reads the files in some folders of a run, by attachment. @param excluded paths to leave out */
export function readFiles(
  folder: string,
  folders: readonly string[] = ATTACHED_FOLDERS,
  excluded: ReadonlySet<string> = new Set(),
): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  for (const subfolder of folders) {
    if (!existsSync(join(folder, subfolder))) continue;
    for (const entry of readdirSync(join(folder, subfolder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/');
      if (SAFE_PATH.test(path) && !excluded.has(path)) files[FILE_PREFIX + path] = readFileSync(join(folder, path));
    }
  }
  return files;
}

/**
 * Writes attached files into a run's folder.
 * @returns their paths. @throws DataError for a path outside the attached folders
 */
export async function writeFiles(
  folder: string,
  names: readonly string[],
  read: (name: string) => Promise<Uint8Array>,
): Promise<Set<string>> {
  const written = new Set<string>();
  for (const name of names) {
    if (!name.startsWith(FILE_PREFIX)) continue;
    const path = name.slice(FILE_PREFIX.length);
    if (!SAFE_PATH.test(path))
      throw new DataError(`the queue holds a file for ${path}, which is not a path of a run's files`);
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), await read(name));
    written.add(path);
  }
  return written;
}

const checkpointName = ({ alpha, rows, includeTop }: Checkpoint) =>
  `weights ${alpha} ${rows}${includeTop ? ' top' : ''}`;

/** Identifies a data set by the content of its images, so that a worker can check that it has the same. */
export function dataCapability({ train, test, source }: Dataset): Capability {
  const text = `${train.size} and ${test.size} images (${source.kind === 'sample' ? 'the bundled sample' : 'data files'})`;
  return { id: hashOf([fingerprintOf(train), fingerprintOf(test)]), text };
}

/** Identifies published weights by their checksums. */
export function weightsCapability(files: readonly WeightFile[]): Capability {
  const sums = files.map(({ sha256 }) => sha256).sort();
  return { id: createHash('sha256').update(sums.join()).digest('hex').slice(0, 16), text: 'published weights' };
}

/** Returns the version that a need names: those that decide the bits of results. */
export function versionCapability(need: string): Capability | undefined {
  const { tilegrad, webgpu } = versions();
  if (need === 'tilegrad') return { id: tilegrad, text: `version ${tilegrad}` };
  if (need === 'webgpu') return { id: webgpu, text: `version ${webgpu}` };
  return undefined;
}

/** Returns what a worker must have for an experiment. */
export function experimentNeeds(
  { datasets, checkpoint }: Experiment,
  loaded: ReadonlyMap<string, Dataset>,
  weights: ReadonlyMap<Checkpoint, readonly WeightFile[]>,
): Needs {
  return {
    tilegrad: versionCapability('tilegrad')!,
    webgpu: versionCapability('webgpu')!,
    ...Object.fromEntries(datasets.map((name) => [`data ${name}`, dataCapability(loaded.get(name)!)])),
    ...(checkpoint ? { [checkpointName(checkpoint)]: weightsCapability(weights.get(checkpoint)!) } : {}),
  };
}

/** Returns the checkpoint that a need names, among those of some experiments. */
export const checkpointOf = (need: string, experiments: readonly Experiment[]): Checkpoint | undefined =>
  experiments.flatMap(({ checkpoint }) => checkpoint ?? []).find((checkpoint) => checkpointName(checkpoint) === need);
