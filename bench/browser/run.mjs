#!/usr/bin/env node
// Installs TensorFlow.js if it is missing, bundles a page for each engine and times both in headless Chromium: `npm run bench:browser`.
// It uses SwiftShader, a software adapter. Options: `-- --only lenet-b32`, `-- --rounds 3`, and `-- --gpu` for the machine's adapter.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { bundle } from '../../scripts/build.mjs';
import { installApart } from '../../scripts/install-apart.mjs';

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, rounds: { type: 'string' }, gpu: { type: 'boolean' } },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
const PEERS = join(root, 'bench/peers');
installApart(PEERS, 'TensorFlow.js and jax-js (100 MB)');
const pages = mkdtempSync(join(tmpdir(), 'tilegrad-browser-'));
try {
  await build({
    absWorkingDir: root,
    entryPoints: ['bench/browser/tilegrad.ts', 'bench/browser/tfjs.mjs'],
    outdir: pages,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    loader: { '.wgsl': 'text' },
    nodePaths: [join(PEERS, 'node_modules')],
    external: ['h5wasm', 'fflate/browser'],
    plugins: [
      {
        name: 'library-for-browsers',
        setup({ onResolve }) {
          onResolve({ filter: /\/src\/node\.ts$/ }, () => ({ path: join(root, 'src/index.ts') }));
        },
      },
    ],
    logLevel: 'warning',
  });
  for (const name of ['tilegrad', 'tfjs']) {
    const head = `<!doctype html><meta charset="utf-8"><title>${name}</title><link rel="icon" href="data:,">`;
    writeFileSync(join(pages, `${name}.html`), `${head}<script type="module" src="${name}.js"></script>`);
  }
  const folder = join(root, 'dist', 'bench');
  mkdirSync(folder, { recursive: true });
  await bundle({ browser: 'bench/browser/main.ts' }, folder);
  const { main } = await import(pathToFileURL(join(folder, 'browser.js')).href);
  await main(pages, values);
} finally {
  rmSync(pages, { recursive: true, force: true });
}
