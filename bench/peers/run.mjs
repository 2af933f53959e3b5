#!/usr/bin/env node
// Installs the other engines if they are missing, bundles the comparison and runs it: `npm run bench:peers -- --help`.
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from '../../scripts/build.mjs';
import { installApart } from '../../scripts/install-apart.mjs';

const here = dirname(fileURLToPath(import.meta.url));

if (!process.argv.includes('--help')) installApart(here, 'TensorFlow.js and jax-js (100 MB)');
const folder = join(here, '..', '..', 'dist', 'bench');
await bundle({ peers: 'bench/peers/main.ts', tilegrad: 'bench/peers/tilegrad.ts' }, folder);
await import(pathToFileURL(join(folder, 'peers.js')).href);
