#!/usr/bin/env node
// Trains a small network in headless Chromium on SwiftShader, a software adapter: `node scripts/chromium/run.mjs [chromium]`.
// Needs an installed Chromium or Chrome; nothing is downloaded. Exits with 0 if the training was done and the loss went down.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const LIMIT_MS = 180_000;
const chromium = process.argv[2] ?? 'chromium';
const entry = fileURLToPath(new URL('page.mjs', import.meta.url));
const options = { bundle: true, format: 'iife', loader: { '.wgsl': 'text' }, write: false };
const { outputFiles } = await build({ ...options, entryPoints: [entry] });

const server = createServer((request, response) => {
  if (request.method === 'POST') {
    let line = '';
    request.on('data', (chunk) => {
      line += chunk;
    });
    request.on('end', () => {
      response.end();
      process.stdout.write(`${line}\n`);
      if (line === 'done') finish(0);
      if (line.startsWith('failed')) finish(1);
    });
    return;
  }
  const isScript = request.url === '/page.js';
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
  response.end(isScript ? outputFiles[0].text : '<!doctype html><meta charset="utf-8"><script src="page.js"></script>');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const profile = mkdtempSync(join(tmpdir(), 'tilegrad-chromium-'));
const flags = ['--headless=new', '--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const page = `http://127.0.0.1:${server.address().port}/`;
const browser = spawn(chromium, [...flags, `--user-data-dir=${profile}`, page], { stdio: 'ignore', detached: true });
browser.on('error', (error) => {
  console.error(`${chromium} did not start: ${error.message}`);
  finish(1);
});
const timer = setTimeout(() => {
  console.error(`nothing was done within ${LIMIT_MS / 1000} s`);
  finish(1);
}, LIMIT_MS);

/** Ends Chromium and its child processes, and this one. */
function finish(code) {
  clearTimeout(timer);
  browser.on('exit', () => rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  try {
    process.kill(-browser.pid);
  } catch {} // it did not start, or has ended
  server.close();
  server.closeAllConnections();
  process.exitCode = code;
}
