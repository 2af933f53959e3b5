#!/usr/bin/env node
// Syntax and imports stay old on purpose here, as in scripts/setup.mjs.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nodeProblem } from '../scripts/setup/node-version.mjs';

const cli = new URL('../dist/cli.js', import.meta.url);
/** Of a clone alone: an installed package is built, and has a command of that name for the rest. */
const setup = new URL('../scripts/setup.mjs', import.meta.url);
const isSetup = process.argv[2] === 'setup' && existsSync(setup);
const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const problem =
  nodeProblem(process.versions.node, engines.node) ||
  (existsSync(cli) || isSetup
    ? null
    : 'tilegrad is not built yet: run `npx tilegrad setup` in its folder, then this again');

if (problem) {
  console.error(problem);
  process.exitCode = 1;
} else {
  run();
}

/** Runs the command; in a clone only if dist/ is built from the sources that are there. An installed package has none. */
async function run() {
  if (isSetup) return import(setup.href);
  const stale = existsSync(new URL('../src', import.meta.url)) ? await whyStale() : null;
  if (stale === null) return import(cli.href);
  console.error(
    `tilegrad is not built from what is in its folder (${stale}): run \`npx tilegrad setup\` there, then this again`,
  );
  process.exitCode = 1;
}

async function whyStale() {
  const { whyBuild } = await import('../scripts/setup/stamps.mjs');
  return whyBuild(fileURLToPath(new URL('..', import.meta.url)));
}
