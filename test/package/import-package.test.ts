import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { AdapterError, MissingPackageError } from '../../src/base/errors.ts';
import {
  importPackage,
  installLine,
  isNotInstalled,
  OPTIONAL_PACKAGES,
  type PackageName,
  packageError,
} from '../../src/base/import-package.ts';

const { dependencies, devDependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'),
);
const names = Object.keys(OPTIONAL_PACKAGES) as PackageName[];

test.each(names)('%s is an optional peer, also in a clone, with the version in the install line', (name) => {
  expect(peerDependenciesMeta[name]).toEqual({ optional: true });
  expect(devDependencies[name]).toBe(peerDependencies[name]);
  expect(Object.keys(dependencies)).not.toContain(name);
  const version = OPTIONAL_PACKAGES[name];
  expect(peerDependencies[name]).toMatch(new RegExp(`^[~^]${version.replaceAll('.', '\\.')}\\.`));
  // `name@6` takes any 6.x, so a range of `~6.4.3` must be given as `6.4`; of `^0.6.2`, as `0.6`.
  expect(version.split('.').length).toBe(/^(~|\^0)/.test(peerDependencies[name]) ? 2 : 1);
});

test('no other package is a peer dependency', () => {
  expect(Object.keys(peerDependencies).sort()).toEqual([...names].sort());
  expect(Object.keys(peerDependenciesMeta).sort()).toEqual([...names].sort());
});

/** Errors of an import in Node, in a CommonJS bundle, in Vite's replacement for optional peers, and in a browser. */
const notThere = (name: string) => [
  `Cannot find package '${name}' imported from /app/node_modules/tilegrad/dist/node.js`,
  `Cannot find module '${name}'\nRequire stack:\n- /app/main.cjs`,
  `Cannot find module '${name}/400Regular.ttf'`,
  `Could not resolve "${name}" imported by "tilegrad". Is it installed?`,
  `Failed to resolve module specifier '${name}'`,
];

test.each(names)('%s: MissingPackageError with the install line if it is missing', async (name) => {
  for (const text of notThere(name)) {
    const cause = new Error(text);
    const error = await importPackage(name, 'drawing a cat', () => Promise.reject(cause)).catch((reason) => reason);
    expect(error).toBeInstanceOf(MissingPackageError);
    expect(error.cause).toBe(cause);
    expect(error.code).toBe('MISSING_PACKAGE');
    expect(error.message).toBe(
      `drawing a cat needs the npm package ${name}, which is not installed; run \`${installLine([name])}\``,
    );
    expect(error.message).toContain(` ${name}@${OPTIONAL_PACKAGES[name]}`);
  }
});

test('a package whose own dependency is missing is not reported as missing', async () => {
  const cause = new Error("Cannot find module '@resvg/resvg-js-linux-x64-gnu'\nRequire stack:\n- /app/main.js");
  const error = await importPackage('@resvg/resvg-js', 'drawing', () => {
    throw cause;
  }).catch((reason) => reason);
  expect(error).toBeInstanceOf(MissingPackageError);
  expect(error.message).toContain("which does not load (Cannot find module '@resvg/resvg-js-linux-x64-gnu')");
  expect(isNotInstalled('vega', new Error("Cannot find package 'vega-util' imported from /app/vega/main.js"))).toBe(
    false,
  );
  expect(isNotInstalled('webgpu', new Error("libvulkan.so: cannot open shared object file, 'webgpu'"))).toBe(false);
  expect([null, undefined, 'text', {}].map((cause) => isNotInstalled('webgpu', cause))).toEqual(Array(4).fill(false));
});

test("returns a module that loads, and passes on tilegrad's own errors", async () => {
  const adapterError = new AdapterError('the driver is broken');
  expect(packageError('webgpu', 'openDevice', adapterError)).toBe(adapterError);
  expect(await importPackage('webgpu', 'openDevice', async () => 5)).toBe(5);
  expect(await importPackage('webgpu', 'openDevice', () => 6)).toBe(6);
});

test('packages that need each other have one install line', () => {
  expect(installLine(['vega-lite'])).toBe(
    'npm install vega@6 vega-lite@6.4 @resvg/resvg-js@2 @expo-google-fonts/open-sans@0.4',
  );
  expect(installLine(['ioredis', 'h5wasm'])).toBe('npm install bullmq@6 ioredis@6 h5wasm@0.10');
});
