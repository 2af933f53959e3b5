import { join, resolve } from 'node:path';
import { cacheDir } from '../base/cache-dir.ts';
import { checkFunction, checkOptions, checkText, formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { datasetInfo } from './datasets.ts';
import { type DownloadOptions, type DownloadSource, downloadFile } from './download.ts';
import type { DatasetName } from './types.ts';

/** Options of `fetchDataset`, and of the downloads of `mobileNetV2`. */
export interface FetchOptions extends DownloadOptions {
  /** The data folder. Files go to its subfolder `NAME`, where `loadDataset` finds them. Default: the cache folder. */
  dir?: string;
  /** Address to download from instead of the official ones, such as a mirror; file names are appended. */
  baseUrl?: string;
}

/** What `fetchDataset` returns. */
export interface FetchResult {
  /** The folder that holds the files. */
  path: string;
  /** Paths of all files of the set. */
  files: string[];
  /** Names of the files that this call downloaded. */
  downloaded: string[];
  /** Names of the files that existed already. */
  reused: string[];
}

/**
 * Downloads a data set's official files, or completes an interrupted download. Existing files are checked and kept. Size and checksum of
 * every file are checked before it gets its final name.
 * @throws {UsageError} for an unknown name; {DataError}, {FileError} and {AbortedError} as `downloadFile`.
 */
export async function fetchDataset(name: DatasetName, options: FetchOptions = {}): Promise<FetchResult> {
  return fetchFiles(datasetInfo(name), options);
}

/** Files that belong together, and the addresses that are tried in turn (file names are appended). */
export interface FileSet {
  /** The subfolder they go to. */
  name: string;
  files: readonly DownloadSource[];
  urls: readonly string[];
}

/**
 * `fetchDataset` for any files.
 * @param subject the function whose options these are, for messages
 */
export async function fetchFiles(
  info: FileSet,
  options: FetchOptions = {},
  subject = 'fetchDataset',
): Promise<FetchResult> {
  checkOptions(subject, options, {
    dir: true,
    baseUrl: true,
    signal: true,
    onProgress: true,
    maxFailures: true,
    retryDelay: true,
    stallTimeout: true,
  });
  const { dir, baseUrl, ...download } = options;
  if (dir !== undefined) checkText(`${subject}: dir`, dir);
  if (
    baseUrl !== undefined &&
    !(typeof baseUrl === 'string' && /^https?:\/\//.test(baseUrl) && URL.canParse(baseUrl))
  ) {
    throw new ArgumentError(
      `${subject}: baseUrl is ${formatValue(baseUrl)}; expected an address that starts with http:// or https://`,
    );
  }
  checkDownload(subject, download);
  const path = join(resolve(dir ?? cacheDir()), info.name);
  const bases = baseUrl === undefined ? info.urls : [baseUrl];
  const result: FetchResult = { path, files: [], downloaded: [], reused: [] };
  for (const file of info.files) {
    const urls = bases.map((base) => `${base.endsWith('/') ? base : `${base}/`}${file.name}`);
    const target = join(path, file.name);
    const outcome = await downloadFile(urls, target, file, download);
    result[outcome].push(file.name);
    result.files.push(target);
  }
  return result;
}

/** @throws ArgumentError for options of the wrong type */
function checkDownload(subject: string, { signal, onProgress, ...numbers }: DownloadOptions): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ArgumentError(`${subject}: signal must be an AbortSignal, but is ${formatValue(signal)}`);
  }
  if (onProgress !== undefined) checkFunction(`${subject}: onProgress`, onProgress);
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined || (typeof value === 'number' && value >= 0)) continue;
    throw new ArgumentError(`${subject}: ${name} must be a number from 0 up, but is ${formatValue(value)}`);
  }
}
