#!/usr/bin/env node
// Bundles the benchmark of the queue and runs it with a redis-server that it starts: `npm run bench:workers -- --help`.
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from '../scripts/build.mjs';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist', 'bench');
await bundle({ workers: 'bench/workers/main.ts', 'workers-serve': 'bench/workers/serve.ts' }, folder);
await import(pathToFileURL(join(folder, 'workers.js')).href);
