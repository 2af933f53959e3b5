#!/usr/bin/env node
// Installs the other engines when they are missing, bundles the comparison and runs it: `npm run bench:peers -- --help`.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from '../../scripts/build.mjs';

const here = dirname(fileURLToPath(import.meta.url));

function install() {
  const lock = readFileSync(join(here, 'package-lock.json'), 'utf8');
  const stamp = join(here, 'node_modules', '.installed-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('installing TensorFlow.js and jax-js into bench/peers (100 MB) ...');
  const { status } = spawnSync('npm ci --no-audit --no-fund --loglevel=error', {
    cwd: here,
    shell: true,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    console.error(
      'npm ci failed in bench/peers: the other engines come from the npm registry, which must be reachable',
    );
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}

if (!process.argv.includes('--help')) install();
const folder = join(here, '..', '..', 'dist', 'bench');
await bundle({ peers: 'bench/peers/main.ts', tilegrad: 'bench/peers/tilegrad.ts' }, folder);
await import(pathToFileURL(join(folder, 'peers.js')).href);
