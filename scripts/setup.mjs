#!/usr/bin/env node
// Prepares a fresh clone: checks Node's version, installs npm packages, builds, and finds a working adapter.
// Runs before `npm start` and `npm test`. Plain Node, because nothing is installed yet. Only old syntax and imports, so that the
// Node versions that are refused can print the message.
import { readFileSync } from 'node:fs';
import { nodeProblem } from './setup/node-version.mjs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const problem = nodeProblem(process.versions.node, engines.node);
if (problem) {
  console.error(`[set-up] ${problem}`);
  process.exitCode = 1;
} else {
  import('./setup/main.mjs');
}
