#!/usr/bin/env node
// Bundles the benchmarks and runs them: `npm run bench -- --help`; `npm run bench -- ladder` climbs the ladder of bench/ladder.
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from '../scripts/build.mjs';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist', 'bench');
const ladder = process.argv[2] === 'ladder';
await bundle(ladder ? { ladder: 'bench/ladder/main.ts' } : { main: 'bench/main.ts', start: 'bench/start.ts' }, folder);
await import(pathToFileURL(join(folder, ladder ? 'ladder.js' : 'main.js')).href);
