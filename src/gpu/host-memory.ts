import { readFileSync } from 'node:fs';
import type { HostMemory } from './memory.ts';

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Bytes of the line `name` of a /proc file, such as `VmSize:   1025072 kB`; NaN if it is missing. */
const kibibytes = (text: string, name: string): number =>
  1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN);

/** Bytes of address space (`ulimit -v`) left for the process; infinite if unlimited or unknown. */
function addressSpaceLeft(): number {
  if (process.platform !== 'linux') return Number.POSITIVE_INFINITY;
  try {
    const limit = /^Max address space\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    if (!limit) return Number.POSITIVE_INFINITY; // unlimited
    const left = Number(limit[1]) - kibibytes(readFileSync('/proc/self/status', 'utf8'), 'VmSize');
    return Number.isNaN(left) ? Number.POSITIVE_INFINITY : left;
  } catch {
    return Number.POSITIVE_INFINITY; // no /proc
  }
}

/** Memory of this process, within the limits of its container and of its address space. */
export function hostMemory(): HostMemory {
  const before = process.memoryUsage.rss();
  return {
    available(held) {
      const unwritten = Math.max(0, held - (process.memoryUsage.rss() - before));
      return Math.min(process.availableMemory() - unwritten, addressSpaceLeft());
    },
    sleep(milliseconds) {
      Atomics.wait(cell, 0, 0, milliseconds);
    },
  };
}
