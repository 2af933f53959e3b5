// Stamps of the last installation and build, so that a second set-up has nothing to do.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** All sources of the bundles in dist/; the lock file represents the bundler and the libraries. */
const BUILD_INPUTS = [
  ...['src', 'shaders', 'experiments', 'scripts/build.mjs', 'scripts/build-modules.mjs', 'scripts/minify-wgsl.mjs'],
  ...['web', 'scripts/build-web.mjs', 'data/sample'],
  ...['scripts/types.mjs', 'scripts/globals.d.ts', 'tsconfig.json', 'tsconfig.types.json'],
  ...['scripts/setup/lock.mjs', 'scripts/setup/node-version.mjs', 'package.json', 'package-lock.json'],
];

// Inside the folders they describe: deleting node_modules or dist also deletes its stamp.
const INSTALL_STAMP = 'node_modules/.tilegrad-lock';
const BUILD_STAMP = 'dist/.tilegrad-build';

/**
 * Returns the state that `npm ci` depends on. Native packages differ by platform and by Node's version, and npm silently omits optional
 * packages that require a newer minor version.
 * @param {string} root
 */
export function installState(root, { platform, arch, versions } = process) {
  return {
    lock: sha256(readFileSync(join(root, 'package-lock.json'))),
    node: versions.node.split('.').slice(0, 2).join('.'),
    platform,
    arch,
  };
}

/**
 * Returns why `npm ci` has to run, or null if node_modules is up to date.
 * @param {string} root
 */
export function whyInstall(root, host = process) {
  if (!existsSync(join(root, 'node_modules'))) return 'node_modules is missing';
  const last = readJson(join(root, INSTALL_STAMP));
  if (!last) return 'node_modules was not filled by set-up';
  const now = installState(root, host);
  if (last.lock !== now.lock) return 'package-lock.json has changed';
  if (last.node !== now.node) return `node_modules was installed with Node ${last.node}`;
  if (last.platform !== now.platform || last.arch !== now.arch) {
    return `node_modules was installed for ${last.platform} ${last.arch}`;
  }
  return null;
}

/** @param {string} root */
export function recordInstall(root, host = process) {
  writeFileSync(join(root, INSTALL_STAMP), JSON.stringify(installState(root, host)));
}

/**
 * Returns a hash over names and contents of all sources of the build. Not over times, because a checkout changes them.
 * @param {string} root
 */
export function buildState(root) {
  const hash = createHash('sha256');
  for (const input of BUILD_INPUTS) {
    for (const file of filesUnder(root, input)) {
      const bytes = readFileSync(join(root, file));
      hash.update(`${file}\0${bytes.length}\0`).update(bytes);
    }
  }
  return hash.digest('hex');
}

/**
 * Returns why the build has to run, or null if dist/ is up to date.
 * @param {string} root
 */
export function whyBuild(root) {
  const stamp = join(root, BUILD_STAMP);
  if (!existsSync(stamp)) return 'dist is missing or incomplete';
  return readFileSync(stamp, 'utf8') === buildState(root) ? null : 'the sources have changed';
}

/**
 * @param {string} root
 * @param {string} state result of `buildState` before the build: an edit during the build must cause another build
 */
export function recordBuild(root, state) {
  writeFileSync(join(root, BUILD_STAMP), state);
}

/** Returns the files at or under a path, as sorted paths with forward slashes, relative to the root. */
function filesUnder(root, path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full)
    .sort()
    .flatMap((name) => filesUnder(root, `${path}/${name}`));
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null; // missing, or truncated because a set-up was killed
  }
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}
