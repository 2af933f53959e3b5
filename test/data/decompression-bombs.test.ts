import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { DataError } from '../../src/base/errors.ts';
import { loadDataset } from '../../src/data/files.ts';
import type { DatasetName } from '../../src/data/types.ts';
import { cifarBatch, idx, smallCifar, smallMnist, tempDir, writeFiles } from './helpers.ts';

const MEGABYTE = 2 ** 20;
/** Zeros, packed 1000 to 1. Concatenated gzip files unpack to the concatenation. */
const zeros = gzipSync(new Uint8Array(16 * MEGABYTE), { level: 9 });
const bomb = (first: Uint8Array, megabytes: number) =>
  Buffer.concat([gzipSync(first), ...new Array<Buffer>(megabytes / 16).fill(zeros)]);

/** The message of the DataError that loading must throw, and the growth of the peak memory in megabytes. */
async function loadRefused(name: DatasetName, dir: string): Promise<{ message: string; grown: number }> {
  const before = process.resourceUsage().maxRSS;
  const error = await loadDataset(name, { dir }).then(
    () => null,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return { message: error!.message, grown: (process.resourceUsage().maxRSS - before) / 1024 };
}

/** A folder with MNIST, in which one file is replaced by packed bytes. */
function mnist(name: string, packed: Uint8Array): string {
  const dir = tempDir();
  const { [name]: _, ...others } = smallMnist();
  writeFiles(dir, { ...others, [`${name}.gz`]: packed });
  return dir;
}

test.each([
  ['train-images-idx3-ubyte', 2368],
  ['train-labels-idx1-ubyte', 11],
  ['t10k-images-idx3-ubyte', 1584],
  ['t10k-labels-idx1-ubyte', 10],
] as const)(
  'throws before it fills the memory, for %s that unpacks to more than its header states',
  async (name, size) => {
    const { message, grown } = await loadRefused('mnist', mnist(name, bomb(smallMnist()[name]!, 1024)));
    expect(message).toContain(`${name}.gz unpacks to more than the ${size.toLocaleString('en-US')} bytes`);
    expect(grown).toBeLessThan(200);
  },
);

test('gunzipSized: throws before unpacking if a header states more than the limit, or than its packed bytes can hold', async () => {
  const name = 'train-images-idx3-ubyte';
  for (const [dims, says] of [
    [[0xffffffff, 28, 28], /promises 3,367,254,\d+,\d+ bytes, more than the limit of 1,073,741,824/],
    [[1_300_000, 28, 28], /promises 1,019,200,016 bytes, which its 16,\d+ packed bytes cannot hold/],
    [[1, 30_000, 30_000], /holds images of 30000 x 30000, expected 28 x 28/],
  ] as const) {
    const { message, grown } = await loadRefused('mnist', mnist(name, bomb(idx([...dims], []), 16)));
    expect(message).toMatch(says);
    expect(grown).toBeLessThan(100);
  }
});

test('gunzipSized: throws for truncated files, also within their header', async () => {
  const name = 'train-labels-idx1-ubyte';
  const packed = gzipSync(smallMnist()[name]!);
  expect((await loadRefused('mnist', mnist(name, packed.subarray(0, -9)))).message).toMatch(
    /damaged or cut-short gzip/,
  );
  expect((await loadRefused('mnist', mnist(name, gzipSync(idx([3], [5]))))).message).toMatch(
    /promises 11; it is cut short/,
  );
  expect((await loadRefused('mnist', mnist(name, gzipSync(Uint8Array.of(0, 0))))).message).toMatch(/it is cut short/);
  expect((await loadRefused('mnist', mnist(name, gzipSync(new Uint8Array(0))))).message).toMatch(/is empty/);
});

/** An entry of a tar archive: a header, which may be wrong, and the bytes, padded to whole blocks. */
function entry(name: string, bytes: Uint8Array, { size = bytes.length, type = '0', link = '' } = {}): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write(`${size.toString(8).padStart(11, '0')} `, 124);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

function archive(packed: Uint8Array): string {
  const dir = tempDir();
  writeFileSync(join(dir, 'cifar-10-binary.tar.gz'), packed);
  return dir;
}
const cifar = () => Object.entries(smallCifar()).map(([name, bytes]) => entry(`cifar-10-batches-bin/${name}`, bytes));

test('the archives of these tests load if they are intact', async () => {
  const { train } = await loadDataset('cifar10', {
    dir: archive(gzipSync(Buffer.concat([...cifar(), Buffer.alloc(1024)]))),
  });
  expect(train.size).toBe(15);
});

test.each([
  ['a file that is not needed', 'readme.html', '0'],
  ['a file that is needed', 'data_batch_1.bin', '0'],
  ['a long name', 'x', 'L'],
  ['attributes', 'x', 'x'],
])('readTarGz: throws before an archive fills the memory: %s', async (_, name, type) => {
  const head = entry(name, new Uint8Array(0), { size: 2 ** 32, type });
  const { message, grown } = await loadRefused('cifar10', archive(bomb(head, 2048)));
  expect(message).toMatch(/unpacks to more than 1,073,741,824 bytes|damaged or cut short/);
  expect(grown).toBeLessThan(300);
});

test('readTarGz: throws DataError if an archive has a file twice', async () => {
  const other = entry('other/data_batch_3.bin', cifarBatch([1, 1, 1]));
  const { message } = await loadRefused(
    'cifar10',
    archive(gzipSync(Buffer.concat([...cifar(), other, Buffer.alloc(1024)]))),
  );
  expect(message).toMatch(
    /has data_batch_3\.bin twice, as cifar-10-batches-bin\/data_batch_3\.bin and as other\/data_batch_3\.bin/,
  );
});

test('readTarGz: ignores links, and folders with the name of a file', async () => {
  for (const type of ['1', '2', '5']) {
    const entries = cifar().slice(1);
    const link = entry('test_batch.bin', new Uint8Array(0), { type, link: 'data_batch_1.bin' });
    const { message } = await loadRefused(
      'cifar10',
      archive(gzipSync(Buffer.concat([...entries, link, Buffer.alloc(1024)]))),
    );
    expect(message).toMatch(/lacks test_batch\.bin/);
  }
});
