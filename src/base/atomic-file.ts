import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { checkRegular } from './regular-file.ts';

/**
 * Writes a file completely or not at all: readers never see a part of it, also after a crash. Removes temporary files that killed
 * processes left in the folder.
 * @throws FileError for a FIFO, a device or a socket; the system's error
 */
export function writeFileAtomic(path: string, content: string | Uint8Array): void {
  writeFilesAtomic([[path, content]]);
}

/**
 * Writes files that belong together: all are on the disk before the first is renamed, so a full disk leaves the old files.
 * @throws FileError for a FIFO, a device or a socket; the system's error
 */
export function writeFilesAtomic(files: readonly (readonly [path: string, content: string | Uint8Array])[]): void {
  for (const [path] of files) checkRegular('write', path);
  for (const folder of new Set(files.map(([path]) => dirname(resolve(path))))) removeTemporaryFiles(folder);
  const suffix = `.tilegrad-${MACHINE}-${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  try {
    for (const [path, content] of files) {
      writeFileSync(path + suffix, content, { flush: true }); // else a power cut could leave an empty file under the new name
    }
    for (const [path] of files) renameSync(path + suffix, path);
  } catch (cause) {
    for (const [path] of files) rmSync(path + suffix, { force: true });
    throw cause;
  }
}

/** Identifies this machine and container, within which a process number means the same process. */
const MACHINE = createHash('sha256').update(`${hostname()} ${processNamespace()}`).digest('hex').slice(0, 8);

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return ''; // not Linux
  }
}

/** Suffix of an unfinished file of `writeFilesAtomic`: machine, process number and a random number. */
const TEMPORARY_NAME = /\.tilegrad-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}\.tmp$/;
/** Age of an abandoned file of another machine, whose processes cannot be checked; no file takes that long to write. */
const DAY_MS = 24 * 3600 * 1000;

/**
 * Removes temporary files of `writeFilesAtomic` from a folder if they belong to this user and their process has ended.
 * Files that cannot be removed stay; that is no error.
 */
export function removeTemporaryFiles(folder: string): void {
  for (const name of namesIn(folder)) {
    const [scrap, place, pid] = TEMPORARY_NAME.exec(name) ?? [];
    if (scrap === undefined) continue;
    try {
      const path = join(folder, name);
      const stats = lstatSync(path);
      const isOurs = stats.isFile() && stats.uid === (process.getuid?.() ?? stats.uid);
      const isLeft = place === MACHINE ? !isAlive(Number(pid)) : Date.now() - stats.mtimeMs > DAY_MS;
      if (isOurs && isLeft) rmSync(path, { force: true });
    } catch {
      // removed meanwhile, or the folder does not allow it
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'; // EPERM: it is another user's
  }
}
