#!/usr/bin/env node
// Serves dist/web: `npm run web`, or `npm run web -- --port 8080`. Only on localhost, where browsers allow WebGPU without https.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '../dist/web');
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.map': 'application/json',
};

/** Returns the path of the file in the folder that an address names; null if there is none. */
function findFile(folder, address) {
  try {
    const path = decodeURIComponent(new URL(address, 'http://localhost').pathname);
    const file = join(folder, normalize(path), path.endsWith('/') ? 'index.html' : '');
    const isFile = file.startsWith(folder + sep) && statSync(file, { throwIfNoEntry: false })?.isFile();
    return isFile ? file : null;
  } catch {
    return null; // not a valid address, or not a valid path on this system
  }
}

/**
 * Serves a folder on localhost.
 * @param {{ port?: number, folder?: string }} options port 0 chooses a free port
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
export async function serveWeb({ port = 0, folder = FOLDER } = {}) {
  const server = createServer((request, response) => {
    const file = findFile(folder, request.url ?? '/');
    if (file === null && request.url === '/favicon.ico') {
      response.writeHead(204).end(); // browsers request it for any file that is not a page
      return;
    }
    if (file === null) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
      return;
    }
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' });
    // If the file cannot be read, or has just been deleted, only this response ends, not the server.
    pipeline(createReadStream(file), response, () => {});
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://localhost:${server.address().port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { port: { type: 'string' } } });
  const port = Number(values.port ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    console.error(`web: --port must be an integer from 0 to 65535, but is ${values.port}`);
    process.exit(2);
  }
  try {
    const { url } = await serveWeb({ port });
    process.stdout.write(`${url}\n${url}playground.html\nCtrl-C ends the server.\n`);
  } catch (error) {
    console.error(`web: port ${port} cannot be served (${error.message}); leave out --port to use a free one`);
    process.exit(1);
  }
}
