#!/usr/bin/env node
// Only old syntax and imports, as in scripts/setup.mjs.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nodeProblem } from '../scripts/setup/node-version.mjs';

const cli = new URL('../dist/cli.js', import.meta.url);
/** Only in a clone: an installed package is already built, and its own `setup` command does the rest. */
const setup = new URL('../scripts/setup.mjs', import.meta.url);
const isSetup = process.argv[2] === 'setup' && existsSync(setup);
const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const problem =
  nodeProblem(process.versions.node, engines.node) ||
  (existsSync(cli) || isSetup
    ? null
    : 'tilegrad is not built yet: run `npx tilegrad setup` in its folder, then run this again');

if (problem) {
  console.error(problem);
  process.exitCode = 1;
} else {
  run();
}

/** Runs the command. In a clone, only if dist/ is built from the current sources; an installed package has no sources. */
async function run() {
  if (isSetup) return import(setup.href);
  const reason = existsSync(new URL('../src', import.meta.url)) ? await staleReason() : null;
  if (reason === null) return import(cli.href);
  console.error(
    `tilegrad is not built from the sources in its folder (${reason}): run \`npx tilegrad setup\` there, then run this again`,
  );
  process.exitCode = 1;
}

async function staleReason() {
  const { whyBuild } = await import('../scripts/setup/stamps.mjs');
  return whyBuild(fileURLToPath(new URL('..', import.meta.url)));
}
