import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockHolder, tryLock, withLock } from '../../scripts/setup/lock.mjs';

let folder: string;
let lock: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tilegrad-lock-'));
  lock = join(folder, 'lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes a lock as this process would, with changes, and `age` seconds old. */
function writeLock(change: object, age: number): void {
  tryLock(lock);
  writeFileSync(lock, JSON.stringify({ ...JSON.parse(readFileSync(lock, 'utf8')), ...change }));
  const time = Date.now() / 1000 - age;
  utimesSync(lock, time, time);
}

/** Larger than any process id of Linux, macOS or Windows, so no process has it. */
const nobody = 2147483646;

describe('a lock', () => {
  test('is held by one at a time, and deleted when released', () => {
    const first = tryLock(lock);
    expect(first.holder).toBeNull();
    expect(tryLock(lock)).toEqual({ holder: `process ${process.pid}` });
    expect(lockHolder(lock)).toBe(`process ${process.pid}`);
    (first as { release(): void }).release();
    expect(readdirSync(folder)).toEqual([]);
    expect(lockHolder(lock)).toBeNull();
  });

  test('that was taken over is not released by its previous holder', () => {
    const first = tryLock(lock) as { release(): void };
    rmSync(lock);
    tryLock(lock);
    first.release();
    expect(lockHolder(lock)).toBe(`process ${process.pid}`);
  });

  // A holder on another machine may be silent for a minute, a set-up for 15 minutes.
  test.each<[string, object, number, boolean]>([
    ['a dead process', { pid: nobody }, 0, false],
    ['another machine with a recent sign of life', { host: 'elsewhere' }, 30, true],
    ['another machine without a recent sign of life', { host: 'elsewhere' }, 90, false],
    ['another container, where the same id is another process', { space: 'other' }, 30, true],
    ['another container without a recent sign of life', { space: 'other' }, 90, false],
    ['a set-up in another container', { space: 'other', silence: 15 * 60_000 }, 600, true],
    ['a set-up in another container that must be dead', { space: 'other', silence: 15 * 60_000 }, 1000, false],
    ['another container with an unlimited time of silence', { space: 'other', silence: 1e99 }, 1000, false],
    ['another container whose clock is far ahead', { space: 'other' }, -1000, false],
  ])('is taken over or not: %s', (_what, change, age, isHeld) => {
    writeLock(change, age);
    expect(lockHolder(lock) !== null).toBe(isHeld);
    expect(tryLock(lock).holder !== null).toBe(isHeld);
  });

  test.runIf(process.platform === 'linux')('of a process whose id is used again is taken over', () => {
    writeLock({ started: '12' }, 0); // this process id, but another start time
    expect(tryLock(lock).holder).toBeNull();
    writeLock({ pid: process.ppid, started: readStart(process.ppid) }, 3600);
    expect(tryLock(lock).holder).toBe(`process ${process.ppid}`);
  });

  test.runIf(process.platform === 'linux')('of a killed process without a waiting parent is taken over', async () => {
    // The shell does not wait for its child, like the first process of many containers.
    const script = 'sleep 60 & echo $!; kill -9 $!; exec sleep 60';
    const parent = spawn('sh', ['-c', script]);
    const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
    try {
      await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
      writeLock({ pid, started: readStart(pid) }, 0);
      expect(tryLock(lock).holder).toBeNull();
    } finally {
      parent.kill();
    }
  });

  test.each<[string, () => void]>([
    ['empty', () => writeFileSync(lock, '')],
    ['not JSON', () => writeFileSync(lock, 'PID garbage')],
    ['cut short', () => writeFileSync(lock, '{"pid": 1')],
    ['of another program', () => writeFileSync(lock, '{"version": 3}')],
    ['a number', () => writeFileSync(lock, `${process.ppid}`)],
    ['null', () => writeFileSync(lock, 'null')],
    ['of an impossible process', () => writeFileSync(lock, '{"pid": -1, "token": "a"}')],
    ['a folder', () => mkdirSync(join(lock, 'below'), { recursive: true })],
    ...(process.platform === 'win32' ? [] : [['a pipe', () => execFileSync('mkfifo', [lock])] as [string, () => void]]),
  ])('that tilegrad did not write (%s) is taken over once it should have its content', (_what, write) => {
    write();
    expect(lockHolder(lock)).toBe('a process that is just starting');
    const threeSecondsAgo = Date.now() / 1000 - 3;
    utimesSync(lock, threeSecondsAgo, threeSecondsAgo);
    expect(lockHolder(lock)).toBeNull();
    expect(tryLock(lock).holder).toBeNull();
    expect(readdirSync(folder)).toEqual(['lock']);
    expect(lockHolder(lock)).toBe(`process ${process.pid}`);
  });
});

const readStart = (pid: number) =>
  readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')[19];

test('two set-ups in one folder take turns, and ignore the lock of a dead process', async () => {
  writeLock({ pid: nobody }, 0);
  const log: string[] = [];
  const work = (name: string) =>
    withLock(
      lock,
      () => log.push(`${name} waits`),
      async () => {
        log.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 50));
        log.push(`${name} ends`);
      },
    );
  await Promise.all([work('first'), work('second')]);
  expect(log).toEqual(['first begins', 'second waits', 'first ends', 'second begins', 'second ends']);
  expect(existsSync(lock)).toBe(false);
});

test('a set-up waits for seconds, not for 15 minutes, if the lock is garbage', async () => {
  writeFileSync(lock, `garbage ${hostname()}x`);
  const waits: string[] = [];
  const done = await withLock(
    lock,
    (holder) => waits.push(holder),
    async () => 'done',
  );
  expect([done, waits]).toEqual(['done', ['a process that is just starting']]);
}, 10_000);

test('is released if the work fails', async () => {
  const failing = withLock(
    lock,
    () => {},
    () => Promise.reject(new Error('no')),
  );
  await expect(failing).rejects.toThrow('no');
  expect(existsSync(lock)).toBe(false);
});

test('if many processes find a stale lock, only one works at a time', async () => {
  writeLock({ pid: nobody }, 0);
  const module = new URL('../../scripts/setup/lock.mjs', import.meta.url).href;
  const log = join(folder, 'log');
  // Each process logs its begin and end to one file. If two worked at once, the entries would interleave.
  const script = `import { appendFileSync } from 'node:fs';
    import { takeShortLock } from '${module}';
    for (let i = 0; i < 20; i++) {
      const { release } = takeShortLock(${JSON.stringify(lock)});
      appendFileSync(${JSON.stringify(log)}, 'begins ' + process.pid + '\\n');
      appendFileSync(${JSON.stringify(log)}, 'ends ' + process.pid + '\\n');
      release();
    }`;
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'inherit'] }),
  );
  const codes = await Promise.all(children.map((child) => new Promise((resolve) => child.on('close', resolve))));
  expect(codes).toEqual([0, 0, 0, 0]);
  const lines = readFileSync(log, 'utf8').trim().split('\n');
  expect(lines).toHaveLength(160);
  for (let i = 0; i < lines.length; i += 2) expect(lines[i + 1]).toBe(lines[i]!.replace('begins', 'ends'));
}, 30_000);
