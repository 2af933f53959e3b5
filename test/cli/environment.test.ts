import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

// The bundled command in a separate process, on a system without a home folder.

const cli = bundleBeforeTests('src/cli/main.ts');
const out = mkdtempSync(join(tmpdir(), 'tilegrad-environment-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** What Node does in a container without HOME, for a user without a passwd entry. */
const withoutHome = `import os from 'node:os';
import { syncBuiltinESMExports } from 'node:module';
os.homedir = () => {
  throw new Error('A system error occurred: uv_os_homedir returned ENOENT (no such file or directory)');
};
syncBuiltinESMExports();`;
const unset = { TILEGRAD_CACHE: '', XDG_CACHE_HOME: '', HOME: '' };

/** Runs a command without a home folder, and parses its stdout as JSON. */
async function homeless(words: string, env: NodeJS.ProcessEnv = unset) {
  const preload = `data:text/javascript,${encodeURIComponent(withoutHome)}`;
  const { code, out: text, err } = await runToEnd(['--import', preload, cli, ...words.split(' ')], { cwd: out, env });
  expect(err).not.toContain('bug');
  return { code, err, json: JSON.parse(text) };
}

test('without a home folder: data list works', async () => {
  const { code, json } = await homeless('data list --json');
  expect(code).toBe(0);
  expect(json[0]).toMatchObject({ name: 'cifar10', found: { kind: 'sample' } });
});

test.each(process.platform === 'win32' ? [] : ['home/me', '/dev/null'])(
  'with HOME=%s, which is not a folder: data list works, and data fetch says what to do',
  async (HOME) => {
    const env = { ...unset, HOME };
    const list = await runToEnd([cli, 'data', 'list', '--json'], { cwd: out, env });
    expect([list.code, JSON.parse(list.out)[0].found.kind]).toEqual([0, 'sample']);
    const { code, out: text } = await runToEnd([cli, 'data', 'fetch', 'mnist', '--json'], { cwd: out, env });
    expect([code, JSON.parse(text).error.code]).toEqual([1, 'FILE']);
    expect(JSON.parse(text).error.message).toContain('TILEGRAD_CACHE');
    expect(readdirSync(out)).toEqual([]);
  },
);

test('without a home folder: data fetch requires TILEGRAD_CACHE', async () => {
  const { code, json } = await homeless('data fetch mnist --json');
  expect([code, json.error.code]).toEqual([1, 'FILE']);
  expect(json.error.message).toContain('set TILEGRAD_CACHE to the absolute path of a folder');
});

describeOnDevice('without a home folder, on an adapter', () => {
  test('run trains, and notes that no measured kernels can be read', async () => {
    const { code, err, json } = await homeless('run A1 --epochs 1 --replicas 1 --limit 48 --batch 16 --json');
    expect(code, err).toBe(0);
    expect(err).toContain('Note: there is no cache folder: HOME is not set');
    expect(json).toMatchObject({ status: 'finished', tuning: { measured: 0, file: null } });
  });

  test('doctor trains, and says what to set', async () => {
    const { code, json } = await homeless('doctor --json');
    expect([code, json.ok, json.tuning.path]).toEqual([0, true, null]);
    expect(json.advice.join()).toContain('set TILEGRAD_CACHE');
  });

  test('tune requires TILEGRAD_CACHE', async () => {
    const { code, json } = await homeless('tune A1 --batch 16 --budget 0.1 --json');
    expect([code, json.error.code]).toEqual([1, 'FILE']);
    expect(json.error.message).toContain('set TILEGRAD_CACHE');
  });
});
