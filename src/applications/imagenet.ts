import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type FetchOptions, type FetchResult, fetchFiles } from '../data/fetch.ts';
import { DataError, FileError } from '../errors.ts';
import { onFile, readBytes } from '../io/files.ts';
import { mobileNetV2 } from '../nn/mobilenet-v2.ts';
import {
  type Checkpoint,
  checkpointOf,
  OFFICIAL_ADDRESS,
  officialName,
  RECORDED,
  ROWS,
  safetensorsNames,
} from './checkpoints.ts';
import { assignPretrained } from './pretrained.ts';

/** Of the cache folder, and of a folder that `download.dir` names. */
const SUBFOLDER = 'mobilenet-v2';
/** Fewer than for data sets: without a network, nobody is to wait a quarter of a minute for the message that says what to do. */
const MAX_FAILURES = 3;

/**
 * Downloads Keras's file of a checkpoint into the cache folder, or completes an interrupted download. It must open and fit its network.
 * @param what whose options they are, for messages
 * @throws DataError, FileError and AbortedError as `downloadFile`; ArgumentError for options that do not fit
 */
export function fetchCheckpoint(checkpoint: Checkpoint, options: FetchOptions, what: string): Promise<FetchResult> {
  const name = officialName(checkpoint);
  const check = async (path: string) => {
    const { alpha, includeTop } = checkpoint;
    await assignPretrained(mobileNetV2({ alpha, includeTop }), [{ name, bytes: readBytes(path) }]);
  };
  const set = { name: SUBFOLDER, files: [{ name, ...RECORDED[name], check }], urls: [OFFICIAL_ADDRESS] };
  return fetchFiles(set, { maxFailures: MAX_FAILURES, ...options }, what);
}

/** The same for `tilegrad data fetch`. `top`: whether with the head. */
export function fetchWeights(
  { alpha = 1, rows = 224, top = false }: { alpha?: number; rows?: number; top?: boolean },
  download: FetchOptions = {},
): Promise<FetchResult> {
  const network = { alpha, inputShape: [rows, rows, 3], includeTop: top, classes: 1000 };
  return fetchCheckpoint(checkpointOf(network, rows), download, 'fetchWeights');
}

/**
 * Paths of the files that hold a checkpoint: in the folder that `TILEGRAD_WEIGHTS` names, unless `options.dir` names another; else in
 * the cache folder, where they are downloaded to if need be.
 * @throws DataError, saying what to fetch, from where, and where to put it; FileError for a folder that cannot be read or written;
 *   AbortedError on `options.signal`; ArgumentError for options that do not fit
 */
export async function findCheckpoint(checkpoint: Checkpoint, options: FetchOptions = {}): Promise<string[]> {
  const notes: string[] = [];
  const folder = options.dir === undefined ? process.env.TILEGRAD_WEIGHTS : undefined;
  if (folder) {
    const found = lookIn(resolve(folder), checkpoint);
    if (found) return found;
    notes.push(`TILEGRAD_WEIGHTS is ${folder}, which has no ${namesOf(checkpoint).join(', and no ')}.`);
    notes.push(...otherRows(resolve(folder), checkpoint));
  }
  try {
    return (await fetchCheckpoint(checkpoint, options, 'mobileNetV2: download')).files;
  } catch (cause) {
    if (!(cause instanceof DataError || cause instanceof FileError)) throw cause;
    const name = officialName(checkpoint);
    const bytes = RECORDED[name] ? ` (${(RECORDED[name].size / 1e6).toFixed(1)} MB)` : '';
    const message = [
      "mobileNetV2: the 'imagenet' weights are not on this machine and cannot be downloaded.",
      `Fetch ${OFFICIAL_ADDRESS}${name}${bytes}, put it into a folder, and set the environment variable TILEGRAD_WEIGHTS to ` +
        'that folder, or give its path as `weights`.',
      ...notes,
      cause.message,
    ].join('\n');
    throw cause instanceof DataError ? new DataError(message, { cause }) : new FileError(message, { cause });
  }
}

/** What a checkpoint may be called, as messages say it. */
const namesOf = (checkpoint: Checkpoint) => [officialName(checkpoint), safetensorsNames(checkpoint).join(' with ')];

/** The files of a checkpoint in a folder, or where downloads into it go; null where it is not there whole. */
function lookIn(folder: string, checkpoint: Checkpoint): string[] | null {
  onFile('read the folder of TILEGRAD_WEIGHTS,', folder, () => readdirSync(folder));
  const candidates = [folder, join(folder, SUBFOLDER)].flatMap((place) =>
    [[officialName(checkpoint)], safetensorsNames(checkpoint)].map((names) => names.map((name) => join(place, name))),
  );
  return candidates.find((paths) => paths.every((path) => existsSync(path))) ?? null;
}

/** Advice where a folder has the same network from images of another size. */
function otherRows(folder: string, checkpoint: Checkpoint): string[] {
  const others = ROWS.filter((rows) => rows !== checkpoint.rows && lookIn(folder, { ...checkpoint, rows }));
  if (others.length === 0) return [];
  return [
    `It has the weights of images of ${others.join(', ')} rows, which are another checkpoint: with { rows: ${others.at(-1)} } they are taken.`,
  ];
}
