import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished, vi } from 'vitest';

/** A temporary folder, removed after the test. */
export function tempDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Sets an empty cache folder and no data folder in the environment, for one test. Returns the cache folder. */
export function emptyCache(): string {
  const cache = tempDir();
  vi.stubEnv('XDG_CACHE_HOME', cache);
  vi.stubEnv('TILEGRAD_CACHE', '');
  vi.stubEnv('TILEGRAD_DATA', '');
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  return join(cache, 'tilegrad');
}

/** Writes files below `folder`, by relative path. */
export function writeFiles(folder: string, files: Record<string, Uint8Array>): void {
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
}

/** One CIFAR-10 record, with bytes `pixel(channel, y, x)`. */
export function cifarRecord(label: number, pixel: (c: number, y: number, x: number) => number): Uint8Array {
  const record = new Uint8Array(3073);
  record[0] = label;
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < 32; y++) for (let x = 0; x < 32; x++) record[1 + c * 1024 + y * 32 + x] = pixel(c, y, x);
  }
  return record;
}

/** A batch of images of one color, one for each label. */
export function cifarBatch(labels: number[], color = 7): Uint8Array {
  return Buffer.concat(labels.map((label) => cifarRecord(label, () => color)));
}

/** The six files of a small CIFAR-10: batch k has k images of color k, the test batch has 2. */
export function smallCifar(): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = { 'test_batch.bin': cifarBatch([8, 9], 99) };
  for (let k = 1; k <= 5; k++) files[`data_batch_${k}.bin`] = cifarBatch(new Array(k).fill(k), k);
  return files;
}

/** IDX bytes of unsigned-byte values. */
export function idx(dims: number[], data: ArrayLike<number>, magic = 0x800 | dims.length): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * dims.length + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  dims.forEach((d, i) => {
    view.setUint32(4 + 4 * i, d);
  });
  bytes.set(data, 4 + 4 * dims.length);
  return bytes;
}

/** The four files of a small MNIST: 3 training and 2 test images, image i filled with 10 + i. */
export function smallMnist(): Record<string, Uint8Array> {
  const images = (n: number) =>
    idx(
      [n, 28, 28],
      Uint8Array.from({ length: n * 784 }, (_, i) => 10 + Math.floor(i / 784)),
    );
  return {
    'train-images-idx3-ubyte': images(3),
    'train-labels-idx1-ubyte': idx([3], [5, 0, 4]),
    't10k-images-idx3-ubyte': images(2),
    't10k-labels-idx1-ubyte': idx([2], [7, 2]),
  };
}

/** Number of labels of each of ten classes. */
export function countLabels(labels: Iterable<number>): number[] {
  const counts = new Array(10).fill(0);
  for (const label of labels) counts[label]++;
  return counts;
}
