import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { expect, test } from 'vitest';
import { engines } from '../../package.json';
import { nodeProblem } from '../../scripts/setup/node-version.mjs';

/** Runs a script with this Node; also gives the output of one that fails. */
function run(script: string, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const child = promisify(execFile)(process.execPath, [script, ...args], { env: { ...process.env, ...env } });
  return child.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code: code as number, stdout: stdout as string, stderr: stderr as string }),
  );
}

test('throws for a Node older than required, with both versions', () => {
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
  expect(() => nodeProblem('22.0.0', '^22')).toThrow(/supports only/);
});

// Below 12.20 there is no `node:`, and no `import` in an .mjs file without a flag.
test.each(['scripts/setup.mjs', 'bin/tilegrad.mjs', 'scripts/setup/node-version.mjs'])(
  'Node 12 can parse %s, up to the check of its version',
  async (path) => {
    const code = readFileSync(path, 'utf8');
    const [old, plain] = await Promise.all(['node12.20', 'esnext'].map((target) => transform(code, { target })));
    expect(old!.code).toBe(plain!.code);
    expect([...code.matchAll(/^import .* from '(.*)';$/gm)].map(([, from]) => from)).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/^(?!node:fs$|node:url$|.*node-version\.mjs$)/)]),
    );
  },
);

test('throws for an unknown option before anything is done', async () => {
  const { code, stderr } = await run('scripts/setup.mjs', ['--no-drivers']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/unknown option --no-drivers/);
});

test.runIf(process.platform === 'linux')('the probe distinguishes a missing driver from a broken Dawn', async () => {
  const { code, stdout, stderr } = await run('scripts/setup/probe.mjs', [], {
    VK_DRIVER_FILES: '/nonexistent.json',
    VK_ICD_FILENAMES: '/nonexistent.json',
  });
  expect(code).toBe(0);
  expect(JSON.parse(stdout), stderr).toMatchObject({ ok: false, stage: 'adapter' });
});
