import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AbortedError, ArgumentError, DataError, FileError } from '../../src/base/errors.ts';
import { datasets } from '../../src/data/datasets.ts';
import type { DownloadProgress } from '../../src/data/download.ts';
import { type FetchOptions, fetchDataset, fetchFiles } from '../../src/data/fetch.ts';
import { emptyCache, tempDir } from './helpers.ts';
import { CONTENT, checksum, cutAtHalf, good, HALF, type Handler, rejection, sends, serve } from './server.ts';

const FILE = { name: 'f.bin', size: CONTENT.length, checksum: checksum('sha256', CONTENT) };

/** Fetches the one-file set `FILE` into `dir/mnist` without waiting between attempts. */
function fetchOne(dir: string, urls: string[], options: FetchOptions = {}, file = FILE) {
  return fetchFiles({ name: 'mnist', files: [file], urls }, { dir, retryDelay: 0, ...options });
}

function contents(dir: string): string[] {
  return existsSync(join(dir, 'mnist')) ? readdirSync(join(dir, 'mnist')) : [];
}

describe('fetchDataset', () => {
  test('downloads a set with progress; a second call reuses it', async () => {
    const { url, requests } = await serve(good);
    const dir = tempDir();
    const progress: DownloadProgress[] = [];
    const first = await fetchOne(dir, [url], { onProgress: (p) => progress.push(p) });
    const path = join(dir, 'mnist', 'f.bin');
    expect(first).toEqual({ path: join(dir, 'mnist'), files: [path], downloaded: ['f.bin'], reused: [] });
    expect(Buffer.compare(readFileSync(path), CONTENT)).toBe(0);
    expect(contents(dir)).toEqual(['f.bin']);
    expect(progress[0]).toEqual({ file: 'f.bin', received: 0, total: FILE.size });
    expect(progress.at(-1)).toEqual({ file: 'f.bin', received: FILE.size, total: FILE.size });
    expect(requests).toEqual([{ url: '/d/f.bin', range: undefined, encoding: 'identity' }]);

    const modified = statSync(path).mtimeMs;
    const second = await fetchOne(dir, [url]);
    expect(second).toEqual({ ...first, downloaded: [], reused: ['f.bin'] });
    expect(requests.length).toBe(1);
    expect(statSync(path).mtimeMs).toBe(modified);
  });

  test('resumes after a lost connection', async () => {
    const { handler, onProgress } = cutAtHalf();
    const { url, requests } = await serve(handler, good);
    const dir = tempDir();
    await fetchOne(dir, [url], { onProgress });
    expect(Buffer.compare(readFileSync(join(dir, 'mnist', 'f.bin')), CONTENT)).toBe(0);
    expect(requests.map((r) => r.range)).toEqual([undefined, `bytes=${HALF}-`]);
  });

  test('completes a part from another server with other version names if the checksum is known', async () => {
    const cut = cutAtHalf();
    const first = await serve((request, response) => {
      response.setHeader('etag', '"a"');
      cut.handler(request, response);
    });
    const second = await serve((request, response) => {
      response.setHeader('etag', '"b"');
      if (request.headers['if-range'] !== undefined) delete request.headers.range;
      good(request, response);
    });
    const dir = tempDir();
    await fetchOne(dir, [first.url, second.url], { onProgress: cut.onProgress });
    expect(second.requests.map(({ range }) => range)).toEqual([`bytes=${HALF}-`]);
    expect(second.requests[0]!.version).toBeUndefined();
    expect(Buffer.compare(readFileSync(join(dir, 'mnist', 'f.bin')), CONTENT)).toBe(0);
    expect(contents(dir)).toEqual(['f.bin']);
  });

  test('keeps the part after an abort, and resumes it in the next call', async () => {
    const { url, requests } = await serve(cutAtHalf().handler, good);
    const dir = tempDir();
    const stop = new AbortController();
    const onProgress = (p: DownloadProgress) => p.received === HALF && stop.abort();
    const error = await rejection(fetchOne(dir, [url], { signal: stop.signal, onProgress }));
    expect(error).toBeInstanceOf(AbortedError);
    expect(contents(dir)).toEqual(['f.bin.part']);
    expect(statSync(join(dir, 'mnist', 'f.bin.part')).size).toBe(HALF);

    expect(await rejection(fetchOne(dir, [url], { signal: stop.signal }))).toBeInstanceOf(AbortedError);
    expect(requests.length).toBe(1);

    const received: number[] = [];
    await fetchOne(dir, [url], { onProgress: (p) => received.push(p.received) });
    expect(requests[1]?.range).toBe(`bytes=${HALF}-`);
    expect(received[0]).toBe(HALF);
    expect(Buffer.compare(readFileSync(join(dir, 'mnist', 'f.bin')), CONTENT)).toBe(0);
    expect(contents(dir)).toEqual(['f.bin']);
  });

  test('starts over if the server does not support ranges', async () => {
    const { handler, onProgress } = cutAtHalf();
    const { url, requests } = await serve(handler, sends(CONTENT));
    const dir = tempDir();
    await fetchOne(dir, [url], { onProgress });
    expect(requests[1]?.range).toBe(`bytes=${HALF}-`);
    expect(Buffer.compare(readFileSync(join(dir, 'mnist', 'f.bin')), CONTENT)).toBe(0);
  });

  test.each<[string, Handler]>([
    ['refuses to resume', sends(new Uint8Array(0), 416)],
    [
      'resumes at another place',
      (_, response) => {
        const range = `bytes 7-${CONTENT.length - 1}/${CONTENT.length}`;
        response.writeHead(206, { 'content-range': range }).end(CONTENT.subarray(7));
      },
    ],
  ])('requests the whole file from a server that %s', async (_, odd) => {
    const { handler, onProgress } = cutAtHalf();
    const { url, requests } = await serve(handler, odd, good);
    const dir = tempDir();
    await fetchOne(dir, [url], { onProgress });
    expect(requests.map((r) => r.range)).toEqual([undefined, `bytes=${HALF}-`, undefined]);
    expect(Buffer.compare(readFileSync(join(dir, 'mnist', 'f.bin')), CONTENT)).toBe(0);
  });

  test('removes an old part with wrong bytes and downloads the file again', async () => {
    for (const leftover of [new Uint8Array(HALF), new Uint8Array(FILE.size), new Uint8Array(FILE.size + 1)]) {
      const { url } = await serve(good);
      const dir = tempDir();
      await fetchOne(dir, [url.replace('/d/', '/')]);
      writeFileSync(join(dir, 'mnist', 'f.bin'), 'damaged');
      writeFileSync(join(dir, 'mnist', 'f.bin.part'), leftover);
      expect((await fetchOne(dir, [url])).downloaded).toEqual(['f.bin']);
      expect(Buffer.compare(readFileSync(join(dir, 'mnist', 'f.bin')), CONTENT)).toBe(0);
      expect(contents(dir)).toEqual(['f.bin']);
    }
  });

  test('accepts that another download renamed the partial file if the file is right', async () => {
    const { url } = await serve(good);
    const whole = (dir: string, change: (part: string, path: string) => void) => (p: DownloadProgress) => {
      const path = join(dir, 'mnist', 'f.bin');
      if (p.received === FILE.size) change(`${path}.part`, path);
    };
    const dir = tempDir();
    expect(await fetchOne(dir, [url], { onProgress: whole(dir, renameSync) })).toMatchObject({
      ...{ downloaded: [], reused: ['f.bin'] },
    });
    expect(contents(dir)).toEqual(['f.bin']);
    const other = tempDir();
    const lost = await rejection(fetchOne(other, [url], { onProgress: whole(other, (part) => rmSync(part)) }));
    expect(lost).toBeInstanceOf(FileError);
    expect(lost.message).toContain('ENOENT');
  });

  test('throws for a wrong checksum, and leaves no file', async () => {
    const other = CONTENT.slice();
    other[1000]! ^= 1;
    const { url, requests } = await serve(sends(other));
    const dir = tempDir();
    const error = await rejection(fetchOne(dir, [url]));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain(`${url}f.bin: wrong checksum ${checksum('sha256', other)}`);
    expect(error.message).toContain(`expected ${FILE.checksum}`);
    expect(contents(dir)).toEqual([]);
    expect(requests.length).toBe(1);
  });

  test('throws for a wrong size, stated or not', async () => {
    const dir = tempDir();
    for (const size of [FILE.size - 1, FILE.size + 1]) {
      const { url, requests } = await serve(sends(new Uint8Array(size)));
      const error = await rejection(fetchOne(dir, [url]));
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toContain(`the file on the server has ${size} bytes, expected ${FILE.size}`);
      expect(requests.length).toBe(1);
    }
    const unannounced = await serve((_, response) => {
      response.write(CONTENT);
      response.end('more');
    });
    const error = await rejection(fetchOne(dir, [unannounced.url]));
    expect(error.message).toContain(`more than the expected ${FILE.size} bytes`);
    expect(contents(dir)).toEqual([]);
  });

  test('keeps received bytes if an address serves another file', async () => {
    const { handler, onProgress } = cutAtHalf();
    const one = await serve(handler, good);
    const two = await serve(sends(Buffer.from('log in first')));
    await fetchOne(tempDir(), [one.url, two.url], { onProgress });
    expect(two.requests.map((r) => r.range)).toEqual([`bytes=${HALF}-`]);
    expect(one.requests.map((r) => r.range)).toEqual([undefined, `bytes=${HALF}-`]);
  });

  test('does not retry after 404, but tries the next address', async () => {
    const missing = await serve(sends(Buffer.from('no such file'), 404));
    const wrong = await serve(sends(new Uint8Array(FILE.size)));
    const right = await serve(good);
    const dir = tempDir();
    const error = await rejection(fetchOne(dir, [missing.url]));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain(`${missing.url}f.bin: the server answered 404`);
    expect(error.message).toContain(join(dir, 'mnist', 'f.bin'));
    expect(missing.requests.length).toBe(1);
    await fetchOne(dir, [missing.url, wrong.url, right.url]);
    expect([missing.requests.length, wrong.requests.length, right.requests.length]).toEqual([2, 1, 1]);
    expect(Buffer.compare(readFileSync(join(dir, 'mnist', 'f.bin')), CONTENT)).toBe(0);
  });

  test('retries a limited number of times if the server is busy or the connection is lost', async () => {
    const busy = await serve(sends(new Uint8Array(0), 503), sends(new Uint8Array(0), 429), good);
    await fetchOne(tempDir(), [busy.url]);
    expect(busy.requests.length).toBe(3);

    const dead = await serve((request) => request.socket.destroy());
    const error = await rejection(fetchOne(tempDir(), [dead.url], { maxFailures: 3 }));
    expect(error).toBeInstanceOf(DataError);
    expect(dead.requests.length).toBe(3);

    // The server sends bytes each time, but never more than before.
    const { handler, onProgress } = cutAtHalf();
    const looping = await serve(handler);
    const dir = tempDir();
    const kept = await rejection(fetchOne(dir, [looping.url], { maxFailures: 3, onProgress }));
    expect(kept.message).toContain(`The ${HALF} bytes received are kept`);
    expect(looping.requests.length).toBe(3);
    expect(contents(dir)).toEqual(['f.bin.part']);
  });

  test('a connection without data is treated as lost', async () => {
    const silent = await serve(cutAtHalf().handler, good);
    const dir = tempDir();
    await fetchOne(dir, [silent.url], { stallTimeout: 200 });
    expect(silent.requests.length).toBeGreaterThan(1);
    expect(contents(dir)).toEqual(['f.bin']);
  });

  test.each([Number.POSITIVE_INFINITY, 2 ** 31])(
    'allows a connection to be silent for %s ms, longer than timers can wait',
    async (stallTimeout) => {
      const slow = await serve((request, response) => void setTimeout(() => good(request, response), 100));
      await fetchOne(tempDir(), [slow.url], { stallTimeout });
      expect(slow.requests.length).toBe(1);
    },
  );

  test('throws before the first request if the folder cannot be written or is full', async () => {
    const { url, requests } = await serve(good);
    const dir = tempDir();
    writeFileSync(join(dir, 'file'), '');
    expect(await rejection(fetchOne(join(dir, 'file'), [url]))).toBeInstanceOf(FileError);
    if (process.platform === 'linux') {
      expect(await rejection(fetchOne('/proc/tilegrad/x', [url]))).toBeInstanceOf(FileError); // and does not hang
    }
    const huge = { ...FILE, size: 2 ** 60 };
    const error = await rejection(fetchOne(dir, [url], {}, huge));
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toMatch(/has only \d+ free; name another folder/);
    expect(requests.length).toBe(0);
  });

  test('baseUrl replaces the official addresses; the default folder is the cache; md5 is supported', async () => {
    const cache = emptyCache();
    const { url, requests } = await serve(sends(Buffer.from('not here'), 404));
    const error = await rejection(fetchDataset('mnist', { baseUrl: url.slice(0, -1), retryDelay: 0 }));
    expect(error.message).toContain('train-images-idx3-ubyte.gz (9912422 bytes)');
    expect(error.message).toContain(join(cache, 'mnist', 'train-images-idx3-ubyte.gz'));
    expect(requests.map((r) => r.url)).toEqual(['/d/train-images-idx3-ubyte.gz']);
    for (const baseUrl of ['', 'ftp://x/', 'http://']) {
      expect(await rejection(fetchDataset('mnist', { baseUrl }))).toBeInstanceOf(ArgumentError);
    }
    const server = await serve(good);
    const md5 = { ...FILE, checksum: checksum('md5', CONTENT) };
    expect((await fetchOne(tempDir(), [server.url], {}, md5)).downloaded).toEqual(['f.bin']);
  });

  test('data sets: every file has a size, a checksum of the right length and an address', () => {
    for (const info of Object.values(datasets)) {
      expect(info.classes.length).toBe(10);
      expect(info.urls.every((url) => URL.canParse(url) && url.endsWith('/'))).toBe(true);
      for (const { size, checksum: sum } of info.files) {
        expect(size).toBeGreaterThan(1000);
        expect(sum).toMatch(/^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$/);
      }
    }
  });
});
