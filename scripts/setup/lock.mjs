import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Runs `work` while holding a lock file: two `npm ci` at once in one checkout would leave a broken node_modules.
 * A holder that died is recognised by its process id, so nobody has to clean up after a Ctrl-C.
 * @template T
 * @param {string} path
 * @param {(holder: string) => void} onWait told once when another set-up holds the lock
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, onWait, work) {
  for (let told = false; !tryCreate(path); ) {
    const holder = readHolder(path);
    if (holder === null) {
      rmSync(path, { force: true });
      continue;
    }
    if (!told) onWait(holder);
    told = true;
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function tryCreate(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** The living holder's process id, or null where the lock is stale or gone. */
function readHolder(path) {
  try {
    const text = readFileSync(path, 'utf8');
    // Just created, its number not yet written.
    if (text === '') return Date.now() - statSync(path).mtimeMs < 5000 ? 'just starting' : null;
    process.kill(Number(text), 0);
    return `process ${text}`;
  } catch (error) {
    return error.code === 'EPERM' ? 'a process of another user' : null;
  }
}
