#!/usr/bin/env node
// Bundles the benchmarks and runs them: `npm run bench -- --help`; `npm run bench -- ladder` climbs the ladder of bench/ladder, and
// `npm run bench -- soak` watches memory, `npm run bench -- search` compares searchers of hyperparameters, and `npm run bench -- together`
// times a search whose trials share dispatches; `npm run bench -- own-loop` holds loops of one's own against `fit`.
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
