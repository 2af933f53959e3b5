import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AbortedError, DataError } from '../../src/base/errors.ts';
import { type DownloadOptions, type DownloadProgress, downloadFile } from '../../src/data/download.ts';
import { tempDir } from './helpers.ts';
import { CONTENT, checksum, cutAtHalf, good, HALF, type Handler, rejection, sends, serve, serves } from './server.ts';

const SUM = checksum('sha256', CONTENT).slice('sha256:'.length);
const OTHER = CONTENT.map((byte) => byte ^ 1);

/** A file without published size and checksum; its check compares the beginning and the end with `CONTENT`. */
const check = async (path: string) => {
  const bytes = readFileSync(path);
  if (bytes[0] !== CONTENT[0] || bytes.at(-1) !== CONTENT.at(-1)) throw new DataError(`${path} is no such file`);
};
const FILE = { name: 'f.bin', check };

const fetchInto = (dir: string, url: string, options: DownloadOptions = {}) =>
  downloadFile([`${url}f.bin`], join(dir, 'f.bin'), FILE, { retryDelay: 0, ...options });
const storedBytes = (dir: string) => readFileSync(join(dir, 'f.bin'));

describe('downloadFile, for a file without published size and checksum', () => {
  test('takes the size that the server states, and stores the checksum next to the file', async () => {
    const { url, requests } = await serve(good);
    const dir = tempDir();
    const progress: DownloadProgress[] = [];
    expect(await fetchInto(dir, url, { onProgress: (p) => progress.push(p) })).toBe('downloaded');
    expect(Buffer.compare(storedBytes(dir), CONTENT)).toBe(0);
    expect(readdirSync(dir)).toEqual(['f.bin', 'f.bin.sha256']);
    expect(readFileSync(join(dir, 'f.bin.sha256'), 'utf8')).toBe(`${SUM}  f.bin\n`); // as sha256sum -c reads it
    expect(progress[0]).toEqual({ file: 'f.bin', received: 0, total: CONTENT.length });
    expect(progress.at(-1)).toEqual({ file: 'f.bin', received: CONTENT.length, total: CONTENT.length });
    expect(await fetchInto(dir, url)).toBe('reused');
    expect(requests).toHaveLength(1);
  });

  test('resumes after an abort, and after the server ended early', async () => {
    const first = cutAtHalf();
    const dir = tempDir();
    const stop = new AbortController();
    const { url, requests } = await serve(first.handler, good);
    const onProgress = (p: DownloadProgress) => p.received === HALF && stop.abort();
    expect(await rejection(fetchInto(dir, url, { signal: stop.signal, onProgress }))).toBeInstanceOf(AbortedError);
    expect(readdirSync(dir)).toEqual(['f.bin.part']);
    await fetchInto(dir, url);
    expect(requests.map(({ range }) => range)).toEqual([undefined, `bytes=${HALF}-`]);
    expect(Buffer.compare(storedBytes(dir), CONTENT)).toBe(0);

    const cut = cutAtHalf();
    const again = await serve(cut.handler, good);
    const other = tempDir();
    await fetchInto(other, again.url, { onProgress: cut.onProgress });
    expect(again.requests.map(({ range }) => range)).toEqual([undefined, `bytes=${HALF}-`]);
    expect(Buffer.compare(storedBytes(other), CONTENT)).toBe(0);
  });

  test('downloads again a part that is complete, or longer than the file', async () => {
    for (const length of [CONTENT.length, CONTENT.length + 5]) {
      const { url } = await serve(good);
      const dir = tempDir();
      writeFileSync(join(dir, 'f.bin.part'), new Uint8Array(length));
      await fetchInto(dir, url);
      expect(Buffer.compare(storedBytes(dir), CONTENT)).toBe(0);
    }
  });

  test('throws for a file that fails the check, and keeps an old file', async () => {
    const { url, requests } = await serve(sends(Buffer.from('please log in')));
    const dir = tempDir();
    writeFileSync(join(dir, 'f.bin'), 'old');
    const error = await rejection(fetchInto(dir, url));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/could not download f\.bin:\n.*f\.bin: .*is no such file/);
    expect(storedBytes(dir).toString()).toBe('old');
    expect(readdirSync(dir)).toEqual(['f.bin']);
    expect(requests).toHaveLength(1);
  });

  test('removes a part of another file if the complete file fails the check', async () => {
    const { url, requests } = await serve(good);
    const dir = tempDir();
    writeFileSync(join(dir, 'f.bin.part'), 'what a log-in page said');
    await fetchInto(dir, url);
    expect(requests.map(({ range }) => range)).toEqual(['bytes=23-', undefined]);
    expect(Buffer.compare(storedBytes(dir), CONTENT)).toBe(0);
  });

  /** A server with ETags, which resumes only the same version (RFC 9110); a `careless` one always resumes. */
  const version =
    (content: Uint8Array, etag: string, { careless = false } = {}): Handler =>
    (request, response) => {
      response.setHeader('etag', etag);
      const ifRange = request.headers['if-range'];
      if (!careless && ifRange !== undefined && ifRange !== etag) delete request.headers.range;
      serves(content)(request, response);
    };

  test.each([{ careless: false }, { careless: true }])(
    'does not combine two versions of a file that its publisher replaced: %j',
    async (server) => {
      const cut = cutAtHalf();
      const first: Handler = (request, response) => {
        response.setHeader('etag', '"a"');
        cut.handler(request, response);
      };
      const { url, requests } = await serve(first, version(OTHER, '"b"', server));
      const dir = tempDir();
      const name = { ...FILE, check: async () => {} };
      const { onProgress } = cut;
      await downloadFile([`${url}f.bin`], join(dir, 'f.bin'), name, { retryDelay: 0, onProgress });
      expect(Buffer.compare(storedBytes(dir), OTHER)).toBe(0);
      expect(readdirSync(dir)).toEqual(['f.bin', 'f.bin.sha256']);
      expect(requests[1]).toMatchObject({ range: `bytes=${HALF}-`, version: '"a"' });
    },
  );

  test('resumes the same version of a file, also in a later call', async () => {
    const first = cutAtHalf();
    const dir = tempDir();
    const stop = new AbortController();
    const serveWithETag: Handler = (request, response) => {
      response.setHeader('etag', '"a"');
      first.handler(request, response);
    };
    const { url, requests } = await serve(serveWithETag, version(CONTENT, '"a"'));
    const onProgress = (p: DownloadProgress) => p.received === HALF && stop.abort();
    expect(await rejection(fetchInto(dir, url, { signal: stop.signal, onProgress }))).toBeInstanceOf(AbortedError);
    const starts: number[] = [];
    await fetchInto(dir, url, { onProgress: ({ received }) => starts.push(received) });
    expect(starts[0]).toBe(HALF);
    expect(requests).toHaveLength(2);
    expect(Buffer.compare(storedBytes(dir), CONTENT)).toBe(0);
    expect(readdirSync(dir)).toEqual(['f.bin', 'f.bin.sha256']);
  });

  test('throws if the server does not state the size', async () => {
    const { url } = await serve((_, response) => {
      response.write(CONTENT);
      response.end();
    });
    const dir = tempDir();
    const error = await rejection(fetchInto(dir, url));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/does not state the size of the file/);
    expect(readdirSync(dir)).toEqual([]);
  });

  test('uses a file that the user put there if it passes the check, and stores its checksum', async () => {
    const { url, requests } = await serve(good);
    const dir = tempDir();
    writeFileSync(join(dir, 'f.bin'), CONTENT);
    expect(await fetchInto(dir, url)).toBe('reused');
    expect(requests).toHaveLength(0);
    expect(readFileSync(join(dir, 'f.bin.sha256'), 'utf8')).toContain(SUM);
  });

  test('works if the checksum cannot be stored', async () => {
    const { url, requests } = await serve(good);
    const dir = tempDir();
    mkdirSync(join(dir, 'f.bin.sha256'));
    expect(await fetchInto(dir, url)).toBe('downloaded');
    expect(await fetchInto(dir, url)).toBe('reused');
    expect(requests).toHaveLength(1);
    expect(readdirSync(dir)).toEqual(['f.bin', 'f.bin.sha256']);
  });

  test("downloads a changed file again, and throws if the server's file differs from the first time", async () => {
    const { url, requests } = await serve(good, sends(OTHER), good);
    const dir = tempDir();
    await fetchInto(dir, url);
    writeFileSync(join(dir, 'f.bin'), OTHER); // of the same length, and damaged
    const error = await rejection(fetchInto(dir, url));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain(`wrong checksum ${checksum('sha256', OTHER)}, expected sha256:${SUM}`);
    expect(error.message).toContain(`stored in ${join(dir, 'f.bin.sha256')} by the first download`);
    expect(Buffer.compare(storedBytes(dir), OTHER)).toBe(0); // the old one stays
    expect(await fetchInto(dir, url)).toBe('downloaded');
    expect(Buffer.compare(storedBytes(dir), CONTENT)).toBe(0);
    expect(requests).toHaveLength(3);
  });
});
