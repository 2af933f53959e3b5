#!/usr/bin/env node
// Bundles the benchmarks and runs them: `npm run bench -- --help`. The others are `npm run bench -- ladder` (bench/ladder), `soak` (memory),
// `search` (searchers of hyperparameters), `together` (a search whose trials share dispatches) and `own-loop` (training loops and `fit`).
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from '../scripts/build.mjs';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist', 'bench');
const others = ['ladder', 'soak', 'search', 'together', 'own-loop'];
const other = others.find((name) => name === process.argv[2]);
const entries = other ? { [other]: `bench/${other}/main.ts` } : { main: 'bench/main.ts', start: 'bench/start.ts' };
await bundle(entries, folder);
if (other && other !== 'ladder') process.argv.splice(2, 1);
await import(pathToFileURL(join(folder, `${other ?? 'main'}.js`)).href);
