import { readFileSync, type Stats, statSync } from 'node:fs';
import { FileError } from './errors.ts';

/** What is neither a file nor a folder, in words. */
function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/**
 * Refuses FIFOs, devices and sockets: reading them may never end, and writing would put a file in their place. Of a folder the
 * system itself says so; nothing being there is fine.
 * @throws FileError; the system's error where it cannot look
 */
export function checkRegular(action: 'read' | 'write', path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats || stats.isFile() || stats.isDirectory()) return;
  throw new FileError(`cannot ${action} ${path}: it is ${kindOf(stats)}, not a regular file; give the path of a file`);
}

/** The bytes of a regular file. @throws FileError for what is none; the system's error */
export function readRegular(path: string): Buffer {
  checkRegular('read', path);
  return readFileSync(path);
}
