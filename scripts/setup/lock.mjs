// Lock files for the set-up, for run folders, and for files that commands read, change and write. Plain JavaScript, because the
// set-up needs it before anything is built.
import { randomBytes } from 'node:crypto';
import { lstatSync, readFileSync, readlinkSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between the heartbeats of a holder. */
const HEARTBEAT_MS = 5_000;
/** Milliseconds without a heartbeat after which a holder on another machine counts as dead. */
const MAX_SILENCE_MS = 60_000;
/** The same for a holder without heartbeats, because it waits for other programs: no set-up takes longer. */
const MAX_SETUP_MS = 15 * 60_000;
/** Milliseconds within which a new lock gets its content. */
const CREATION_MS = 2_000;

/**
 * Takes a lock, or returns its holder. A lock is taken over if its holder is dead, or if tilegrad did not write it.
 * @param {string} path of a file in a folder that exists
 * @param {{ beats?: boolean }} options whether the holder sends heartbeats; default true
 * @throws the system's error if the file cannot be created
 */
export function tryLock(path, { beats = true } = {}) {
  const token = randomBytes(8).toString('hex');
  const silence = beats ? MAX_SILENCE_MS : MAX_SETUP_MS;
  const text = JSON.stringify({ ...identityOf(process.pid), host: hostname(), silence, token });
  while (!create(path, text)) {
    const found = inspect(path);
    if (found === null) continue; // released meanwhile
    if (found.holder !== null) return { holder: found.holder };
    remove(path, found);
  }
  const timer = beats ? setInterval(() => sendHeartbeat(path), HEARTBEAT_MS).unref() : undefined;
  return {
    holder: null,
    release() {
      clearInterval(timer);
      if (read(path)?.token === token) rmSync(path, { force: true });
    },
  };
}

/**
 * Describes the holder of a lock; null if it is free.
 * @param {string} path
 */
export const lockHolder = (path) => inspect(path)?.holder ?? null;

/**
 * Runs `work` while holding a lock: two `npm ci` at once in one checkout would break node_modules.
 * @template T
 * @param {string} path
 * @param {(holder: string) => void} onWait called once if another process has the lock
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, onWait, work) {
  let lock = tryLock(path, { beats: false });
  if (lock.holder !== null) onWait(lock.holder);
  while (lock.holder !== null) {
    await sleep(200);
    lock = tryLock(path, { beats: false });
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/**
 * Takes a lock that is never held for more than milliseconds, and sleeps until it is free.
 * @param {string} path
 * @throws Error after a minute; the system's error if the file cannot be created
 */
export function takeShortLock(path) {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const begun = performance.now();
  let lock = tryLock(path);
  while (lock.holder !== null) {
    if (performance.now() - begun > MAX_SILENCE_MS) {
      throw new Error(
        `${lock.holder} has held ${path} for a minute; if it is not a tilegrad process, delete that file`,
      );
    }
    Atomics.wait(cell, 0, 0, 10);
    lock = tryLock(path);
  }
  return lock;
}

function create(path, text) {
  try {
    writeFileSync(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Updates the time of the file. */
function sendHeartbeat(path) {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // The file was deleted, as a message advises.
  }
}

/** Returns the state of a lock file: `holder` describes a living holder, and is null if the lock may be taken over. Null if there is no file. */
function inspect(path) {
  let stats;
  try {
    stats = lstatSync(path);
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
  const age = Math.abs(Date.now() - stats.mtimeMs); // clocks of two machines differ either way
  const content = stats.isFile() ? read(path) : null;
  const holder =
    content === null ? (age < CREATION_MS ? 'a process that is just starting' : null) : describeIfAlive(content, age);
  return { holder, ino: stats.ino, mtimeMs: stats.mtimeMs };
}

/** Returns the content of a lock; null if it is not one. */
function read(path) {
  try {
    const content = JSON.parse(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(content.pid) && content.pid > 0 && typeof content.token === 'string' ? content : null;
  } catch {
    return null; // unreadable, cut short, or of another program
  }
}

/** Removes a lock that may be taken over, unless another process has changed it meanwhile. */
function remove(path, { ino, mtimeMs }) {
  const movedPath = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    renameSync(path, movedPath); // only one of two processes succeeds
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  const moved = lstatSync(movedPath);
  if (moved.ino === ino && moved.mtimeMs === mtimeMs) rmSync(movedPath, { recursive: true, force: true });
  else renameSync(movedPath, path);
}

/** Describes a holder; null if it is dead. */
function describeIfAlive({ pid, host, space, started, silence }, age) {
  const own = identityOf(process.pid);
  // Process numbers of another machine or container mean nothing here, so only heartbeats count.
  if (host !== hostname() || space !== own.space) {
    const seen = `seen ${Math.round(age / 1000)} s ago`;
    return age < Math.min(silence || 0, MAX_SETUP_MS) ? `process ${pid} on ${host} (${seen})` : null;
  }
  if (!isAlive(pid)) return null;
  // Process numbers are reused, soon in containers: with another start time, it is another process.
  const now = identityOf(pid);
  if (now.started !== null && now.started !== started) return null;
  return `process ${pid}`;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM'; // a process of another user
  }
}

/**
 * Returns what identifies a process. On Linux, `space` is the boot and the namespace of its number, and `started` its start time in
 * ticks. On other systems, and for processes that may not be inspected, both are null.
 */
function identityOf(pid) {
  const identity = { pid, space: null, started: null };
  try {
    identity.space = `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // its name may contain spaces
    identity.started = 'ZX'.includes(fields[0]) ? 'ended' : fields[19]; // a zombie is dead, although it has a number
  } catch {
    // Not Linux, or /proc is missing or hides the process.
  }
  return identity;
}
