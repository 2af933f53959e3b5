import type { Command } from './command.ts';
import { writtenBindings } from './pipelines.ts';
import type { Storage } from './storage.ts';

/** The arrays a dispatch has bound, each range once, and whether it may write them. */
export function boundArrays({ pipeline, bindings }: Command): { array: Storage; written: boolean }[] {
  const writes = writtenBindings(pipeline.source.code);
  const found: { array: Storage; written: boolean }[] = [];
  for (const [i, array] of bindings.entries()) {
    if (!('bytes' in array)) continue; // a uniform
    // A kernel without a bias, say, has another array bound in its place, which is still read only once.
    const known = found.find((one) => one.array.buffer === array.buffer && one.array.offset === array.offset);
    if (known) known.written ||= writes.has(i);
    else found.push({ array, written: writes.has(i) });
  }
  return found;
}

/**
 * Bytes a dispatch moves at least: each array bound to it once, or what its caller said. Where the caches are too small it
 * is more.
 */
export function bytesMoved(command: Command): number {
  return command.info?.bytes ?? boundArrays(command).reduce((sum, { array }) => sum + array.bytes, 0);
}
