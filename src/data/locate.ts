import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findCacheDir } from '../base/cache-dir.ts';
import { checkOptions, checkText } from '../base/check.ts';
import { DataError, FileError } from '../base/errors.ts';
import { type DatasetInfo, datasetInfo } from './datasets.ts';
import { sampleDir } from './folders.ts';
import type { DatasetName, DatasetSource } from './types.ts';

/**
 * Where one data set lies.
 * @inline
 */
export interface DatasetLocation {
  /** A folder with the files, the official archive, or the sample that comes with tilegrad. */
  kind: DatasetSource['kind'];
  /** The folder, or the archive itself. */
  path: string;
  /** Path of each part that is there, by official name; null when `path` is an archive of all of them. */
  parts: ReadonlyMap<string, string> | null;
  /** Parts that the folder lacks; not empty means that loading will fail. */
  missing: string[];
}

export interface LocateResult {
  location: DatasetLocation | null;
  /** Every path that was looked at, in order. */
  searchedPaths: string[];
  /** For people: settings that were passed over and why. */
  notes: string[];
}

/**
 * Options of `datasetStatus`.
 * @inline
 */
export interface LocateOptions {
  /** A folder with the files, one of the usual folders above them, or a CIFAR-10 `.tar.gz`; nothing else is looked at. */
  dir?: string;
}

/**
 * Finds a data set without reading it: in `dir` alone when given, else in the folder `TILEGRAD_DATA` names (unless it is empty; a
 * relative path is from the working folder), the cache folder and the bundled samples, in this order. A folder that holds some of the parts counts as found, with the
 * others in `missing`: an unfinished copy should be noticed, not passed over.
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

/** Nobody named the cache folder, so one that is missing or cannot be read is only noted: there may be a sample. */
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

/** What `tilegrad data list` shows of a data set's whereabouts: `locateDataset` without the search itself. */
export async function datasetStatus(name: DatasetName, options: LocateOptions = {}): Promise<DatasetLocation | null> {
  return (await locateDataset(name, options)).location;
}

/** The error for a data set that is nowhere: what was looked for, where, and what to do. */
export function notFound(info: DatasetInfo, { searchedPaths, notes }: LocateResult, dir?: string): DataError {
  const suffix = info.layout === 'idx' ? ' (plain or .gz)' : '';
  const archive = info.archive ? `, or the archive ${info.archive}` : '';
  return new DataError(
    [
      `${info.name} was not found${dir === undefined ? '' : ` in ${dir}`}. Looked at:`,
      ...searchedPaths.map((path) => `  ${path}`),
      `Expected there: ${info.parts.join(', ')}${suffix}${archive}.`,
      ...notes.map((note) => `Note: ${note}.`),
      dir === undefined
        ? `Run \`tilegrad data fetch ${info.name}\`, or name the folder that holds it: --data, in code \`dir\`.`
        : `Name the folder that holds it (--data, in code \`dir\`), or run \`tilegrad data fetch ${info.name}\` and name none.`,
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
    // The download page lists three versions next to each other; say so if it was the wrong one.
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

/** The parts in one folder (not below it), or null when it holds none. */
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
    throw new FileError(`cannot look at ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
