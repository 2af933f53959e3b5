import type { Device } from '../gpu/device.ts';
import { DeviceArray } from '../kernels/array.ts';
import type { StoredSamples } from '../kernels/gather.ts';

/**
 * Uploads `size` rows of `bytes` bytes in as many buffers as the adapter's binding limit asks for, each row starting at a word.
 * The buffers belong to the caller; where one cannot be made, the others are given back.
 */
export function storeRows(device: Device, rows: Uint8Array, size: number, bytes: number): StoredSamples {
  const stride = Math.ceil(bytes / 4);
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const perChunk = Math.max(1, Math.floor(limit / (4 * stride)));
  const chunks: StoredSamples['chunks'] = [];
  try {
    for (let first = 0; first < size; first += perChunk) {
      const count = Math.min(perChunk, size - first);
      const words = DeviceArray.empty(device, [count, stride], { dtype: 'u32' }).keep();
      chunks.push({ words, first, count });
      const part = rows.subarray(first * bytes, (first + count) * bytes);
      device.upload(words.storage, padded(part, count, bytes, 4 * stride));
    }
  } catch (error) {
    disposeRows({ chunks });
    throw error;
  }
  return { chunks, stride };
}

/** Gives the buffers of `storeRows` back. */
export function disposeRows({ chunks }: Pick<StoredSamples, 'chunks'>): void {
  for (const { words } of chunks) words.dispose();
}

/** Rows of `bytes` bytes laid out `step` bytes apart. */
function padded(rows: Uint8Array, count: number, bytes: number, step: number): Uint8Array<ArrayBuffer> {
  if (bytes === step) return rows as Uint8Array<ArrayBuffer>;
  const out = new Uint8Array(count * step);
  for (let i = 0; i < count; i++) out.set(rows.subarray(i * bytes, (i + 1) * bytes), i * step);
  return out;
}
