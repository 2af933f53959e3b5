// What `scripts/setup.mjs` does on a Node that is new enough.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';
import { SetupError, say } from './messages.mjs';
import { npmCi } from './npm.mjs';
import { recordInstall, whyBuild, whyInstall } from './stamps.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const USAGE = `Usage: npx tilegrad setup [--no-driver]

Checks Node, runs npm ci and the build where needed, and runs a small kernel on the WebGPU adapter.
Without an adapter, as root on Debian or Ubuntu, it installs Mesa's software driver; elsewhere it says what to do.

  --no-driver  do not look for an adapter, and install no driver
  --help       show this`;

const args = process.argv.slice(process.argv[2] === 'setup' ? 3 : 2); // as `tilegrad setup`, or by itself
if (args.includes('--help')) {
  process.stdout.write(`${USAGE}\n`);
} else {
  try {
    await setUp(args);
  } catch (error) {
    say(error instanceof SetupError ? error.message : (refusal(error) ?? error.stack));
    process.exitCode = 1;
  }
}

/** @param {string[]} options */
async function setUp(options) {
  const unknown = options.find((option) => option !== '--no-driver');
  if (unknown) throw new SetupError(`unknown option ${unknown}\n${USAGE}`);

  if (whyInstall(root) || whyBuild(root)) {
    const lock = join(root, '.setup-lock.tmp');
    const waiting = (holder) =>
      say(`another set-up (${holder}) is at work in this folder; waiting for it. If there is none, delete ${lock}`);
    await withLock(lock, waiting, installAndBuild);
  }

  let adapter = 'adapter not checked (--no-driver)';
  if (!options.includes('--no-driver')) {
    const { ensureAdapter } = await import('./driver.mjs');
    adapter = ensureAdapter();
  }
  say(`ready: Node ${process.versions.node}, ${adapter}`);
}

/** What the system refused, in words, or null for another error. */
function refusal({ code, path }) {
  const reasons = {
    EACCES: 'no permission: make it yours, or clone the repository anew',
    EPERM: 'no permission: make it yours, or clone the repository anew',
    EROFS: 'the file system is read-only: clone the repository somewhere else',
    ENOSPC: 'the disk is full: make room, then run this again',
  };
  return code in reasons ? `cannot write ${path ?? 'here'}: ${reasons[code]}` : null;
}

async function installAndBuild() {
  const installReason = whyInstall(root);
  if (installReason) {
    say(`${installReason}: running npm ci, which takes about half a minute`);
    // The build needs devDependencies, which NODE_ENV=production would leave out.
    // Its scripts are left out: what `prepare` would build is built below, with a word about it.
    npmCi(root, '--include=dev --ignore-scripts');
    recordInstall(root);
  }
  const buildReason = whyBuild(root);
  if (buildReason) {
    say(`${buildReason}: building`);
    const { buildAll } = await import('../build.mjs');
    await buildAll().catch((error) => {
      // esbuild has already shown the rest, with the lines of source.
      throw new SetupError(`The build failed: ${error.message.split('\n')[0]}`);
    });
  }
}
