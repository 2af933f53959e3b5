#!/usr/bin/env node
// Bundles the benchmarks and runs them: `npm run bench -- --help`.
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from '../scripts/build.mjs';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist', 'bench');
await bundle({ main: 'bench/main.ts', start: 'bench/start.ts' }, folder);
await import(pathToFileURL(join(folder, 'main.js')).href);
