import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * Installs the packages of a folder that has a package.json and a lock file of its own, unless those of this lock file are there. Ends the
 * process if that fails.
 * @param {string} folder
 * @param {string} what it brings, for the message
 */
export function installApart(folder, what) {
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8');
  const stamp = join(folder, 'node_modules', '.installed-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  const name = relative(process.cwd(), folder);
  console.error(`installing ${what} into ${name} ...`);
  const { status } = spawnSync('npm ci --no-audit --no-fund --loglevel=error', {
    cwd: folder,
    shell: true,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    console.error(`npm ci failed in ${name}: ${what} come from the npm registry, which must be reachable`);
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}
