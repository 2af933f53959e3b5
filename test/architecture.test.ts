import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { OF_THE_HOST, QUICK, SLOW_ON_WGPU } from './support/adapter-runs.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Folders and files that each folder, or file directly in `src`, may import from in addition to itself. A later entry may import from
 * earlier ones; folders of the same level do not import each other.
 */
const GROUND = ['src/base'];
const ENGINE = [...GROUND, 'src/gpu', 'src/kernels', 'src/autograd'];
const LIBRARY = [
  ...ENGINE,
  'src/nn',
  'src/training',
  'src/data',
  'src/tuner',
  'src/io',
  'src/applications',
  'src/search',
  'src/jobs',
  'src/report',
  'src/index.ts',
  'src/node.ts',
];
const MAY_IMPORT: Record<string, readonly string[]> = {
  'src/base': [],
  // A device is probed with kernels, which need shader text.
  'src/gpu': [...GROUND, 'shaders'],
  'src/kernels': [...GROUND, 'src/gpu', 'shaders'],
  'src/autograd': ENGINE,
  'src/nn': ENGINE,
  'src/training': [...ENGINE, 'src/nn'],
  'src/data': [...ENGINE, 'src/nn', 'src/training'],
  'src/tuner': [...ENGINE, 'src/nn', 'src/training'],
  'src/io': [...ENGINE, 'src/nn', 'src/training'],
  'src/search/record.ts': [],
  // The job queue does not depend on what the jobs compute.
  'src/jobs': GROUND,
  'src/search': [...ENGINE, 'src/nn', 'src/training', 'src/io', 'src/data'],
  'src/applications': [...ENGINE, 'src/nn', 'src/training', 'src/data', 'src/io'],
  // Reports depend on records and metrics only.
  'src/report': [...GROUND, 'src/search/record.ts'],
  'src/index.ts': LIBRARY,
  'src/node.ts': LIBRARY,
  'src/report.ts': [...LIBRARY, 'src/cli'],
  'src/cli': [...LIBRARY, 'experiments'],
  experiments: [...LIBRARY, 'src/cli'],
  // Shared by pages and their workers; only the part of the library that runs in a browser. Workers do not use the document.
  'web/src': LIBRARY.filter((folder) => folder !== 'src/node.ts'),
  'web/src/worker': [...LIBRARY.filter((folder) => folder !== 'src/node.ts'), 'web/src'],
  'web/src/page': ['web/src'],
  'web/src/playground': [...LIBRARY.filter((folder) => folder !== 'src/node.ts'), 'web/src', 'web/src/page'],
};

/** Files below a folder of the repository, as paths from its root. */
function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
    .filter((path) => path.endsWith(ending));
}

const modules = [...filesBelow('src', '.ts'), ...filesBelow('experiments', '.ts'), ...filesBelow('web/src', '.ts')];
const shaders = filesBelow('shaders', '.wgsl');
const text = (path: string) => readFileSync(join(root, path), 'utf8');

/** What a module imports, types included: files as paths from the root, packages by name. */
function importsOf(path: string): string[] {
  const specifiers = [...text(path).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(
    ([, specifier]) => specifier!,
  );
  return specifiers.map((specifier) =>
    specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier,
  );
}

/** Whether a page imports types of its worker, whose methods it calls, and no code. */
const isTypeOfWorker = (path: string, other: string) =>
  path.startsWith('web/src/page/') &&
  other.startsWith('web/src/worker/') &&
  new RegExp(`import type [^;]* from '\\.\\./${other.slice('web/src/'.length)}'`).test(text(path));

/** The folder of a file: `src/gpu`, `shaders`, `web/src/page`; for a file directly in `src`, the file itself. */
const folderOf = (path: string) =>
  path.startsWith('web/')
    ? posix.dirname(path)
    : path.startsWith('src/')
      ? path.split('/').slice(0, 2).join('/')
      : path.split('/')[0]!;
const isFile = (specifier: string) => /\.(ts|wgsl)$/.test(specifier);

test('importsOf: finds every form of import', () => {
  expect(importsOf('src/kernels/softmax/softmax.ts')).toContain('shaders/softmax/softmax.wgsl');
  expect(importsOf('src/gpu/dawn.ts')).toEqual(expect.arrayContaining(['src/base/errors.ts', 'webgpu']));
  expect(importsOf('src/index.ts')).toContain('src/autograd/index.ts');
  expect(modules.length).toBeGreaterThan(50);
});

test.each(Object.keys(MAY_IMPORT))('%s imports only from itself and the folders before it', (folder) => {
  const wrong = modules
    .filter((path) => [path, folderOf(path)].includes(folder))
    .flatMap((path) =>
      importsOf(path)
        .filter((other) => isFile(other) && folderOf(other) !== folder && !isTypeOfWorker(path, other))
        .filter((other) => ![other, folderOf(other)].some((one) => MAY_IMPORT[folder]!.includes(one)))
        .map((other) => `${path} imports ${other}`),
    );
  expect(wrong).toEqual([]);
});

/** Files that import each other in a circle, types included: Tarjan's strongly connected components of more than one file. */
function importCircles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const circles: string[][] = [];
  const visit = (file: string) => {
    order.set(file, order.size);
    lowest.set(file, order.get(file)!);
    open.push(file);
    for (const other of graph.get(file) ?? []) {
      if (!order.has(other)) visit(other);
      if (open.includes(other)) lowest.set(file, Math.min(lowest.get(file)!, lowest.get(other)!));
    }
    if (lowest.get(file) !== order.get(file)) return;
    const circle = open.splice(open.indexOf(file));
    if (circle.length > 1 || graph.get(file)?.includes(file)) circles.push(circle.sort());
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return circles;
}

test('imports: no file is in a circle, types included', () => {
  const graph = new Map(modules.map((path) => [path, importsOf(path).filter((other) => modules.includes(other))]));
  expect(importCircles(graph)).toEqual([]);
});

test('importCircles: finds circles of two and three files, and a file that imports itself', () => {
  const of = (edges: string) => new Map(edges.split(' ').map((edge) => [edge[0]!, edge.slice(1).split('')]));
  expect(importCircles(of('ab bc c'))).toEqual([]);
  expect(importCircles(of('ab ba cab'))).toEqual([['a', 'b']]);
  expect(importCircles(of('ab bc ca dd'))).toEqual([['a', 'b', 'c'], ['d']]);
});

test('folders: every folder is in the order of imports', () => {
  expect([...new Set(modules.map(folderOf))].filter((folder) => !(folder in MAY_IMPORT))).toEqual([]);
});

test('shaders: each is used, and its first line says what it computes', () => {
  const used = new Set(modules.flatMap(importsOf).filter((path) => path.endsWith('.wgsl')));
  expect(shaders.filter((shader) => !used.has(shader))).toEqual([]);
  expect(shaders.filter((shader) => !/^\/\/ \S.{15,}\n/.test(text(shader)))).toEqual([]);
});

/** Packages that are loaded when a file of Keras's is read, and not before. */
const FOR_KERAS = ['src/io/keras/hdf5.ts imports h5wasm', 'src/io/keras/zip.ts imports fflate/browser'];

test("src/index.ts: a browser bundle loads no Node module, native module or package, except Keras's readers when needed", async () => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/index.ts'],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    packages: 'external',
    external: ['node:*'],
    loader: { '.wgsl': 'text' },
  });
  const outside = Object.entries(metafile.inputs).flatMap(([path, { imports }]) =>
    imports
      .filter(({ external, kind }) => external && kind !== 'dynamic-import')
      .map((one) => `${path} imports ${one.path}`),
  );
  expect(outside).toEqual([]);
  const later = Object.entries(metafile.inputs).flatMap(([path, { imports }]) =>
    imports.filter(({ kind }) => kind === 'dynamic-import').map((one) => `${path} imports ${one.path}`),
  );
  expect(later.sort()).toEqual(FOR_KERAS);
  const inputs = Object.keys(metafile.inputs);
  expect(inputs).toContain('src/training/sequential.ts');
  expect(inputs.filter((path) => !/^(src|shaders)\//.test(path))).toEqual([]);
});

test('adapter runs: the named test files exist', () => {
  const tests = filesBelow('test', '.test.ts');
  const names = [...QUICK, ...SLOW_ON_WGPU, ...OF_THE_HOST].map((glob) => glob.split('**/').at(-1)!);
  const missing = names.filter((name) => !tests.some((path) => path.endsWith(`/${name}`) || path === name));
  expect(missing).toEqual([]);
});
