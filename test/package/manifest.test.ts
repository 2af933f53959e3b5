import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// The files that `npm publish` would send. `npm run check:package` installs and uses them.

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Paths in the package, without building it again. */
function packedFiles(): string[] {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--silent'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    maxBuffer: 1 << 26,
  });
  const [{ files }] = JSON.parse(stdout);
  return files.map(({ path }: { path: string }) => path);
}
const files = packedFiles();

/** Files that package.json names: entries, types, the command. */
const entries: string[] = [
  manifest.main,
  manifest.types,
  ...Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === 'string' ? entry : Object.values(entry as object),
  ),
  ...Object.values<string>(manifest.bin),
].map((path) => path.replace(/^\.\//, ''));

test.each([...new Set(entries)])('%s, which package.json names, is in the package', (path) => {
  expect(files).toContain(path);
});

test.each([
  ...['README.md', 'LICENSE', 'CHANGELOG.md', 'dist/cli.js', 'dist/types/globals.d.ts'],
  ...[
    'data/sample/cifar-10-binary-sample.tar.gz',
    'data/sample/mnist/train-images-idx3-ubyte.gz',
    'scripts/setup/probe.mjs',
  ],
])('%s is in the package', (path) => {
  expect(files).toContain(path);
});

test('nothing else is in it: no sources, tests, benchmarks, or files of CI or the clone', () => {
  const allowed =
    /^(dist\/(types\/)?|bin\/tilegrad\.mjs$|data\/sample\/|scripts\/setup\/[\w-]+\.mjs$|(README|CHANGELOG)\.md$|LICENSE$|package\.json$)/;
  expect(files.filter((path) => !allowed.test(path))).toEqual([]);
  expect(
    files.filter((path) => /(^|\/)(test|bench|\.ci|\.tilegrad-build)(\/|$)|\.test\.|(?<!\.d)\.m?ts$/.test(path)),
  ).toEqual([]);
});

test('scripts in the package import only one another and Node', () => {
  const scripts = files.filter((path) => path.endsWith('.mjs'));
  expect(scripts).toContain('scripts/setup/driver.mjs');
  for (const path of scripts) {
    const code = readFileSync(join(root, path), 'utf8');
    for (const [, from] of code.matchAll(/\b(?:from|import\()\s*'([^']+)'/g)) {
      // The command checks the stamp of a build only in a clone, which has the sources too.
      if (from!.startsWith('node:') || from === 'webgpu' || from!.endsWith('/stamps.mjs')) continue;
      expect(files, `${path} imports ${from}`).toContain(join(path, '..', from!).replaceAll('\\', '/'));
    }
  }
});

test('package.json: can be published, and bundlers may drop unused imports', () => {
  expect(manifest.private).toBeUndefined();
  expect(manifest.publishConfig).toEqual({ access: 'public' });
  expect(manifest.sideEffects).toEqual(['./dist/cli.js']); // only the entry of the command
  for (const field of ['description', 'license', 'author', 'keywords', 'engines']) expect(manifest[field]).toBeTruthy();
  for (const entry of Object.values(manifest.exports)) {
    if (typeof entry === 'object') expect(Object.keys(entry as object)[0]).toBe('types'); // the first match counts
  }
  expect(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')).toContain(manifest.version);
});

test('package-lock.json: agrees with package.json', () => {
  const [lock] = [JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages['']];
  for (const field of ['dependencies', 'devDependencies', 'peerDependencies', 'peerDependenciesMeta', 'engines']) {
    expect(lock[field], field).toEqual(manifest[field]);
  }
});

test('packages that a command imports from a dependency are dependencies of tilegrad', () => {
  // Each import that a bundle leaves outside must be a dependency, a peer, or a module of Node.
  const known = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)];
  const outside = files
    .filter((path) => path.startsWith('dist/') && path.endsWith('.js'))
    .flatMap((path) => {
      expect(existsSync(join(root, path))).toBe(true);
      const code = readFileSync(join(root, path), 'utf8');
      return [...code.matchAll(/^(?:(?:import|export)\b.*?|\} from )"((?:@[\w.-]+\/)?[\w-][\w./:-]*)";$/gm)].map(
        ([, name]) => name!,
      );
    })
    .filter((name) => !name.startsWith('node:'))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    );
  expect(outside).toContain('zod');
  expect([...new Set(outside)].filter((name) => !known.includes(name))).toEqual([]);
});
