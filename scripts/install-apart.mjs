import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * Installs the packages of a folder with its own package.json and lock file, unless those of the lock file are installed. Ends the process
 * if that fails.
 * @param {string} folder
 * @param {string} contents what is installed, for the message
 */
export function installApart(folder, contents) {
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8');
  const stamp = join(folder, 'node_modules', '.installed-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  const name = relative(process.cwd(), folder);
  console.error(`installing ${contents} into ${name} ...`);
  const { status } = spawnSync('npm ci --no-audit --no-fund --loglevel=error', {
    cwd: folder,
    shell: true,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    console.error(`npm ci failed in ${name}: ${contents} come from the npm registry, which must be reachable`);
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}
