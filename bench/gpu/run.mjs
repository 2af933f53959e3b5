#!/usr/bin/env node
// Bundles and runs everything that a graphics card is asked for: `npm run gpu -- --help`.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from '../../scripts/build.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'dist', 'bench');
await bundle({ gpu: 'bench/gpu/main.ts' }, folder);
const { main } = await import(pathToFileURL(join(folder, 'gpu.js')).href);
process.exitCode = await main(process.argv.slice(2), root);
