import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { checkRegular } from './regular-file.ts';

/**
 * Writes a file whole or not at all: a reader, or a crash half-way, never sees a part of it. What processes that were killed
 * half-way have left in its folder goes.
 * @throws FileError for a FIFO, a device or a socket; the system's error
 */
export function writeFileAtomic(path: string, content: string | Uint8Array): void {
  writeFilesAtomic([[path, content]]);
}

/**
 * The same for files that belong together: all of them are on the disk before the first takes its place, so that a full disk
 * leaves the old ones.
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

/** Where process numbers mean the same processes: this machine, and of its containers this one. */
const MACHINE = createHash('sha256').update(`${hostname()} ${processNamespace()}`).digest('hex').slice(0, 8);

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return ''; // not Linux
  }
}

/** What `writeAllWhole` appends to the name of a file that it has not finished: where, by which process, and a random number. */
const TEMPORARY_NAME = /\.tilegrad-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}\.tmp$/;
/** Of processes elsewhere, which cannot be asked for: no file takes as long to write. */
const DAY_MS = 24 * 3600 * 1000;

/**
 * Removes what processes that were killed while they wrote a file have left in a folder: under `writeAllWhole`'s names, of this
 * user, and of no process that is still there. What cannot be removed stays: nothing fails for it.
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
      // gone already, or of a folder in which nothing can be deleted
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
