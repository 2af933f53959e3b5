import type { Command } from './command.ts';
import { writtenBindings } from './pipelines.ts';
import type { Storage } from './storage.ts';

/** Arrays bound by a dispatch, each range once, with whether the dispatch may write it. */
export function boundArrays({ pipeline, bindings }: Command): { array: Storage; written: boolean }[] {
  const writes = writtenBindings(pipeline.source.code);
  const found: { array: Storage; written: boolean }[] = [];
  for (const [i, array] of bindings.entries()) {
    if (!('bytes' in array)) continue; // a uniform
    // A kernel without a bias has another array bound in its place; that array still counts once.
    const known = found.find((one) => one.array.buffer === array.buffer && one.array.offset === array.offset);
    if (known) known.written ||= writes.has(i);
    else found.push({ array, written: writes.has(i) });
  }
  return found;
}

/**
 * Least bytes that a dispatch moves: its `info.bytes`, or each bound array once. If the caches are too small, it moves more.
 */
export function bytesMoved(command: Command): number {
  return command.info?.bytes ?? boundArrays(command).reduce((sum, { array }) => sum + array.bytes, 0);
}
