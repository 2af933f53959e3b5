#!/usr/bin/env node
// Makes a fresh clone ready to run: Node's version, npm packages, the build, and an adapter that computes.
// Runs before `npm start` and `npm test`. Plain Node: it must work before anything is installed.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './setup/lock.mjs';
import { SetupError, say } from './setup/messages.mjs';
import { nodeProblem } from './setup/node-version.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const USAGE = `Usage: node scripts/setup.mjs [--no-driver]

Checks Node, runs npm ci and the build where needed, and runs a small kernel on the WebGPU adapter.
Without an adapter, as root on Debian or Ubuntu, it installs Mesa's software driver; elsewhere it says what to do.

  --no-driver  do not look for an adapter, and install no driver
  --help       show this`;

const args = process.argv.slice(2);
if (args.includes('--help')) {
  process.stdout.write(`${USAGE}\n`);
} else {
  try {
    await setUp(args);
  } catch (error) {
    say(error instanceof SetupError ? error.message : error.stack);
    process.exitCode = 1;
  }
}

/** @param {string[]} options */
async function setUp(options) {
  const unknown = options.find((option) => option !== '--no-driver');
  if (unknown) throw new SetupError(`unknown option ${unknown}\n${USAGE}`);

  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const problem = nodeProblem(process.versions.node, engines.node);
  if (problem) throw new SetupError(problem);

  // Loaded only now, like the driver's part below: older versions of Node must get as far as the message above.
  const { whyBuild, whyInstall } = await import('./setup/stamps.mjs');
  if (whyInstall(root) || whyBuild(root)) {
    const waiting = (holder) => say(`another set-up (${holder}) is at work in this folder; waiting for it`);
    await withLock(join(root, '.setup-lock.tmp'), waiting, installAndBuild);
  }

  let adapter = 'adapter not checked (--no-driver)';
  if (!options.includes('--no-driver')) {
    const { ensureAdapter } = await import('./setup/driver.mjs');
    adapter = ensureAdapter();
  }
  say(`ready: Node ${process.versions.node}, ${adapter}`);
}

async function installAndBuild() {
  const { buildState, recordBuild, recordInstall, whyBuild, whyInstall } = await import('./setup/stamps.mjs');
  const installReason = whyInstall(root);
  if (installReason) {
    say(`${installReason}: running npm ci, which takes about half a minute`);
    installPackages();
    recordInstall(root);
  }
  const buildReason = whyBuild(root);
  if (buildReason) {
    say(`${buildReason}: building`);
    const state = buildState(root);
    const { buildAll } = await import('./build.mjs');
    await buildAll().catch((error) => {
      // esbuild has already shown the rest, with the lines of source.
      throw new SetupError(`The build failed: ${error.message.split('\n')[0]}`);
    });
    recordBuild(root, state);
  }
}

function installPackages() {
  // The build needs devDependencies, which NODE_ENV=production would leave out.
  const command = 'ci --include=dev --prefer-offline --no-audit --no-fund --loglevel=error';
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 26 };
  // Under npm, the npm that runs this; else the one on the path, which is npm.cmd on Windows and needs a shell there.
  const npm = process.env.npm_execpath ?? '';
  const child =
    basename(npm) === 'npm-cli.js'
      ? spawnSync(process.execPath, [npm, ...command.split(' ')], options)
      : spawnSync(`npm ${command}`, { ...options, shell: true });
  if (child.status === 0) return;

  // Without npm's page of usage, which hides the two lines that matter.
  const log = (child.error?.message ?? child.stderr).split(/^npm error Clean install a project$/m)[0].trim();
  const offline = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|FETCH_ERROR)\b/.test(log);
  throw new SetupError(
    `npm ci failed (${child.signal ?? `exit status ${child.status}`}):\n${log.replace(/^/gm, '  ')}\n${
      offline
        ? 'The npm registry cannot be reached: connect to the network (behind a proxy: npm config set proxy URL), then run this again.'
        : 'Correct what npm says above, then run this again.'
    }`,
  );
}
