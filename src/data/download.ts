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
  /** Bytes. Default: what the server states. */
  size?: number;
  /** `md5:...` or `sha256:...`, in hex. Default: that of the first download, kept beside the file in `NAME.sha256`. */
  checksum?: string;
  /** Looks at a file of which no checksum is known yet. @throws {DataError} unless it is what was asked for */
  check?(path: string): Promise<void>;
  /** What to do where no address delivers it: a sentence or more. Default: to put it at the path. */
  advice?: string;
}

/**
 * How far the download of a file is.
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
  /** Ends the download with AbortedError; what has arrived stays, and the next call goes on from there. */
  signal?: AbortSignal;
  /** Called as bytes arrive. */
  onProgress?: (progress: DownloadProgress) => void;
  /** Give up after this many failures in a row that brought no new bytes. Default 5. */
  maxFailures?: number;
  /** Wait before the first retry, in milliseconds; doubles with each further one. Default 1000. */
  retryDelay?: number;
  /** A connection that sends nothing for this many milliseconds counts as cut. Default 30000. */
  stallTimeout?: number;
}

/** Milliseconds: timers that are to wait longer fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What went wrong with one address; `permanent` means that asking it again is pointless. */
class AddressError extends Error {
  readonly permanent: boolean;
  constructor(message: string, permanent: boolean) {
    super(message);
    this.permanent = permanent;
  }
}

/**
 * Downloads one file to `path`, from whichever of `urls` has it. Bytes collect in `path + '.part'`, which survives an
 * abort or a lost connection and is resumed; only once size and checksum are right is it renamed to `path`. Where no checksum is
 * published, `file.check` decides the first time, and the checksum of that file from then on.
 * @returns 'reused' when `path` held the right bytes already, or got them from somebody else meanwhile, else 'downloaded'
 * @throws {DataError} when no address delivers the file, or delivers other bytes (these are removed); {FileError} when
 *   the folder cannot be written or the disk is too small; {AbortedError} on `signal`.
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
  for (const one of [path, part]) await asFileError(one, async () => checkRegular('write', one));

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
      // Another download into this folder has renamed the part that both were at.
      if (isGone(error) && (await isComplete(path, file, signal))) return 'reused';
      if (error instanceof FileError || error instanceof AbortedError) throw error;
      throwIfAborted(signal, file);
      problems.set(url, (error as Error).message);
      if (error instanceof AddressError && error.permanent) {
        addresses.splice(addresses.indexOf(url), 1);
        turn--;
        continue;
      }
    }
    // Only bytes beyond the best so far count as progress, else a server that always cuts at one place is asked forever.
    const size = (await sizeOf(part)) ?? 0;
    failures = size > mostReceived ? 1 : failures + 1;
    mostReceived = Math.max(mostReceived, size);
    if (failures < maxFailures) {
      const wait = Math.min(retryDelay * 2 ** (failures - 1), MAX_TIMER_MS);
      await sleep(wait, undefined, { signal }).catch(() => throwIfAborted(signal, file));
    }
  }
  const kept = (await sizeOf(part)) ?? 0;
  if (kept === 0) await removePart(part);
  throw new DataError(
    [
      `could not download ${file.name}${file.size === undefined ? '' : ` (${file.size} bytes)`}:`,
      ...[...problems].map(([url, problem]) => `  ${url}: ${problem}`),
      kept > 0 ? `The ${kept} bytes received are kept; the same command resumes from there.` : '',
      source.advice ?? `Or download it another way and put it at ${path}.`,
    ]
      .filter(Boolean)
      .join('\n'),
  );
}

/** Brings `part` to its full size from one address. Returns whether it started from bytes of an earlier attempt. */
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
      // Without `identity` a server may compress the transfer, and sizes and ranges would not be those of the file.
      headers: { 'accept-encoding': 'identity', ...(await resumeHeaders(part, start)) },
      signal: signal ? AbortSignal.any([signal, stall.signal]) : stall.signal,
    });
    const range = await rangeOf(response, start, part, file);
    start = range.start;
    // Where the checksum is known, another server may complete the part, which has names of its own.
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
    stall.abort(); // lets go of the connection where the body was not read to its end
  }
}

/** From which byte on a server sends a file of `size` bytes. */
interface ByteRange {
  start: number;
  size: number;
}

/** Where in the file the body of `response` starts, and the size of the whole, after checks of its status and size. */
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
      throw new AddressError('the server resumed at another place than asked; starting over', false);
    }
    if (await isOtherVersion(part, response)) {
      await removePart(part);
      throw new AddressError('the file there was replaced by another; starting over', false);
    }
  }
  // What was received before may be right all the same (a log-in page answers 200 too): it stays for the next address.
  if (!Number.isNaN(total) && file.size !== undefined && total !== file.size) {
    throw new AddressError(`the file there has ${total} bytes, expected ${file.size}`, true);
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

/** Renames a full-sized `part` to `path` when its checksum is right, or the file's own check passes; removes it when not. */
async function renameIfValid(part: string, path: string, file: DownloadSource, resumed: boolean, signal?: AbortSignal) {
  const problem = await problemOf(part, path, file, signal);
  if (problem === null) {
    await asFileError(path, () => rename(part, path));
    await removeVersion(part);
    return;
  }
  await removePart(part);
  // Bytes of an earlier attempt may be the wrong ones, so the address gets one try at the whole file.
  throw new AddressError(`${problem}${resumed ? '; starting over' : ''}`, !resumed);
}

/** What is wrong with the bytes of a file of the right size; null where nothing is. */
async function problemOf(part: string, path: string, file: DownloadSource, signal?: AbortSignal) {
  if (file.checksum !== undefined) {
    const found = await checksumOf(part, file.checksum, signal);
    if (found === file.checksum) return null;
    const kept = await readStoredChecksum(path);
    const whence = kept === file.checksum ? `, which ${checksumPath(path)} keeps from the first download` : '';
    return `wrong checksum ${found}, expected ${file.checksum}${whence}`;
  }
  try {
    await file.check?.(part);
    return null;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return error.message;
  }
}

/** Whether a file is there whole. */
async function isComplete(path: string, file: DownloadSource, signal?: AbortSignal): Promise<boolean> {
  const size = await sizeOf(path);
  if (size === null || (file.size !== undefined && size !== file.size)) return false;
  return (await problemOf(path, path, file, signal)) === null;
}

/** Beside a file of which no checksum is published: the one that it had when it came, as `sha256sum -c` reads it. */
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
    // A folder in which nothing can be written, such as one for all users: the file's own check decides again the next time.
  }
}

/** Whether a file that was there before was not any more. */
const isGone = (error: unknown) =>
  error instanceof FileError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';

/** The checksum of a file in the form and by the algorithm of `like`. */
async function checksumOf(path: string, like: string, signal?: AbortSignal): Promise<string> {
  const algorithm = like.slice(0, like.indexOf(':'));
  const hash = createHash(algorithm);
  await asFileError(path, () => pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal }));
  return `${algorithm}:${hash.digest('hex')}`;
}

/** Makes the folder and finds out before the download, not after it, that it cannot be written or has no room. */
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
  // Some network file systems report no blocks at all, which means nothing.
  if (blocks > 0 && bavail * bsize < needed) {
    throw new FileError(`${file.name} needs ${needed} more bytes, but ${folder} has room for ${bavail * bsize} only`);
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
