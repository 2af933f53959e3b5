import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { DownloadProgress } from '../../src/data/download.ts';

/** Bytes of more than one network chunk, without repetition. */
export const CONTENT = Uint8Array.from({ length: 300_001 }, (_, i) => (i * 2654435761) >>> 13);
export const HALF = 150_000;

export function checksum(algorithm: string, bytes: Uint8Array): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves each request with the next handler, and all further ones with the last; records the requests. */
export async function serve(...handlers: Handler[]) {
  const requests: { url: string; range?: string; encoding?: string; version?: string }[] = [];
  const server = createServer((request, response) => {
    const { range, 'accept-encoding': encoding, 'if-range': ifRange } = request.headers;
    const version = ifRange === undefined ? {} : { version: String(ifRange) };
    const handler = handlers[Math.min(requests.length, handlers.length - 1)]!;
    requests.push({ url: request.url!, range, encoding: String(encoding), ...version });
    handler(request, response);
  });
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { requests, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/d/` };
}

/** An address on which no server listens. */
export async function closedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return `http://127.0.0.1:${port}/`;
}

/** A typical server: whole files, and ranges on request. */
export const serves =
  (content: Uint8Array): Handler =>
  (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start >= content.length) {
      response.writeHead(416).end();
      return;
    }
    const range = `bytes ${start}-${content.length - 1}/${content.length}`;
    const ranged = start > 0 ? { 'content-range': range } : {};
    response.writeHead(start > 0 ? 206 : 200, { ...ranged, 'content-length': content.length - start });
    response.end(content.subarray(start));
  };
export const good = serves(CONTENT);

/**
 * A server that promises the whole file and sends half; `onProgress` cuts the connection when the client has that half. If it were cut
 * earlier, an unpredictable number of bytes would be lost.
 */
export function cutAtHalf(content = CONTENT) {
  let heldResponse: ServerResponse | undefined;
  const handler: Handler = (_, response) => {
    heldResponse = response;
    response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, HALF));
  };
  const onProgress = (p: DownloadProgress) => {
    if (p.received === HALF) heldResponse?.destroy();
  };
  return { handler, onProgress };
}

export const sends =
  (bytes: Uint8Array, status = 200): Handler =>
  (_, response) => {
    response.writeHead(status, { 'content-length': bytes.length }).end(bytes);
  };

export async function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error) => error,
  );
}
