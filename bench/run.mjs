#!/usr/bin/env node
// Bundles a benchmark of this folder and runs it: `npm run bench -- kernels [filter]`, `npm run bench -- step`.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from '../scripts/build.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const parts = ['ceiling', 'table'];
const known = readdirSync(here)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3))
  .filter((name) => !parts.includes(name));
const name = process.argv[2] ?? '';
if (!known.includes(name)) {
  console.error(`There is no benchmark "${name}". Run one of: ${known.map((k) => `npm run bench -- ${k}`).join(', ')}`);
  process.exit(2);
}
await bundle({ [name]: `bench/${name}.ts` }, 'dist/bench');
await import(pathToFileURL(join(here, '..', 'dist', 'bench', `${name}.js`)).href);
