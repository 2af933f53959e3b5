import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { withLock } from '../../scripts/setup/lock.mjs';
import { nodeProblem } from '../../scripts/setup/node-version.mjs';

/** Runs a script with this Node; also gives the output of one that fails. */
function run(script: string, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const child = promisify(execFile)(process.execPath, [script, ...args], { env: { ...process.env, ...env } });
  return child.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code: code as number, stdout: stdout as string, stderr: stderr as string }),
  );
}

test('Node: older than asked for is refused, with what was asked and given', () => {
  expect(nodeProblem('20.18.3', '>=20.19')).toMatch(/needs Node 20\.19 or newer.*Node 20\.18\.3/);
  expect(nodeProblem('18.99.0', '>=20.19')).toMatch(/Node 18\.99\.0/);
  for (const version of ['20.19.0', '20.20.2', '22.0.0', '24.0.0-nightly']) {
    expect(nodeProblem(version, '>=20.19'), version).toBeNull();
  }
  expect(() => nodeProblem('22.0.0', '^22')).toThrow(/understands only/);
});

test('an unknown option is refused before anything is done', async () => {
  const { code, stderr } = await run('scripts/setup.mjs', ['--no-drivers']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/unknown option --no-drivers/);
});

test.runIf(process.platform === 'linux')('the probe tells a missing driver from a broken Dawn', async () => {
  const { code, stdout, stderr } = await run('scripts/setup/probe.mjs', [], {
    VK_DRIVER_FILES: '/nonexistent.json',
    VK_ICD_FILENAMES: '/nonexistent.json',
  });
  expect(code).toBe(0);
  expect(JSON.parse(stdout), stderr).toMatchObject({ ok: false, stage: 'adapter' });
});

test('two set-ups in one folder take turns, and the lock of a dead one is ignored', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-lock-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const lock = join(folder, 'lock');
  // Larger than any process id that Linux, macOS or Windows gives.
  writeFileSync(lock, '2147483646');

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

test('the lock is given back when the work fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-lock-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const lock = join(folder, 'lock');
  const failing = withLock(
    lock,
    () => {},
    () => Promise.reject(new Error('no')),
  );
  await expect(failing).rejects.toThrow('no');
  expect(existsSync(lock)).toBe(false);
});
