// Lock files: of the set-up, of a run's folder, of files that commands read, change and write. Plain JavaScript, because the
// set-up needs it before anything is built.
import { randomBytes } from 'node:crypto';
import { lstatSync, readFileSync, readlinkSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between the signs of life that a holder gives, and those after which one that cannot be looked up counts as dead. */
const BEAT = 5_000;
const SILENCE = 60_000;
/** The same for one that gives none, as it waits for other programs: no set-up takes longer. */
const LONGEST = 15 * 60_000;
/** Milliseconds in which a lock that was just created gets its content. */
const CREATION = 2_000;

/**
 * Takes a lock, or says who has it. One whose holder is dead, or that no tilegrad wrote, is taken over.
 * @param {string} path of a file in a folder that exists
 * @throws the system's error where the file cannot be created
 */
export function tryLock(path, { beats = true } = {}) {
  const token = randomBytes(8).toString('hex');
  const silence = beats ? SILENCE : LONGEST;
  const text = JSON.stringify({ ...identityOf(process.pid), host: hostname(), silence, token });
  while (!create(path, text)) {
    const found = look(path);
    if (found === null) continue; // given back meanwhile
    if (found.holder !== null) return { holder: found.holder };
    remove(path, found);
  }
  const timer = beats ? setInterval(() => beat(path), BEAT).unref() : undefined;
  return {
    holder: null,
    release() {
      clearInterval(timer);
      if (read(path)?.token === token) rmSync(path, { force: true });
    },
  };
}

/**
 * Who has a lock, in words; null where it is free.
 * @param {string} path
 */
export const lockHolder = (path) => look(path)?.holder ?? null;

/**
 * Runs `work` while holding a lock: two `npm ci` at once in one checkout would leave a broken node_modules.
 * @template T
 * @param {string} path
 * @param {(holder: string) => void} onWait told once when another has the lock
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
 * Takes a lock that others have for milliseconds, and sleeps until it is free.
 * @param {string} path
 * @throws Error after a minute; the system's error where the file cannot be created
 */
export function takeShortLock(path) {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const begun = performance.now();
  let lock = tryLock(path);
  while (lock.holder !== null) {
    if (performance.now() - begun > SILENCE) {
      throw new Error(`${lock.holder} has held ${path} for a minute; if it is no tilegrad, delete that file`);
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

/** A sign of life. */
function beat(path) {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // It was deleted, by someone who was told how.
  }
}

/** What is there: the living holder in words, or null where it may be taken over; null where nothing is. */
function look(path) {
  let stats;
  try {
    stats = lstatSync(path);
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
  const age = Math.abs(Date.now() - stats.mtimeMs); // clocks of two machines differ either way
  const content = stats.isFile() ? read(path) : null;
  const holder = content === null ? (age < CREATION ? 'a process that is just starting' : null) : living(content, age);
  return { holder, ino: stats.ino, mtimeMs: stats.mtimeMs };
}

/** The content of a lock, or null for what is none. */
function read(path) {
  try {
    const content = JSON.parse(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(content.pid) && content.pid > 0 && typeof content.token === 'string' ? content : null;
  } catch {
    return null; // unreadable, cut short, or of another program
  }
}

/** Takes away a lock that may be taken over, unless it has changed since: another may have done so first. */
function remove(path, { ino, mtimeMs }) {
  const away = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    renameSync(path, away); // of two processes, one succeeds
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  const moved = lstatSync(away);
  if (moved.ino === ino && moved.mtimeMs === mtimeMs) rmSync(away, { recursive: true, force: true });
  else renameSync(away, path);
}

/** A holder in words, or null for one that is dead. */
function living({ pid, host, space, started, silence }, age) {
  const own = identityOf(process.pid);
  // Of another machine, or another container on this one, process numbers say nothing: only its signs of life do.
  if (host !== hostname() || space !== own.space) {
    const seen = `seen ${Math.round(age / 1000)} s ago`;
    return age < Math.min(silence || 0, LONGEST) ? `process ${pid} on ${host} (${seen})` : null;
  }
  if (!isAlive(pid)) return null;
  // Numbers come again, in containers soon: what begun at another time is another process.
  const now = identityOf(pid);
  if (now.started !== null && now.started !== started) return null;
  return `process ${pid}`;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM'; // of another user
  }
}

/**
 * What tells a process from all others. On Linux: the boot and the namespace in which its number counts, and when it started, in
 * ticks. Elsewhere both are null, and so they are of what may not be looked at.
 */
function identityOf(pid) {
  const identity = { pid, space: null, started: null };
  try {
    identity.space = `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // its name may have spaces
    identity.started = 'ZX'.includes(fields[0]) ? 'ended' : fields[19]; // a zombie is dead, though it has a number
  } catch {
    // Not Linux, or /proc is not there or hides it.
  }
  return identity;
}
