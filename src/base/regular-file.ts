import { readFileSync, type Stats, statSync } from 'node:fs';
import { FileError } from './errors.ts';

/** Describes what is neither a file nor a folder. */
function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/**
 * Refuses FIFOs, devices and sockets: reading them may never end, and writing would replace them with a file. Folders and missing files
 * pass, because the system reports them.
 * @throws FileError; the system's error if the path cannot be examined
 */
export function checkRegular(action: 'read' | 'write', path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats || stats.isFile() || stats.isDirectory()) return;
  throw new FileError(`cannot ${action} ${path}: it is ${kindOf(stats)}, not a regular file; give the path of a file`);
}

/** The bytes of a regular file. @throws FileError if it is not a regular file; the system's error */
export function readRegular(path: string): Buffer {
  checkRegular('read', path);
  return readFileSync(path);
}
