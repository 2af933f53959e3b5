import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheDir, findCacheDir } from '../base/cache-dir.ts';
import { DataError, FileError } from '../base/errors.ts';
import { type FetchOptions, type FetchResult, fetchFiles } from '../data/fetch.ts';
import { readBytes, withFileErrors } from '../io/files.ts';
import {
  ALPHAS,
  type Checkpoint,
  checkpointOf,
  KNOWN_FILES,
  kerasFileName,
  OFFICIAL_ADDRESS,
  ROWS,
  safetensorsFileNames,
} from './checkpoints.ts';
import { mobileNetV2 } from './mobilenet-v2-layers.ts';
import { assignPretrained, causeOf } from './pretrained.ts';

/** Subfolder of the cache folder, or of the folder that `download.dir` names. */
const SUBFOLDER = 'mobilenet-v2';
/** Fewer than for data sets: without a network, the message that says what to do should not take 15 s. */
const MAX_FAILURES = 3;

/**
 * Downloads Keras's file of a checkpoint into the cache folder, or completes an interrupted download. Checks that the file can be read
 * and fits its network.
 * @param subject the function whose options these are, for messages
 * @param advice what to do if the download fails; default: to put the file where the download would put it
 * @throws DataError, FileError and AbortedError as `downloadFile`; ArgumentError for options that do not fit
 */
export function fetchCheckpoint(
  checkpoint: Checkpoint,
  options: FetchOptions,
  subject: string,
  advice?: string,
): Promise<FetchResult> {
  const name = kerasFileName(checkpoint);
  const check = async (path: string) => {
    const { alpha, includeTop } = checkpoint;
    await assignPretrained(mobileNetV2({ alpha, includeTop }), [{ name, bytes: readBytes(path) }]);
  };
  const set = { name: SUBFOLDER, files: [{ name, ...KNOWN_FILES[name], check, advice }], urls: [OFFICIAL_ADDRESS] };
  return fetchFiles(set, { maxFailures: MAX_FAILURES, ...options }, subject);
}

/** `fetchCheckpoint` for `tilegrad data fetch`. @param top whether to include the head */
export function fetchWeights(
  { alpha = 1, rows = 224, top = false }: { alpha?: number; rows?: number; top?: boolean },
  download: FetchOptions = {},
): Promise<FetchResult> {
  const network = { alpha, inputShape: [rows, rows, 3], includeTop: top, classes: 1000 };
  return fetchCheckpoint(checkpointOf(network, rows), download, 'fetchWeights');
}

/**
 * Paths of the files that hold a checkpoint. Searches the folder in `TILEGRAD_WEIGHTS` unless `options.dir` is given, then the cache
 * folder, and downloads the files there if they are missing.
 * @throws DataError, with what to fetch, from where, and where to put it; FileError for a folder that cannot be read or written;
 *   AbortedError on `options.signal`; ArgumentError for impossible options
 */
export async function findCheckpoint(checkpoint: Checkpoint, options: FetchOptions = {}): Promise<string[]> {
  const notes: string[] = [];
  const folder = options.dir === undefined ? process.env.TILEGRAD_WEIGHTS : undefined;
  if (folder) {
    checkFolder(resolve(folder));
    const found = findFiles(resolve(folder), checkpoint);
    if (found) return found;
    notes.push(`TILEGRAD_WEIGHTS is ${folder}, which has no ${describeNames(checkpoint).join(', and no ')}.`);
    notes.push(...adviseOtherRows(resolve(folder), checkpoint));
  }
  const destination = folder ? resolve(folder) : join(resolve(options.dir ?? cacheDir()), SUBFOLDER);
  try {
    const advice = manualAdvice(checkpoint, `put it at ${join(destination, kerasFileName(checkpoint))}`);
    return (await fetchCheckpoint(checkpoint, options, 'mobileNetV2: download', advice)).files;
  } catch (error) {
    if (!(error instanceof DataError || error instanceof FileError)) throw error;
    const message = [
      "mobileNetV2: the 'imagenet' weights are not on this machine and cannot be downloaded.",
      ...notes,
      error.message,
    ];
    if (error instanceof DataError) throw new DataError(message.join('\n'), causeOf(error));
    const elsewhere = 'put it into a folder, and set the environment variable TILEGRAD_WEIGHTS to that folder';
    throw new FileError([...message, manualAdvice(checkpoint, elsewhere)].join('\n'), causeOf(error));
  }
}

/** Advice to get a checkpoint's file without tilegrad's download. */
function manualAdvice({ alpha, rows, includeTop }: Checkpoint, destination: string): string {
  const name = kerasFileName({ alpha, rows, includeTop });
  const bytes = KNOWN_FILES[name] ? ` (${(KNOWN_FILES[name].size / 1e6).toFixed(1)} MB)` : '';
  const which = [
    alpha === 1 ? [] : `--alpha ${alpha}`,
    rows === 224 ? [] : `--rows ${rows}`,
    includeTop ? '--top' : [],
  ].flat();
  const command = ['npx tilegrad data fetch mobilenet-v2', ...which].join(' ');
  return `Fetch ${OFFICIAL_ADDRESS}${name}${bytes} in another way, such as a browser or \`${command}\` on another machine, and ${destination}.`;
}

/** The file names that a checkpoint may have, for messages. */
const describeNames = (checkpoint: Checkpoint) => [
  kerasFileName(checkpoint),
  safetensorsFileNames(checkpoint).join(' with '),
];

/** @throws FileError unless `folder` is a readable folder */
function checkFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isFile()) {
    throw new FileError(`TILEGRAD_WEIGHTS is ${folder}: it is a file; name its folder`);
  }
  withFileErrors('read the folder of TILEGRAD_WEIGHTS,', folder, () => readdirSync(folder));
}

/** The files of a checkpoint in a folder or in its download subfolder; null if any is missing. */
function findFiles(folder: string, checkpoint: Checkpoint): string[] | null {
  const candidates = [folder, join(folder, SUBFOLDER)].flatMap((parent) =>
    [[kerasFileName(checkpoint)], safetensorsFileNames(checkpoint)].map((names) =>
      names.map((name) => join(parent, name)),
    ),
  );
  return candidates.find((paths) => paths.every((path) => existsSync(path))) ?? null;
}

/** A folder that is searched for weights, and the checkpoints in it. */
export interface WeightsFolder {
  kind: 'cache' | 'TILEGRAD_WEIGHTS';
  path: string;
  weights: Checkpoint[];
  /** Why the folder cannot be read; null if it can. */
  problem: string | null;
}

/** Checkpoints on this machine, by file name only: in `dir` or else the cache, and in the folder that `TILEGRAD_WEIGHTS` names. */
export async function weightsStatus({ dir }: { dir?: string }): Promise<WeightsFolder[]> {
  const exists = (checkpoint: Checkpoint, folder: string) => existsSync(join(folder, kerasFileName(checkpoint)));
  const cache = dir === undefined ? findCacheDir(() => {}) : resolve(dir);
  const folders: WeightsFolder[] = [];
  if (cache !== null) {
    const path = join(cache, SUBFOLDER);
    folders.push({ kind: 'cache', path, weights: CHECKPOINTS.filter((one) => exists(one, path)), problem: null });
  }
  const { TILEGRAD_WEIGHTS } = process.env;
  if (!TILEGRAD_WEIGHTS) return folders;
  const path = resolve(TILEGRAD_WEIGHTS);
  const folder = { kind: 'TILEGRAD_WEIGHTS', path } as const;
  try {
    checkFolder(path);
    return [...folders, { ...folder, weights: CHECKPOINTS.filter((one) => findFiles(path, one)), problem: null }];
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return [...folders, { ...folder, weights: [], problem: error.message.slice(error.message.lastIndexOf(': ') + 2) }];
  }
}

const CHECKPOINTS: readonly Checkpoint[] = ALPHAS.flatMap((alpha) =>
  ROWS.flatMap((rows) => [false, true].map((includeTop) => ({ alpha, rows, includeTop }))),
);

/** Advice if a folder has the checkpoint for images of another size. */
function adviseOtherRows(folder: string, checkpoint: Checkpoint): string[] {
  const others = ROWS.filter((rows) => rows !== checkpoint.rows && findFiles(folder, { ...checkpoint, rows }));
  if (others.length === 0) return [];
  return [
    `It has checkpoints trained on images of ${others.join(', ')} rows; give { rows: ${others.at(-1)} } to use one.`,
  ];
}
