import { expect, test } from 'vitest';
import { AdapterError, MissingPackageError } from '../../src/base/errors.ts';
import { OPTIONAL_PACKAGES, type PackageName } from '../../src/base/import-package.ts';
import { checkDrawing, packageVersion } from '../../src/cli/installed.ts';
import { setup } from '../../src/cli/setup.ts';
import { adapter, FakeIo, tilegrad } from './fakes.ts';

const names = Object.keys(OPTIONAL_PACKAGES) as PackageName[];
const tools = async () => ({ ensureAdapter: () => 'llvmpipe' });

/** The output of `setup` if only these packages are installed. */
async function setUpWith(installed: readonly string[], options = { driver: true }) {
  const io = new FakeIo();
  const versionOf = (name: PackageName) => (installed.includes(name) ? '1.2.3' : null);
  const error = await setup(options, io, tools, versionOf).then(
    () => null,
    (reason) => reason,
  );
  return { error, out: io.out };
}

test.each(names)('%s: its version is that of the installed package', (name) => {
  expect(packageVersion(name)).toMatch(new RegExp(`^${OPTIONAL_PACKAGES[name].replaceAll('.', '\\.')}\\.`));
});

test('a missing package has no version', () => {
  expect(packageVersion('tilegrad-none')).toBeNull();
});

test('with all packages, setup prints them and the adapter, and no npm line', async () => {
  const { error, out } = await setUpWith(names);
  expect(error).toBeNull();
  for (const name of names) expect(out).toContain(`${name} 1.2.3`);
  expect(out).toMatch(/^ready {6}llvmpipe$/m);
  expect(out).not.toContain('npm');
});

test('with only Dawn, setup succeeds, and prints the install line of each missing use', async () => {
  const { error, out } = await setUpWith(['webgpu']);
  expect(error).toBeNull();
  expect(out).toMatch(/^installed {2}webgpu 1\.2\.3: for training in Node$/m);
  expect(out).toMatch(/^missing {4}vega, vega-lite, @resvg\/resvg-js, @expo-google-fonts\/open-sans: for reports/m);
  expect(out).toContain('npm install vega@6 vega-lite@6.4 @resvg/resvg-js@2 @expo-google-fonts/open-sans@0.4\n');
  expect(out).toContain('npm install h5wasm@0.10\n');
  expect(out).toContain('npm install bullmq@6 ioredis@6\n');
});

test('for a use that lacks some of its packages, prints those', async () => {
  const { out } = await setUpWith(names.filter((name) => name !== 'ioredis'));
  expect(out).toMatch(/^missing {4}ioredis: for/m);
});

test('without Dawn, setup ends with the line that installs it, and looks for no adapter', async () => {
  const { error, out } = await setUpWith([]);
  expect(error).toBeInstanceOf(MissingPackageError);
  expect(error.message).toContain('npm install webgpu@0.6');
  expect(out).not.toContain('ready');
});

test('tilegrad setup: prints the adapter, looks for none with --no-driver, and exits as for AdapterError', async () => {
  const ready = await tilegrad(['setup']);
  expect([ready.code, ready.err]).toEqual([0, '']);
  expect(ready.out).toContain(`\nready      ${adapter.name}\n`);
  const failing = {
    setup: async () => ({
      ensureAdapter: () => {
        throw new AdapterError('no adapter');
      },
    }),
  };
  const unchecked = await tilegrad(['setup', '--no-driver'], { modules: failing });
  expect([unchecked.code, unchecked.out.includes('not checked')]).toEqual([0, true]);
  const failed = await tilegrad(['setup'], { modules: failing });
  expect([failed.code, failed.err]).toEqual([1, 'error: no adapter\n']);
});

test('commands that draw at their end fail at their start if the packages for it are missing', async () => {
  await expect(checkDrawing()).resolves.toBeUndefined();
  // A package that is in no folder may still load.
  await expect(checkDrawing((name) => (name === 'vega' ? null : '1.2.3'))).resolves.toBeUndefined();
});
