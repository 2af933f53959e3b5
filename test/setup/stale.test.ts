import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildState, recordBuild } from '../../scripts/setup/stamps.mjs';
import { runToEnd } from '../support/process.ts';

// In a clone, the command runs only a build of the current sources.

const repository = fileURLToPath(new URL('../..', import.meta.url));
let root: string;
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const tilegrad = () => runToEnd([join(root, 'bin/tilegrad.mjs'), 'list']);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tilegrad-stale-'));
  for (const path of ['bin', 'scripts/setup', 'package.json']) {
    cpSync(join(repository, path), join(root, path), { recursive: true });
  }
  write('src/cli/main.ts', 'one');
  write('shaders/add.wgsl', 'one');
  write('experiments/A1.ts', 'one');
  write('dist/cli.js', "process.stdout.write('the build ran');");
  recordBuild(root, buildState(root));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('runs a build of the current sources, also if only their times differ', async () => {
  utimesSync(join(root, 'src/cli/main.ts'), new Date(), new Date());
  expect(await tilegrad()).toMatchObject({ code: 0, out: 'the build ran', err: '' });
});

test.each([
  ['a source that was edited', () => write('src/cli/main.ts', 'two'), 'the sources have changed'],
  ['a source that is new', () => write('src/nn/new.ts', 'one'), 'the sources have changed'],
  ['a shader that was edited', () => write('shaders/add.wgsl', 'two'), 'the sources have changed'],
  ['an experiment that was deleted', () => rmSync(join(root, 'experiments/A1.ts')), 'the sources have changed'],
  [
    'a build of which nobody knows of what',
    () => rmSync(join(root, 'dist/.tilegrad-build')),
    'dist is missing or incomplete',
  ],
])('%s: the old build is not run, and the command says so', async (_, change, why) => {
  change();
  const { code, out, err } = await tilegrad();
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain(
    `tilegrad is not built from the sources in its folder (${why}): run \`npx tilegrad setup\` there`,
  );
});

test('an installed package has no sources, and needs no stamp', async () => {
  for (const path of ['src', 'shaders', 'experiments', 'dist/.tilegrad-build', 'scripts/setup/stamps.mjs']) {
    rmSync(join(root, path), { recursive: true });
  }
  expect(await tilegrad()).toMatchObject({ code: 0, out: 'the build ran', err: '' });
});
