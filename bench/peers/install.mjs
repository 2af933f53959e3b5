// Installs the other engines where they are missing or of another lock file.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PEERS = dirname(fileURLToPath(import.meta.url));

/** Ends the process, with what to do, if they cannot be installed. */
export function installPeers() {
  const lock = readFileSync(join(PEERS, 'package-lock.json'), 'utf8');
  const stamp = join(PEERS, 'node_modules', '.installed-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('installing TensorFlow.js and jax-js into bench/peers (100 MB) ...');
  const { status } = spawnSync('npm ci --no-audit --no-fund --loglevel=error', {
    cwd: PEERS,
    shell: true,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    console.error(
      'npm ci failed in bench/peers: the other engines come from the npm registry, which must be reachable',
    );
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}
