import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OPTIONS } from '../../scripts/build.mjs';
import { buildModules } from '../../scripts/build-modules.mjs';
import { buildWeb } from '../../scripts/build-web.mjs';
import { bundleProgram, measurePage, PAGE, PROGRAMS } from '../../scripts/check-size.mjs';
import { describeOnDevice } from '../support/device.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, 'node_modules/.cache'), { recursive: true });
const folder = mkdtempSync(join(root, 'node_modules/.cache/tilegrad-size-'));
const library = join(folder, 'dist/index.js');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  await buildModules(root, { index: 'src/index.ts' }, relative(root, join(folder, 'dist')), OPTIONS);
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json')); // which says that nothing has side effects
});

/** Modules of dist/ in a program. */
const partsOf = (modules: string[]) => modules.map((path) => path.replace(/^.*\/dist\//, '')).sort();

test.each(PROGRAMS)('$name: a program that $says is within its budget', async ({ name, budget }) => {
  expect((await bundleProgram(name, { library })).gzip).toBeLessThanOrEqual(budget);
});

test('the page of web/ is within its budget with its worker, and uses only relative addresses', async () => {
  const out = join(folder, 'web');
  const metafiles = await buildWeb(root, join(folder, 'dist'), out);
  const { gzip, names } = measurePage(out);
  expect(gzip).toBeLessThanOrEqual(PAGE.budget);
  expect(names.filter((name) => /^shared-\w+\.js$/.test(name))).toHaveLength(1);
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  expect(inputs.filter((path) => /(^|\/)src\/.*\.ts$/.test(path) && !path.startsWith('web/'))).toEqual([]);
  const imported = metafiles.flatMap(({ outputs }) => Object.values(outputs).flatMap(({ imports }) => imports));
  const outside = imported.filter(({ external, kind }) => external && kind !== 'dynamic-import');
  expect(outside.map(({ path }) => path)).toEqual([]);
  const html = readFileSync(join(out, 'index.html'), 'utf8');
  const addresses = [...html.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, address]) => address!);
  expect(addresses).toContain('page.js');
  expect(addresses.filter((address) => /^(\/|https?:)/.test(address))).toEqual([]);
});

test('an error class needs no more than its message', async () => {
  const { modules } = await bundleProgram('error', { library });
  expect(partsOf(modules)).toEqual(['base/errors.js', 'base/printable.js', 'scripts/size/error.mjs']);
});

test('a network of dense layers includes no kernels of convolutions, pooling, batch normalization, dropout or shapes', async () => {
  const { modules, code } = await bundleProgram('mlp', { library });
  const parts = partsOf(modules);
  expect(parts).toContain('kernels/matmul/matmul.js');
  expect(parts.filter((path) => /conv|depthwise|pool|batch-norm|dropout|winograd|concat|resize/.test(path))).toEqual(
    [],
  );
  expect(parts.filter((path) => /^(tuner|io|data|applications)\//.test(path))).toEqual([]);
  expect(code).not.toMatch(/winograd|conv2d/);
});

type Train = (x: Float32Array, y: Uint32Array, options: object) => Promise<{ losses: number[]; measured: object }>;

const x = Float32Array.from({ length: 96 * 784 }, (_, i) => ((i * 7919) % 1009) / 1009);
const y = Uint32Array.from({ length: 96 }, (_, i) => (i * 31) % 10);

/** The program bundled with tilegrad from there, as a module. */
async function load<P>(name: string, from: string): Promise<P> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const { code } = await bundleProgram(name, { library: from });
  const file = join(folder, `${name}-${from === library ? 'dist' : 'src'}.mjs`);
  writeFileSync(file, code);
  const { train } = await import(pathToFileURL(file).href);
  return ((x: Float32Array, y: Uint32Array, options: object) => train(x, y, { gpu: create([]), ...options })) as P;
}

describeOnDevice('bundles', () => {
  test('own-loop: trains', async () => {
    const train = await load<(x: Float32Array, y: Uint32Array, options: object) => Promise<number[]>>(
      'own-loop',
      library,
    );
    const losses = await train(x, y, { steps: 20 });
    expect(losses).toHaveLength(20);
    expect(losses[19]).toBeLessThan(losses[0]!);
  });

  test.each(['mlp', 'lenet'])('%s: trains to the same bits as the sources', async (name) => {
    const results = [];
    for (const from of [library, join(root, 'src/index.ts')]) {
      const train = await load<Train>(name, from);
      results.push(await train(x, y, { epochs: 2, seed: 3 }));
    }
    expect(results[0]!.losses).toHaveLength(2);
    expect(results[0]!.losses[1]).toBeLessThan(results[0]!.losses[0]!);
    expect(results[0]).toEqual(results[1]);
  });
});
