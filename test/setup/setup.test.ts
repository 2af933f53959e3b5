import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';
import { engines } from '../../package.json';
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
  const { node } = engines;
  expect(nodeProblem('20.18.3', node)).toMatch(
    /needs Node 20\.19 or newer of 20, or 22\.12 or newer, and this is Node 20\.18\.3/,
  );
  for (const version of ['12.22.9', '18.99.0', '21.7.3', '22.11.0']) {
    expect(nodeProblem(version, node), version).toContain(`Node ${version}`);
  }
  for (const version of ['20.19.0', '20.20.2', '22.12.0', '23.0.0', '24.0.0-nightly']) {
    expect(nodeProblem(version, node), version).toBeNull();
  }
  expect(() => nodeProblem('22.0.0', '^22')).toThrow(/understands only/);
});

// Below 12.20 there is no `node:`, and no `import` in an .mjs file without a flag.
test.each(['scripts/setup.mjs', 'bin/tilegrad.mjs', 'scripts/setup/node-version.mjs'])(
  'Node 12 gets through %s, and so to being refused',
  async (path) => {
    const code = readFileSync(path, 'utf8');
    const [old, plain] = await Promise.all(['node12.20', 'esnext'].map((target) => transform(code, { target })));
    expect(old!.code).toBe(plain!.code);
    expect([...code.matchAll(/^import .* from '(.*)';$/gm)].map(([, from]) => from)).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/^(?!node:fs$|.*node-version\.mjs$)/)]),
    );
  },
);

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
  writeFileSync(lock, `2147483646 ${hostname()}`);

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

test.each([
  ['this number, from before this process began', () => `${process.pid} ${hostname()}`],
  ['another machine, long ago', () => `${process.ppid} elsewhere`],
])('the lock of %s is ignored', async (_what, text) => {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-lock-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const lock = join(folder, 'lock');
  writeFileSync(lock, text());
  const hourAgo = Date.now() / 1000 - 3600;
  utimesSync(lock, hourAgo, hourAgo);
  const waits: string[] = [];
  await withLock(
    lock,
    (holder) => waits.push(holder),
    async () => {},
  );
  expect(waits).toEqual([]);
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
