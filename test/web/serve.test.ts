import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveWeb } from '../../scripts/serve-web.mjs';

const root = mkdtempSync(join(tmpdir(), 'tilegrad-serve-'));
const folder = join(root, 'web');
let server: Awaited<ReturnType<typeof serveWeb>>;

beforeAll(async () => {
  for (const name of ['web/data', 'web-other']) mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(folder, 'index.html'), 'the page');
  writeFileSync(join(folder, 'page.js'), 'a script');
  writeFileSync(join(folder, 'data/a.gz'), 'data');
  writeFileSync(join(root, 'secret'), 'secret');
  writeFileSync(join(root, 'web-other/secret'), 'secret');
  server = await serveWeb({ folder });
});
afterAll(async () => {
  await server.close();
  rmSync(root, { recursive: true });
});

/** Status, type and text of the response for a path, which is sent unchanged: `fetch` would resolve its dots. */
const get = (path: string) =>
  new Promise<[number | undefined, string | undefined, string]>((resolve, reject) => {
    const { port } = new URL(server.url);
    request({ host: '127.0.0.1', port, path }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve([response.statusCode, response.headers['content-type'], text]));
    })
      .on('error', reject)
      .end();
  });

test.each([
  ['/', 'text/html; charset=utf-8', 'the page'],
  ['/?seed=1', 'text/html; charset=utf-8', 'the page'],
  ['/page.js', 'text/javascript; charset=utf-8', 'a script'],
  ['/data/a.gz', 'application/octet-stream', 'data'],
])('web: serves %s', async (path, type, text) => {
  expect(await get(path)).toEqual([200, type, text]);
});

test.each([
  '/missing.js',
  '/data',
  '/../secret',
  '/..%2fsecret',
  '/%2e%2e/web-other/secret',
  '/..%2fweb-other/secret',
  '/%',
  '/%00',
])('web: serves nothing at %s', async (path) => {
  expect(await get(path)).toEqual([404, 'text/plain', 'not found\n']);
});

test.runIf(process.platform === 'linux')(
  'web: a file that cannot be read ends its response, and the server continues',
  async () => {
    symlinkSync('/proc/self/mem', join(folder, 'broken.js')); // opens, and then fails to read
    await expect(get('/broken.js')).rejects.toThrow(/hang up|reset|aborted/);
    expect((await get('/page.js'))[0]).toBe(200);
  },
);

test('web: a used port is an error', async () => {
  await expect(serveWeb({ folder, port: Number(new URL(server.url).port) })).rejects.toThrow(/EADDRINUSE/);
});
