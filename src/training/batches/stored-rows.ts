import type { Device } from '../../gpu/device.ts';
import type { Storage } from '../../gpu/storage.ts';
import { DeviceArray } from '../../kernels/array.ts';
import type { StoredSamples } from '../../kernels/gather/gather.ts';

/**
 * Allocates `size` rows of `stride` words, in several buffers if the adapter's binding limit requires it. The caller disposes them with
 * `disposeRows`; if one allocation fails, the others are disposed.
 */
export function allocateRows(device: Device, size: number, stride: number): StoredSamples {
  const perChunk = Math.max(1, Math.floor(device.largestArray / (4 * stride)));
  const chunks: StoredSamples['chunks'] = [];
  try {
    for (let first = 0; first < size; first += perChunk) {
      const count = Math.min(perChunk, size - first);
      const words = DeviceArray.empty(device, [count, stride], { dtype: 'u32' }).keep('samples of a loader');
      chunks.push({ words, first, count });
    }
  } catch (error) {
    disposeRows({ chunks });
    throw error;
  }
  return { chunks, stride };
}

/** Uploads `size` rows of `bytes` bytes; each row begins at a word. See `allocateRows`. */
export function uploadRows(device: Device, rows: Uint8Array, size: number, bytes: number): StoredSamples {
  const stored = allocateRows(device, size, Math.ceil(bytes / 4));
  try {
    for (const { words, first, count } of stored.chunks) {
      const chunkRows = rows.subarray(first * bytes, (first + count) * bytes);
      device.upload(words.storage, padRows(chunkRows, count, bytes, 4 * stored.stride));
    }
  } catch (error) {
    disposeRows(stored);
    throw error;
  }
  return stored;
}

/** Copies `count` contiguous rows of a buffer to the rows that begin with `row`. */
export function copyToRows({ chunks, stride }: StoredSamples, row: number, from: Storage, count: number): void {
  for (const { words, first, count: chunkCount } of chunks) {
    const begin = Math.max(row, first);
    const bytes = 4 * stride * (Math.min(row + count, first + chunkCount) - begin);
    if (bytes <= 0) continue;
    const source = from.view(4 * stride * (begin - row), bytes);
    words.device.copy(source, words.storage.view(4 * stride * (begin - first), bytes));
  }
}

/** Disposes the buffers of rows. */
export function disposeRows({ chunks }: Pick<StoredSamples, 'chunks'>): void {
  for (const { words } of chunks) words.dispose();
}

/** Copies rows of `bytes` bytes to rows that begin `step` bytes apart. */
function padRows(rows: Uint8Array, count: number, bytes: number, step: number): Uint8Array<ArrayBuffer> {
  if (bytes === step) return rows as Uint8Array<ArrayBuffer>;
  const out = new Uint8Array(count * step);
  for (let i = 0; i < count; i++) out.set(rows.subarray(i * bytes, (i + 1) * bytes), i * step);
  return out;
}
