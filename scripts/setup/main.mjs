// The set-up of `scripts/setup.mjs` on a supported Node version.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';
import { SetupError, say } from './messages.mjs';
import { npmCi } from './npm.mjs';
import { recordInstall, whyBuild, whyInstall } from './stamps.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const USAGE = `Usage: npx tilegrad setup [--no-driver]

Checks Node, runs npm ci and the build if needed, and runs a small kernel on the WebGPU adapter.
If there is no adapter, it installs Mesa's software driver as root on Debian or Ubuntu; elsewhere it prints what to do.

  --no-driver  does not look for an adapter, and installs no driver
  --help       prints this text`;

const args = process.argv.slice(process.argv[2] === 'setup' ? 3 : 2); // as `tilegrad setup`, or as a script
if (args.includes('--help')) {
  process.stdout.write(`${USAGE}\n`);
} else {
  try {
    await setUp(args);
  } catch (error) {
    say(error instanceof SetupError ? error.message : (describeSystemError(error) ?? error.stack));
    process.exitCode = 1;
  }
}

/** Runs the set-up. @param {string[]} options from the command line. @throws SetupError */
async function setUp(options) {
  const unknown = options.find((option) => option !== '--no-driver');
  if (unknown) throw new SetupError(`unknown option ${unknown}\n${USAGE}`);

  if (whyInstall(root) || whyBuild(root)) {
    const lock = join(root, '.setup-lock.tmp');
    const reportWait = (holder) =>
      say(`another set-up (${holder}) is running in this folder; waiting for it. If there is none, delete ${lock}`);
    await withLock(lock, reportWait, installAndBuild);
  }

  let adapter = 'adapter not checked (--no-driver)';
  if (!options.includes('--no-driver')) {
    const { ensureAdapter } = await import('./driver.mjs');
    adapter = ensureAdapter();
  }
  say(`ready: Node ${process.versions.node}, ${adapter}`);
}

/** Describes a refused write with advice; null for other errors. */
function describeSystemError({ code, path }) {
  const reasons = {
    EACCES: 'no permission: change its owner, or clone the repository again',
    EPERM: 'no permission: change its owner, or clone the repository again',
    EROFS: 'the file system is read-only: clone the repository somewhere else',
    ENOSPC: 'the disk is full: free some space, then run this again',
  };
  return code in reasons ? `cannot write ${path ?? 'here'}: ${reasons[code]}` : null;
}

async function installAndBuild() {
  const installReason = whyInstall(root);
  if (installReason) {
    say(`${installReason}: running npm ci, which takes about half a minute`);
    // The build needs devDependencies, which NODE_ENV=production would leave out.
    // Without scripts: `prepare` would build without a message; the build is below.
    npmCi(root, '--include=dev --ignore-scripts');
    recordInstall(root);
  }
  const buildReason = whyBuild(root);
  if (buildReason) {
    say(`${buildReason}: building`);
    const { buildAll } = await import('../build.mjs');
    await buildAll().catch((error) => {
      // esbuild has already printed the rest, with lines of the source.
      throw new SetupError(`The build failed: ${error.message.split('\n')[0]}`);
    });
  }
}
