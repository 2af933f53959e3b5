import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findCacheDir } from '../base/cache-dir.ts';
import { checkOptions, checkText } from '../base/check.ts';
import { DataError, FileError } from '../base/errors.ts';
import { type DatasetInfo, datasetInfo } from './datasets.ts';
import { sampleDir } from './folders.ts';
import type { DatasetName, DatasetSource } from './types.ts';

/**
 * Location of a data set.
 * @inline
 */
export interface DatasetLocation {
  /** A folder with the files, the official archive, or the sample that comes with tilegrad. */
  kind: DatasetSource['kind'];
  /** The folder, or the archive itself. */
  path: string;
  /** Path of each part that exists, by official name; null if `path` is an archive of all of them. */
  parts: ReadonlyMap<string, string> | null;
  /** Parts that the folder lacks. If there are any, loading will fail. */
  missing: string[];
}

export interface LocateResult {
  location: DatasetLocation | null;
  /** All searched paths, in order. */
  searchedPaths: string[];
  /** Notes for the user: settings that were ignored, and why. */
  notes: string[];
}

/**
 * Options of `datasetStatus`.
 * @inline
 */
export interface LocateOptions {
  /** A folder with the files, one of the usual parent folders, or a CIFAR-10 `.tar.gz`; nothing else is searched. */
  dir?: string;
}

/**
 * Finds a data set without reading it.
 *
 * With `dir`, only that is searched. Otherwise, the folder in the environment variable `TILEGRAD_DATA` (relative to the working folder;
 * ignored if empty), the cache folder and the bundled samples are searched, in this order. A folder with some of the parts counts as
 * found, with the others in `missing`, so that an unfinished copy is reported and not skipped.
 * @throws {UsageError} for an unknown name, {ArgumentError} for an empty `dir`, {FileError} for an unreadable folder.
 */
export async function locateDataset(name: DatasetName, options: LocateOptions = {}): Promise<LocateResult> {
  checkOptions('datasetStatus', options, { dir: true });
  const info = datasetInfo(name);
  const result: LocateResult = { location: null, searchedPaths: [], notes: [] };
  if (options.dir !== undefined) {
    checkText('loadDataset: dir', options.dir);
    const root = resolve(options.dir);
    result.location = await searchFolder(root, info, result);
    if (!(await kindOf(root))) result.notes.push(`${root} does not exist`);
    return result.location ? { ...result, notes: [] } : result;
  }
  const env = process.env.TILEGRAD_DATA;
  if (env) {
    result.location = await searchFolder(resolve(env), info, result);
    if (result.location) return { ...result, notes: [] };
    result.notes.push(`TILEGRAD_DATA is ${env}, which does not hold ${name}`);
  }
  result.location = (await searchCache(info, result)) ?? (await findSample(info, result));
  return result;
}

/** Searches the cache folder. If it is missing or unreadable, this is only a note: the user did not name it, and there may be a sample. */
async function searchCache(info: DatasetInfo, result: LocateResult): Promise<DatasetLocation | null> {
  const note = (message: string) => result.notes.push(message);
  const cache = findCacheDir(note);
  if (cache === null) return null;
  try {
    return await searchFolder(cache, info, result);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    note(error.message);
    return null;
  }
}

/** Location of a data set, as `tilegrad data list` shows it; null if it is not found. Searches as `loadDataset` does. */
export async function datasetStatus(name: DatasetName, options: LocateOptions = {}): Promise<DatasetLocation | null> {
  return (await locateDataset(name, options)).location;
}

/** The error for a data set that was not found: searched paths, expected files, and what to do. */
export function notFound(info: DatasetInfo, { searchedPaths, notes }: LocateResult, dir?: string): DataError {
  const suffix = info.layout === 'idx' ? ' (plain or .gz)' : '';
  const archive = info.archive ? `, or the archive ${info.archive}` : '';
  return new DataError(
    [
      `${info.name} was not found${dir === undefined ? '' : ` in ${dir}`}. Searched:`,
      ...searchedPaths.map((path) => `  ${path}`),
      `Expected files: ${info.parts.join(', ')}${suffix}${archive}.`,
      ...notes.map((note) => `Note: ${note}.`),
      dir === undefined
        ? `Run \`tilegrad data fetch ${info.name}\`, or name the folder that holds it: --data, in code \`dir\`.`
        : `Name the folder that holds it (--data, in code \`dir\`), or run \`tilegrad data fetch ${info.name}\` and leave the folder out.`,
    ].join('\n'),
  );
}

async function searchFolder(root: string, info: DatasetInfo, result: LocateResult): Promise<DatasetLocation | null> {
  result.searchedPaths.push(root);
  const rootKind = await kindOf(root);
  if (!rootKind) return null;
  if (rootKind === 'file') {
    if (info.archive && /\.(tar\.gz|tgz)$/i.test(root)) return archiveLocation(root, 'archive');
    result.notes.push(`${root} is a file; expected a folder${info.archive ? ' or a .tar.gz archive' : ''}`);
    return null;
  }
  let unfinished: DatasetLocation | null = null;
  for (const sub of info.folders) {
    const folder = join(root, sub);
    if (sub) result.searchedPaths.push(folder);
    const found = await folderLocation(folder, info, 'folder');
    if (found && found.missing.length === 0) return found;
    unfinished ??= found;
    if (!info.archive) continue;
    const archive = join(folder, info.archive);
    result.searchedPaths.push(archive);
    if ((await kindOf(archive)) === 'file') return archiveLocation(archive, 'archive');
    // The download page lists three versions next to each other; note if the wrong one was downloaded.
    for (const other of ['cifar-10-python.tar.gz', 'cifar-10-batches-py', 'cifar-10-matlab.tar.gz']) {
      if (await kindOf(join(folder, other))) {
        result.notes.push(`${join(folder, other)} is another version of CIFAR-10; tilegrad reads the binary version`);
      }
    }
  }
  return unfinished;
}

async function findSample(info: DatasetInfo, result: LocateResult): Promise<DatasetLocation | null> {
  const samples = sampleDir();
  if (!info.sample || !samples) return null;
  const path = join(samples, info.sample);
  result.searchedPaths.push(path);
  const kind = await kindOf(path);
  if (kind === 'file') return archiveLocation(path, 'sample');
  return kind === 'folder' ? folderLocation(path, info, 'sample') : null;
}

function archiveLocation(path: string, kind: DatasetLocation['kind']): DatasetLocation {
  return { kind, path, parts: null, missing: [] };
}

/** The parts in one folder (not in its subfolders); null if it has none. */
async function folderLocation(
  path: string,
  info: DatasetInfo,
  kind: DatasetLocation['kind'],
): Promise<DatasetLocation | null> {
  const names = new Set(await namesIn(path));
  const parts = new Map<string, string>();
  for (const part of info.parts) {
    // `train-images.idx3-ubyte` is how some unpackers name the IDX files.
    const spellings = info.layout === 'idx' ? [part, part.replace('-idx', '.idx')] : [part];
    const name = spellings.flatMap((s) => (info.layout === 'idx' ? [s, `${s}.gz`] : [s])).find((s) => names.has(s));
    if (name) parts.set(part, join(path, name));
  }
  if (parts.size === 0) return null;
  return { kind, path, parts, missing: info.parts.filter((part) => !parts.has(part)) };
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw new FileError(`cannot read the folder ${folder}: ${(error as Error).message}`, { cause: error });
  }
}

async function kindOf(path: string): Promise<'file' | 'folder' | null> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    if (isAbsent(error)) return null;
    throw new FileError(`cannot access ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
