import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, type FileHandle, open, readFile, rename, stat, statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileAtomic } from '../base/atomic-file.ts';
import { createFolders } from '../base/create-folders.ts';
import { AbortedError, DataError, FileError } from '../base/errors.ts';
import { checkRegular } from '../base/regular-file.ts';
import { isOtherVersion, removePart, removeVersion, resumeHeaders, storeVersion } from './part-version.ts';

/** A file as its publisher describes it. */
export interface DownloadSource {
  name: string;
  /** Bytes. Default: the size that the server states. */
  size?: number;
  /** `md5:...` or `sha256:...`, in hex. Default: the checksum of the first download, stored in `NAME.sha256` next to the file. */
  checksum?: string;
  /** Checks a file whose checksum is not known yet. @throws {DataError} unless it is the expected file */
  check?(path: string): Promise<void>;
  /** What to do if no address delivers the file, in whole sentences. Default: to put it at the path. */
  advice?: string;
}

/**
 * Progress of the download of a file.
 * @inline
 */
export interface DownloadProgress {
  /** Name of the file. */
  file: string;
  /** Bytes on disk so far, those of an earlier, interrupted download included. */
  received: number;
  /** Bytes in all. */
  total: number;
}

/** Options of all downloads. */
export interface DownloadOptions {
  /** Ends the download with AbortedError. The bytes received stay, and the next call resumes from there. */
  signal?: AbortSignal;
  /** Called as bytes arrive. */
  onProgress?: (progress: DownloadProgress) => void;
  /** Consecutive failures without new bytes after which the download gives up. Default 5. */
  maxFailures?: number;
  /** Milliseconds before the first retry, doubled for each further one. Default 1000. */
  retryDelay?: number;
  /** Milliseconds without data after which a connection counts as lost. Default 30000. */
  stallTimeout?: number;
}

/** Timers with a longer delay fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Failure of one address; `permanent` means that a retry is pointless. */
class AddressError extends Error {
  readonly permanent: boolean;
  constructor(message: string, permanent: boolean) {
    super(message);
    this.permanent = permanent;
  }
}

/**
 * Downloads one file to `path`, from the first of `urls` that delivers it.
 *
 * Bytes are written to `path + '.part'`, which is resumed after an abort or a lost connection. It is renamed to `path` when size and
 * checksum are right. If no checksum is published, `file.check` decides on the first download, and the checksum of that file afterwards.
 * @returns 'reused' if `path` had the right bytes already, or another process put them there meanwhile; else 'downloaded'
 * @throws {DataError} if no address delivers the right bytes (wrong ones are removed); {FileError} if the folder cannot be written or the
 *   disk is too small; {AbortedError} on `signal`.
 */
export async function downloadFile(
  urls: readonly string[],
  path: string,
  source: DownloadSource,
  options: DownloadOptions = {},
): Promise<'downloaded' | 'reused'> {
  const { signal, maxFailures = 5, retryDelay = 1000 } = options;
  throwIfAborted(signal, source);
  const file = { ...source, checksum: source.checksum ?? (await readStoredChecksum(path)) };
  if (await isComplete(path, file, signal)) {
    if (file.checksum === undefined) await storeChecksum(path, signal);
    return 'reused';
  }
  const part = `${path}.part`;
  let mostReceived = (await sizeOf(part)) ?? 0;
  await prepareFolder(dirname(path), (file.size ?? mostReceived) - mostReceived, file);
  for (const target of [path, part]) await asFileError(target, async () => checkRegular('write', target));

  const addresses = [...urls];
  const problems = new Map<string, string>();
  let failures = 0;
  for (let turn = 0; addresses.length > 0 && failures < maxFailures; turn++) {
    const url = addresses[turn % addresses.length]!;
    try {
      const resumed = await completePart(url, part, file, options);
      await renameIfValid(part, path, file, resumed, signal);
      if (source.checksum === undefined) await storeChecksum(path, signal);
      return 'downloaded';
    } catch (error) {
      // Another download into this folder may have renamed the part that both wrote.
      if (isMissing(error) && (await isComplete(path, file, signal))) return 'reused';
      if (error instanceof FileError || error instanceof AbortedError) throw error;
      throwIfAborted(signal, file);
      problems.set(url, (error as Error).message);
      if (error instanceof AddressError && error.permanent) {
        addresses.splice(addresses.indexOf(url), 1);
        turn--;
        continue;
      }
    }
    // Only bytes beyond the maximum so far count as progress; otherwise a server that always cuts at one position is asked forever.
    const size = (await sizeOf(part)) ?? 0;
    failures = size > mostReceived ? 1 : failures + 1;
    mostReceived = Math.max(mostReceived, size);
    if (failures < maxFailures) {
      const wait = Math.min(retryDelay * 2 ** (failures - 1), MAX_TIMER_MS);
      await sleep(wait, undefined, { signal }).catch(() => throwIfAborted(signal, file));
    }
  }
  const partSize = (await sizeOf(part)) ?? 0;
  if (partSize === 0) await removePart(part);
  throw downloadError(path, file, problems, partSize);
}

/** The error after all addresses failed. @param problems by address */
function downloadError(
  path: string,
  { name, size, advice }: DownloadSource,
  problems: ReadonlyMap<string, string>,
  partSize: number,
): DataError {
  const lines = [
    `could not download ${name}${size === undefined ? '' : ` (${size} bytes)`}:`,
    ...[...problems].map(([url, problem]) => `  ${url}: ${problem}`),
    partSize > 0 ? `The ${partSize} bytes received are kept; the same command resumes from there.` : '',
    advice ?? `Or download it in another way and put it at ${path}.`,
  ];
  return new DataError(lines.filter(Boolean).join('\n'));
}

/** Completes `part` from one address. Returns whether it started with bytes of an earlier attempt. */
async function completePart(
  url: string,
  part: string,
  file: DownloadSource,
  options: DownloadOptions,
): Promise<boolean> {
  let start = (await sizeOf(part)) ?? 0;
  if (file.size !== undefined && start > file.size) {
    await removePart(part);
    start = 0;
  }
  if (start === file.size) return true;
  const { stallTimeout = 30_000, signal } = options;
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(), Math.min(stallTimeout, MAX_TIMER_MS));
  try {
    const response = await fetch(url, {
      // Without `identity`, a server may compress the transfer, and sizes and ranges would not refer to the file.
      headers: { 'accept-encoding': 'identity', ...(await resumeHeaders(part, start)) },
      signal: signal ? AbortSignal.any([signal, stall.signal]) : stall.signal,
    });
    const range = await rangeOf(response, start, part, file);
    start = range.start;
    // If the checksum is known, another server, with other version names, may complete the part.
    if (start === 0 && file.checksum === undefined) await asFileError(part, () => storeVersion(part, response));
    const output = await asFileError(part, () => open(part, start > 0 ? 'r+' : 'w'));
    try {
      await receive(response, output, range, file, () => timer.refresh(), options);
      await asFileError(part, () => output.sync());
    } finally {
      await output.close();
    }
    return start > 0;
  } catch (error) {
    if (stall.signal.aborted) throw new AddressError(`nothing was sent for ${stallTimeout / 1000} s`, false);
    if (error instanceof AddressError || error instanceof FileError) throw error;
    const { message, cause } = error as Error;
    throw new AddressError(cause instanceof Error ? `${message} (${cause.message || cause.name})` : message, false);
  } finally {
    clearTimeout(timer);
    stall.abort(); // closes the connection if the body was not read to its end
  }
}

/** First byte that a server sends, and size of the whole file. */
interface ByteRange {
  start: number;
  size: number;
}

/** Checks status and size of `response`. Returns where in the file its body starts, and the size of the whole file. */
async function rangeOf(response: Response, asked: number, part: string, file: DownloadSource): Promise<ByteRange> {
  if (response.status === 416) {
    await removePart(part);
    throw new AddressError('the server refused to resume (416); starting over', false);
  }
  if (!response.ok) {
    const passing = response.status >= 500 || response.status === 408 || response.status === 429;
    throw new AddressError(`the server answered ${response.status} ${response.statusText}`.trimEnd(), !passing);
  }
  let start = 0;
  let total = Number(response.headers.get('content-length') ?? Number.NaN);
  if (response.status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
    start = Number(range?.[1]);
    total = Number(range?.[2]);
    if (start !== asked) {
      await removePart(part);
      throw new AddressError('the server resumed at another position than requested; starting over', false);
    }
    if (await isOtherVersion(part, response)) {
      await removePart(part);
      throw new AddressError('the file on the server was replaced; starting over', false);
    }
  }
  // The bytes received before may still be right (a log-in page answers 200 too): they stay for the next address.
  if (!Number.isNaN(total) && file.size !== undefined && total !== file.size) {
    throw new AddressError(`the file on the server has ${total} bytes, expected ${file.size}`, true);
  }
  const size = file.size ?? total;
  if (Number.isNaN(size)) throw new AddressError('the server does not state the size of the file', true);
  return { start, size };
}

async function receive(
  response: Response,
  output: FileHandle,
  { start, size }: ByteRange,
  file: DownloadSource,
  onChunk: () => void,
  { onProgress }: DownloadOptions,
): Promise<void> {
  let received = start;
  onProgress?.({ file: file.name, received, total: size });
  for await (const chunk of response.body ?? []) {
    onChunk();
    if (received + chunk.length > size) {
      await output.truncate(0);
      throw new AddressError(`the server sent more than the expected ${size} bytes`, true);
    }
    await asFileError('the download', () => output.write(chunk, 0, chunk.length, received));
    received += chunk.length;
    onProgress?.({ file: file.name, received, total: size });
  }
  if (received < size) throw new AddressError(`the connection ended at ${received} of ${size} bytes`, false);
}

/** Renames a full-sized `part` to `path` if its checksum is right or `file.check` passes; otherwise removes it. */
async function renameIfValid(part: string, path: string, file: DownloadSource, resumed: boolean, signal?: AbortSignal) {
  const problem = await problemOf(part, path, file, signal);
  if (problem === null) {
    await asFileError(path, () => rename(part, path));
    await removeVersion(part);
    return;
  }
  await removePart(part);
  // Bytes of an earlier attempt may be wrong, so the whole file is tried once from this address.
  throw new AddressError(`${problem}${resumed ? '; starting over' : ''}`, !resumed);
}

/** Problem with the bytes of a file of the right size; null if there is none. */
async function problemOf(part: string, path: string, file: DownloadSource, signal?: AbortSignal) {
  if (file.checksum !== undefined) {
    const found = await checksumOf(part, file.checksum, signal);
    if (found === file.checksum) return null;
    const stored = await readStoredChecksum(path);
    const source = stored === file.checksum ? `, stored in ${checksumPath(path)} by the first download` : '';
    return `wrong checksum ${found}, expected ${file.checksum}${source}`;
  }
  try {
    await file.check?.(part);
    return null;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return error.message;
  }
}

/** Whether the complete file exists. */
async function isComplete(path: string, file: DownloadSource, signal?: AbortSignal): Promise<boolean> {
  const size = await sizeOf(path);
  if (size === null || (file.size !== undefined && size !== file.size)) return false;
  return (await problemOf(path, path, file, signal)) === null;
}

/** Next to a file without a published checksum: the checksum of its first download, in the format of `sha256sum -c`. */
const checksumPath = (path: string) => `${path}.sha256`;

async function readStoredChecksum(path: string): Promise<string | undefined> {
  const text = await readFile(checksumPath(path), 'utf8').catch(() => '');
  const sum = /^[0-9a-f]{64}(?= )/.exec(text)?.[0];
  return sum && `sha256:${sum}`;
}

async function storeChecksum(path: string, signal?: AbortSignal): Promise<void> {
  const sum = await checksumOf(path, 'sha256:', signal);
  try {
    writeFileAtomic(checksumPath(path), `${sum.slice('sha256:'.length)}  ${basename(path)}\n`);
  } catch {
    // The folder is not writable, for example one for all users: the next time, `file.check` decides again.
  }
}

/** Whether a file has disappeared. */
const isMissing = (error: unknown) =>
  error instanceof FileError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';

/** Checksum of a file, in the format and by the algorithm of `like`. */
async function checksumOf(path: string, like: string, signal?: AbortSignal): Promise<string> {
  const algorithm = like.slice(0, like.indexOf(':'));
  const hash = createHash(algorithm);
  await asFileError(path, () => pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal }));
  return `${algorithm}:${hash.digest('hex')}`;
}

/** Creates the folder. @throws FileError before the download if the folder cannot be written or has too little space */
async function prepareFolder(folder: string, needed: number, file: DownloadSource): Promise<void> {
  await asFileError(folder, async () => {
    createFolders(folder);
    await access(folder, constants.W_OK);
  }).catch((error: Error) => {
    throw new FileError(
      `${error.message}; name a folder that can be written (--data, in code \`dir\`, or TILEGRAD_CACHE)`,
      {
        cause: error.cause,
      },
    );
  });
  const { blocks, bavail, bsize } = await asFileError(folder, () => statfs(folder));
  // Some network file systems report 0 blocks, which has no meaning.
  if (blocks > 0 && bavail * bsize < needed) {
    throw new FileError(
      `${file.name} needs ${needed} more bytes, but ${folder} has only ${bavail * bsize} free; name another folder or free some space`,
    );
  }
}

async function asFileError<T>(subject: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof FileError) throw error;
    if ((error as Error).name === 'AbortError') throw new AbortedError('the download was stopped', { cause: error });
    throw new FileError(`cannot read or write ${subject}: ${(error as Error).message}`, { cause: error });
  }
}

async function sizeOf(path: string): Promise<number | null> {
  const stats = await stat(path).catch(() => null);
  return stats?.size ?? null;
}

function throwIfAborted(signal: AbortSignal | undefined, file: DownloadSource): void {
  if (!signal?.aborted) return;
  throw new AbortedError(`the download of ${file.name} was stopped; the same command resumes it`);
}
