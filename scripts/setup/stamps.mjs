// What was installed and built last, so that a second set-up has nothing to do.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Everything that the bundles in dist/ are made from; the lock file stands for the bundler and the libraries. */
const BUILD_INPUTS = [
  ...['src', 'shaders', 'experiments', 'scripts/build.mjs', 'scripts/build-modules.mjs', 'scripts/minify-wgsl.mjs'],
  ...['web', 'scripts/build-web.mjs', 'data/sample'],
  ...['scripts/types.mjs', 'scripts/globals.d.ts', 'tsconfig.json', 'tsconfig.types.json'],
  ...['scripts/setup/lock.mjs', 'scripts/setup/node-version.mjs', 'package.json', 'package-lock.json'],
];

// Inside what it vouches for: whoever deletes node_modules or dist deletes its stamp too.
const INSTALL_STAMP = 'node_modules/.tilegrad-lock';
const BUILD_STAMP = 'dist/.tilegrad-build';

/**
 * The state that `npm ci` depends on: packages with native parts differ by platform and by Node's version, of which npm leaves those
 * out, without a word, that say they need a newer minor one.
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
 * Why `npm ci` has to run, or null where node_modules is up to date.
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
 * A hash over names and contents of all that the build reads. Contents, not times: a checkout changes times only.
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
 * Why the build has to run, or null where dist/ is up to date.
 * @param {string} root
 */
export function whyBuild(root) {
  const stamp = join(root, BUILD_STAMP);
  if (!existsSync(stamp)) return 'dist is missing or incomplete';
  return readFileSync(stamp, 'utf8') === buildState(root) ? null : 'the sources have changed';
}

/**
 * @param {string} root
 * @param {string} state what `buildState` gave before the build: an edit during the build must cause another one
 */
export function recordBuild(root, state) {
  writeFileSync(join(root, BUILD_STAMP), state);
}

/** Files at or under a path, as sorted paths with forward slashes, relative to the root. */
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
    return null; // Missing, or cut short when a set-up was killed: both mean that nothing is known.
  }
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}
