#!/usr/bin/env node
// Builds the pages of web/ into dist/web, from the built library in dist/: static files with relative addresses, for any folder of any
// host. `node scripts/build-web.mjs` builds only the pages, if dist/ exists.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'rolldown/utils';

/** Scripts of each page and its worker: the source in web/src of each name in dist/web. */
const PAGES = [
  { page: 'page/main.ts', worker: 'worker/main.ts' },
  { playground: 'playground/main.ts', 'playground-worker': 'playground/worker.ts' },
];

/** A class that stands in for one that is left out. */
const absent = (name) =>
  `export class ${name} { constructor() { throw new Error('this page was built without ${name}'); } }`;

/** An option of optimizers that is left out: it is an unknown option then, which is an error. */
const absentOption = (name, optionNames) =>
  `export const ${optionNames} = {}; export class ${name} { static create() { return null; } }`;

/** Modules of the library for what the pages never do, and what stands in for them. So the main page is 7 kB smaller when compressed. */
const LEFT_OUT = {
  'training/features/feature-cache': `${absent('FeatureCache')}
    export function readAdapterBytes(subject, cacheFeatures) {
      if (cacheFeatures) throw new Error(subject + ': this page was built without cacheFeatures');
      return null;
    }`,
  'training/batches/stream-batches': absent('StreamBatches'),
  'training/single-batch-steps': absent('SingleBatchSteps'),
  'nn/optimizers/clipping': absentOption('Clipping', 'clipOptionNames'),
  'nn/optimizers/accumulation': absentOption('GradientAccumulation', 'accumulationOptionNames'),
  'gpu/track': absent('Tracking'),
};

/** The same for the main page, whose optimizers train models only; the playground's train tensors. */
const LEFT_OUT_OF_MAIN = { ...LEFT_OUT, 'nn/optimizers/tensor-list': absent('TensorList') };

/**
 * Takes modules of src/ from the built library, whose shaders have no comments: a fifth less when compressed. Each shader begins with its
 * name instead, so that a page finds the file to show (see web/src/page/readable-wgsl.ts).
 */
const fromLibrary = (root, library, leftOut) => ({
  name: 'library-from-dist',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /[\\/]shaders\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/^export const (\w+) = "/gm, (start, name) => `${start}//@${name}`),
    }));
    for (const [module, contents] of Object.entries(leftOut)) {
      if (!existsSync(join(library, `${module}.js`)))
        throw new Error(`LEFT_OUT: there is no ${module}.js in the library`);
      const filter = new RegExp(`[\\\\/]${basename(module)}\\.js$`);
      onLoad({ filter }, ({ path }) => (path === join(library, `${module}.js`) ? { contents } : undefined));
    }
    onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path, importer }) => {
      const source = relative(join(root, 'src'), resolve(dirname(importer), path)).replaceAll('\\', '/');
      return source.startsWith('..') ? undefined : { path: join(library, source.replace(/\.ts$/, '.js')) };
    });
  },
});

/**
 * Builds the pages.
 * @param {string} root folder of the repository
 * @param {string} library folder of the built library
 * @param {string} out folder for the pages; its contents are deleted first
 * @returns {Promise<import('esbuild').Metafile[]>} the sources of the scripts of each page
 */
export async function buildWeb(root, library = join(root, 'dist'), out = join(root, 'dist/web')) {
  const web = join(root, 'web');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const name of readdirSync(web).filter((name) => /\.(html|svg|png)$/.test(name))) {
    copyFileSync(join(web, name), join(out, name));
  }
  // Without their folders, like the names in the library.
  mkdirSync(join(out, 'wgsl'));
  for (const path of readdirSync(join(root, 'shaders'), { recursive: true, encoding: 'utf8' })) {
    if (path.endsWith('.wgsl')) copyFileSync(join(root, 'shaders', path), join(out, 'wgsl', basename(path)));
  }
  const styles = readdirSync(web).filter((name) => name.endsWith('.css'));
  // One page at a time: code shared between pages would be split into more files, which are larger together.
  const metafiles = [];
  for (const [i, scripts] of PAGES.entries()) {
    const { metafile, outputFiles } = await build({
      absWorkingDir: root,
      entryPoints: [
        ...Object.entries(scripts).map(([name, source]) => ({ in: join('web/src', source), out: name })),
        ...(i === 0 ? styles.map((name) => ({ in: join('web', name), out: name.replace(/\.css$/, '') })) : []),
      ],
      outdir: out,
      bundle: true,
      // Code that a page and its worker share is loaded once.
      splitting: true,
      chunkNames: 'shared-[hash]',
      minify: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      external: ['h5wasm', 'fflate/browser'], // only for Keras's files, which the pages do not read
      plugins: [fromLibrary(root, library, i === 0 ? LEFT_OUT_OF_MAIN : LEFT_OUT)],
      logLevel: 'warning',
    });
    for (const { path, text } of outputFiles)
      writeFileSync(path, path.endsWith('.js') ? await minifyAgain(path, text) : text);
    metafiles.push(metafile);
  }
  return metafiles;
}

/** Minifies a script once more, with Oxc: the compressed worker is 3% smaller than with esbuild alone. */
async function minifyAgain(path, text) {
  const { code, errors } = await minify(path, text, { module: true });
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  return code;
}

/** Writes the bundled samples as `<set>-<part>.gz` for web/src/samples.ts: one byte for each label, then the pixels of all images. */
export async function writeSamples(root, folder = join(root, 'dist/web/data')) {
  const { loadDataset } = await import(pathToFileURL(join(root, 'dist/node.js')).href);
  mkdirSync(folder, { recursive: true });
  for (const [name, path] of Object.entries({ mnist: 'mnist', cifar10: 'cifar-10-binary-sample.tar.gz' })) {
    const dataset = await loadDataset(name, { dir: join(root, 'data/sample', path) });
    for (const part of ['train', 'test']) {
      const { labels, images } = dataset[part];
      writeFileSync(join(folder, `${name}-${part}.gz`), gzipSync(Buffer.concat([labels, images]), { level: 9 }));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  await buildWeb(root);
  await writeSamples(root);
}
