import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { DataError, FileError } from '../../src/node.ts';
import { fetchSamples, imagesOf } from '../../web/src/samples.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Serves bytes for every file, or 404. */
async function serve(bytes: Buffer | null): Promise<string> {
  const server = createServer((_, response) => response.writeHead(bytes ? 200 : 404).end(bytes));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/folder/`;
}

const file = Buffer.concat([Buffer.from([3, 8]), Buffer.alloc(784, 1), Buffer.alloc(784, 2)]);

test.each([
  ['compressed', gzipSync(file)],
  ['unpacked by the browser', file],
])('fetchSamples: reads labels and pixels of files that are %s', async (_, bytes) => {
  const { train, test: rest } = await fetchSamples('mnist', await serve(bytes));
  for (const set of [train, rest]) {
    expect(set).toMatchObject({ size: 2, shape: [28, 28, 1] });
    expect([...set.labels]).toEqual([3, 8]);
    expect([set.images.length, set.images[783], set.images[784]]).toEqual([1568, 1, 2]);
  }
});

test('fetchSamples: FileError with the address if there is no file', async () => {
  const base = await serve(null);
  await expect(fetchSamples('mnist', base)).rejects.toThrow(FileError);
  await expect(fetchSamples('mnist', base)).rejects.toThrow(
    /some\/folder\/data\/mnist-.*status 404.*load the page again/,
  );
});

test('fetchSamples: FileError if a file is cut short', async () => {
  await expect(fetchSamples('mnist', await serve(gzipSync(file).subarray(0, 20)))).rejects.toThrow(FileError);
});

test('imagesOf: DataError if the number of images is not an integer', () => {
  expect(() => imagesOf('mnist', new Uint8Array(1000), 'a.gz')).toThrow(DataError);
  expect(() => imagesOf('mnist', new Uint8Array(0), 'a.gz')).toThrow(DataError);
});
