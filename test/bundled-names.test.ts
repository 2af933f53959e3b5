import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import { typedErrors } from './support/typed-errors.ts';

// Bundlers that users run remove names of classes; the names in messages must stay.

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tilegrad-bundle-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([{ minify: true }, { minify: false }])(
  'bundle with %j: all messages and names are those of the sources',
  async ({ minify }) => {
    const outfile = join(folder, `typed-errors-${minify}.mjs`);
    await build({
      absWorkingDir: root,
      stdin: {
        contents: `import { typedErrors } from './test/support/typed-errors.ts';
        process.stdout.write(JSON.stringify(await typedErrors()));`,
        resolveDir: root,
      },
      outfile,
      bundle: true,
      minify,
      format: 'esm',
      platform: 'node',
      external: ['webgpu', 'sharp'], // native: they cannot be bundled
      loader: { '.wgsl': 'text' },
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      logLevel: 'error',
    });
    const { stdout, stderr, status } = spawnSync(process.execPath, [outfile], { encoding: 'utf8', timeout: 60_000 });
    expect(status, stderr.slice(-2000)).toBe(0);
    const expected = await typedErrors();
    expect(expected.length).toBeGreaterThan(200);
    const found = JSON.parse(stdout) as typeof expected;
    const others = found.filter(([call, says], i) => call !== expected[i]?.[0] || says !== expected[i]?.[1]);
    expect(others.slice(0, 20)).toEqual([]);
    expect(found.length).toBe(expected.length);
  },
);

test('bundle: console.log shows the class name of a confusion matrix', async () => {
  const outfile = join(folder, 'shown.mjs');
  const contents = "import { ConfusionMatrix } from './src/index.ts'; console.log(ConfusionMatrix.of([1, 2, 3, 4]));";
  const stdin = { contents, resolveDir: root };
  const options = { bundle: true, format: 'esm', platform: 'node', loader: { '.wgsl': 'text' } } as const;
  await build({ absWorkingDir: root, stdin, outfile, ...options, external: ['webgpu', 'sharp'], logLevel: 'error' });
  const { stdout, stderr } = spawnSync(process.execPath, [outfile], { encoding: 'utf8', timeout: 60_000 });
  expect(stdout, stderr.slice(-2000)).toBe('ConfusionMatrix { counts: [ [ 1, 2 ], [ 3, 4 ] ] }\n');
});

test('sources: no message uses the name of a class at run time', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  expect(sources.length).toBeGreaterThan(100);
  expect(sources.filter((path) => readFileSync(join(root, 'src', path), 'utf8').includes('new.target.name'))).toEqual(
    [],
  );
});

test('messages: begin with the name of what was called', async () => {
  const all = Object.fromEntries(await typedErrors());
  expect(all['Model 2']).toMatch(/^ArgumentError: Model: there is no option nonsense/);
  expect(all['MaxPooling2D 2']).toMatch(/^ArgumentError: MaxPooling2D: there is no option nonsense/);
  expect(all['Add 1']).toMatch(/^ArgumentError: Add: options must be an object, but are 3/);
  expect(all['tensor 7']).toMatch(/was given a Dense$/);
  expect(all['an invalid plan']).toMatch(/^ArgumentError: Own: the outputShape of its plan/);
  expect(all['two layers of one name']).toMatch(/^ArgumentError: Sequential: two layers are called a/);
  expect(all.ShapeError).toBe('ShapeError: it ShapeError');
});
