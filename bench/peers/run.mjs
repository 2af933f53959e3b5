#!/usr/bin/env node
// Installs the other engines when they are missing, bundles the comparison and runs it: `npm run bench:peers -- --help`.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle } from '../../scripts/build.mjs';
import { installPeers, PEERS } from './install.mjs';

if (!process.argv.includes('--help')) installPeers();
const folder = join(PEERS, '..', '..', 'dist', 'bench');
await bundle({ peers: 'bench/peers/main.ts', tilegrad: 'bench/peers/tilegrad.ts' }, folder);
await import(pathToFileURL(join(folder, 'peers.js')).href);
