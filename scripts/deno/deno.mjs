// Deno, whose WebGPU is wgpu: a second implementation in addition to Dawn. It has about 92 MB, so `npm ci` in the clone omits it.
// The first `npm run test:wgpu` installs it into this folder, with the version and checksum of the lock file here.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, say } from '../setup/messages.mjs';
import { npmCi } from '../setup/npm.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/**
 * Returns the path of the Deno that runs this script, or that is installed here in the pinned version; null if there is neither.
 * @returns {string | null}
 */
export function findDeno() {
  if (process.versions.deno !== undefined) return process.execPath;
  try {
    const require = createRequire(import.meta.url);
    if (require('deno/package.json').version !== dependencies.deno) return null;
    // Its install script links the executable of this platform into the package. npm need not run install scripts, so this does.
    return require('deno/install_api.cjs').runInstall();
  } catch {
    return null;
  }
}

/** Like `findDeno`, but installs Deno if there is none. @throws SetupError if that fails */
export function ensureDeno() {
  const found = findDeno();
  if (found !== null) return found;
  say(`installing Deno ${dependencies.deno} into ${folder}: a download of about 45 MB`);
  npmCi(folder, '--ignore-scripts');
  const installed = findDeno();
  if (installed !== null && existsSync(installed)) return installed;
  throw new SetupError(
    `Deno has no package for this platform (${process.platform} ${process.arch}), only for Linux with glibc, macOS and Windows`,
  );
}
