#!/usr/bin/env node
// Syntax and imports stay old on purpose here, as in scripts/setup.mjs.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nodeProblem } from '../scripts/setup/node-version.mjs';

const cli = new URL('../dist/cli.js', import.meta.url);
const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const problem =
  nodeProblem(process.versions.node, engines.node) ||
  (existsSync(cli) ? null : 'tilegrad is not built yet: run `npm run setup` in its folder, then this again');

if (problem) {
  console.error(problem);
  process.exitCode = 1;
} else {
  run();
}

/** Runs the command; in a clone only if dist/ is built from the sources that are there. An installed package has none. */
async function run() {
  const stale = existsSync(new URL('../src', import.meta.url)) ? await whyStale() : null;
  if (stale === null) return import(cli.href);
  console.error(
    `tilegrad is not built from what is in its folder (${stale}): run \`npm run setup\` there, then this again`,
  );
  process.exitCode = 1;
}

async function whyStale() {
  const { whyBuild } = await import('../scripts/setup/stamps.mjs');
  return whyBuild(fileURLToPath(new URL('..', import.meta.url)));
}
