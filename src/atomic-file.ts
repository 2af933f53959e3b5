import { randomBytes } from 'node:crypto';
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Writes a file whole or not at all: a reader, or a crash half-way, never sees a part of it.
 * @throws the system's error
 */
export function writeWhole(path: string, content: string | Uint8Array): void {
  writeAllWhole([[path, content]]);
}

/**
 * The same for files that belong together: all of them are on the disk before the first takes its place, so that a full disk
 * leaves the old ones.
 * @throws the system's error
 */
export function writeAllWhole(files: readonly (readonly [path: string, content: string | Uint8Array])[]): void {
  const suffix = `${randomBytes(4).toString('hex')}.tmp`;
  try {
    for (const [path, content] of files) {
      writeFileSync(`${path}.${suffix}`, content, { flush: true }); // else a power cut could leave an empty file under the new name
    }
    for (const [path] of files) renameSync(`${path}.${suffix}`, path);
  } catch (cause) {
    for (const [path] of files) rmSync(`${path}.${suffix}`, { force: true });
    throw cause;
  }
}

/**
 * Removes what a process that was killed while it wrote `path` has left beside it.
 * @throws the system's error
 */
export function removeUnfinished(path: string): void {
  const [folder, name] = [dirname(path), basename(path)];
  const unfinished = readdirSync(folder).filter(
    (other) => other.startsWith(`${name}.`) && /^\.[0-9a-f]{8}\.tmp$/.test(other.slice(name.length)),
  );
  for (const other of unfinished) rmSync(join(folder, other), { force: true });
}
