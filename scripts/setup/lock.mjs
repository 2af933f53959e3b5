import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds that no set-up takes. */
const LONGEST = 15 * 60_000;

/**
 * Runs `work` while holding a lock file: two `npm ci` at once in one checkout would leave a broken node_modules.
 * A holder that died is recognised by its process id, so nobody has to clean up after a Ctrl-C; one of another machine, or
 * container, by the age of its lock.
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
    writeFileSync(path, `${process.pid} ${hostname()}`, { flag: 'wx' });
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
    const { mtimeMs } = statSync(path);
    const age = Date.now() - mtimeMs;
    // Just created, its number not yet written.
    if (text === '') return age < 5000 ? 'just starting' : null;
    const [pid, host] = text.split(' ');
    if (host !== hostname()) return age < LONGEST ? `process ${pid} on ${host}` : null;
    // In a container numbers come again: what was written before this process began is not its own.
    if (Number(pid) === process.pid && mtimeMs < performance.timeOrigin) return null;
    process.kill(Number(pid), 0);
    return `process ${pid}`;
  } catch (error) {
    return error.code === 'EPERM' ? 'a process of another user' : null;
  }
}
