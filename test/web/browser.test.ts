import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findChromium } from '../../scripts/chromium.mjs';
import { closePages, describeInBrowser, openBeside, openPage, problemsOf } from './browser.ts';

const folder = mkdtempSync(join(tmpdir(), 'tilegrad-web-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>a page</title><link rel="icon" href="data:,"><body>`;
/** A worker that runs the text behind `#` in its address. */
const inWorker = (script: string) => `<script>new Worker('worker.js#' + ${JSON.stringify(script)})</script>`;

/** Problems in pages, each with the expected report. */
const WRONG: Record<string, { body: string; expected: RegExp }> = {
  'logs an error': { body: `<script>console.error('wrong 1')</script>`, expected: /console error: wrong 1/ },
  'logs a warning': { body: `<script>console.warn('wrong 2')</script>`, expected: /console warning: wrong 2/ },
  throws: { body: `<script>throw new Error('wrong 3')</script>`, expected: /thrown: Error: wrong 3/ },
  'rejects without a handler': {
    body: `<script>Promise.reject(new Error('wrong 4'))</script>`,
    expected: /thrown: Error: wrong 4/,
  },
  'misses a file': { body: `<img alt="" src="missing.svg">`, expected: /404 \(Not Found\) \(http.*missing\.svg\)/ },
  'has a worker that logs an error': { body: inWorker(`console.error('wrong 5')`), expected: /console error: wrong 5/ },
  'has a worker that throws': { body: inWorker(`throw new Error('wrong 6')`), expected: /wrong 6/ },
  'has a worker that rejects without a handler': {
    body: inWorker(`Promise.reject(new Error('wrong 7'))`),
    expected: /wrong 7/,
  },
};

test('findChromium: takes $CHROMIUM, else one on the path or in the usual places, else none', () => {
  const findIn = (env: NodeJS.ProcessEnv, ...files: string[]) => findChromium(env, (path) => files.includes(path));
  expect(findIn({ CHROMIUM: '/a/b', PATH: '/c' }, '/a/b', '/c/chromium')).toBe('/a/b');
  expect(() => findIn({ CHROMIUM: '/a/b' }, '/usr/bin/chromium')).toThrow(
    'CHROMIUM is /a/b, but there is no such file',
  );
  expect(findIn({ PATH: '/c:/d' }, '/d/google-chrome', '/usr/bin/chromium')).toBe('/d/google-chrome');
  expect(findIn({}, '/usr/bin/chromium')).toBe('/usr/bin/chromium');
  expect(findIn({ PATH: '/c' })).toBe(null);
});

describeInBrowser('browser harness', () => {
  beforeAll(() => {
    writeFileSync(join(folder, 'worker.js'), `eval(decodeURIComponent(location.hash.slice(1)));`);
    writeFileSync(join(folder, 'index.html'), `${PAGE}as it should be`);
    for (const [name, { body }] of Object.entries(WRONG)) writeFileSync(join(folder, `${name}.html`), PAGE + body);
  });

  test.each(Object.keys(WRONG))('fails a test whose page %s', async (name) => {
    const { expected } = WRONG[name]!;
    const page = await openPage(folder, { path: `${name}.html` });
    await expect.poll(() => problemsOf(page).join('\n'), { timeout: 30_000 }).toMatch(expected);
    await expect(closePages()).rejects.toThrow(expected);
  });

  test('passes a page without problems, and one that reports what is expected', async () => {
    await openPage(folder);
    await closePages();
    await openPage(folder, { path: 'throws.html', expected: [/wrong 3/] });
    await closePages();
  });

  test('fails a test whose page does not report what is expected', async () => {
    await openPage(folder, { expected: [/wrong 8/] });
    await expect(closePages()).rejects.toThrow('expected, but not reported: /wrong 8/');
  });

  test('serves a folder as a secure and as an insecure context', async () => {
    const isSecure = async (options: object) => (await openPage(folder, options)).evaluate('isSecureContext');
    expect(await isSecure({})).toBe(true);
    expect(await isSecure({ insecure: true })).toBe(false);
  });

  test('gives each page separate storage, which other tabs of the page share', async () => {
    const first = await openPage(folder);
    await first.evaluate(`localStorage.setItem('key', 'value')`);
    const beside = await openBeside(first);
    expect(await beside.evaluate(`localStorage.getItem('key')`)).toBe('value');
    const other = await openPage(folder);
    expect(await other.evaluate(`localStorage.getItem('key')`)).toBe(null);
  });

  test('runs code before that of the page and of a worker', async () => {
    const page = await openPage(folder, {
      path: 'has a worker that throws.html',
      initScript: `globalThis.early = document.body === null;`,
      workerScript: { file: 'worker.js', script: `globalThis.eval = () => console.error('not thrown')` },
      expected: [/not thrown/],
    });
    expect(await page.evaluate('early')).toBe(true);
    await expect.poll(() => problemsOf(page)).toHaveLength(1);
  });
});
