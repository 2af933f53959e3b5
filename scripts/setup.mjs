#!/usr/bin/env node
// Makes a fresh clone ready to run: Node's version, npm packages, the build, and an adapter that computes.
// Runs before `npm start` and `npm test`. Plain Node: it must work before anything is installed. Syntax and imports stay old on
// purpose here: the Node versions that are refused must get as far as being told so.
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
