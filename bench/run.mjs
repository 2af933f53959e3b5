#!/usr/bin/env node
// Bundles a benchmark of this folder and runs it: `npm run bench -- kernels [filter]`.
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [name = 'kernels'] = process.argv.slice(2);
const outfile = join(root, 'dist', 'bench', `${name}.js`);
await build({
  absWorkingDir: root,
  entryPoints: [`bench/${name}.ts`],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  loader: { '.wgsl': 'text' },
  logLevel: 'warning',
});
await import(pathToFileURL(outfile).href);
