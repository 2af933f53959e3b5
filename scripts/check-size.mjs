#!/usr/bin/env node
// Measures the size of programs that a bundler makes from the built package, and fails if one is over its budget: `node scripts/check-size.mjs`.
// With `--peers`, also the same networks with jax-js and TensorFlow.js from bench/peers (`npm ci` there installs them).
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { buildAll } from './build.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const PEERS = join(root, 'bench/peers');

/**
 * Programs in scripts/size, and the most bytes of each when compressed: a promise for the first two; for the others about 2% above
 * their size, so that growth is noticed. A model of layers contains all of `fit`. Importing parts of it on demand was tried with
 * `cacheFeatures`: a single file grew by 3%, because esbuild wraps such modules, and the first of several files by 1%.
 */
export const PROGRAMS = [
  { name: 'error', budget: 1000, says: 'imports an error class' },
  { name: 'own-loop', budget: 45_000, says: 'trains an MLP in a loop of its own' },
  { name: 'mlp', budget: 99_000, says: 'trains an MLP of layers: compile, fit, evaluate' },
  { name: 'lenet', budget: 126_000, says: 'trains LeNet' },
  { name: 'everything', budget: 194_000, says: 'imports everything' },
];

/** Files in dist/web that the main page loads before its data, and their most bytes when compressed: a promise. */
export const PAGE = { files: ['index.html', 'style.css', 'page.js', 'worker.js'], budget: 150_000 };

/**
 * Measures the files of a page, with everything that its scripts import.
 * @param {string} folder of the files
 * @param {readonly string[]} names of the files that the page loads first
 * @returns {{ raw: number, gzip: number, names: string[] }} bytes of all files
 */
export function measurePage(folder = join(root, 'dist/web'), names = PAGE.files) {
  const files = new Map();
  const add = (name) => {
    if (files.has(name)) return;
    const file = readFileSync(join(folder, name));
    files.set(name, file);
    if (!name.endsWith('.js')) return;
    for (const [, imported] of file.toString().matchAll(/\b(?:from|import)\s*\(?\s*"\.\/([^"]+\.js)"/g)) add(imported);
  };
  names.forEach(add);
  const sum = (sizeOf) => [...files.values()].reduce((total, file) => total + sizeOf(file), 0);
  return {
    raw: sum((file) => file.length),
    gzip: sum((file) => gzipSync(file, { level: 9 }).length),
    names: [...files.keys()],
  };
}

/**
 * Bundles and minifies a program into one file for browsers, as a user would.
 * @param {string} name of a file in scripts/size
 * @param {{ library?: string, nodePaths?: string[] }} from a module to use instead of tilegrad; folders of other packages
 * @returns {Promise<{ raw: number, gzip: number, code: string, modules: string[] }>} bytes, code, and the sources in it
 */
export async function bundleProgram(name, { library, nodePaths = [] } = {}) {
  const { dependencies, peerDependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [`scripts/size/${name}.mjs`],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    metafile: true,
    outdir: 'dist',
    alias: library ? { tilegrad: library } : {},
    external: Object.keys({ ...dependencies, ...peerDependencies }),
    nodePaths,
    loader: { '.wgsl': 'text' },
    logLevel: 'error',
  });
  const [{ contents, text }] = outputFiles;
  const [{ inputs }] = Object.values(metafile.outputs);
  const modules = Object.keys(inputs).filter((path) => inputs[path].bytesInOutput > 0);
  return { raw: contents.length, gzip: gzipSync(contents, { level: 9 }).length, code: text, modules };
}

const print = (line) => process.stdout.write(`${line}\n`);
const number = (n, width) => n.toLocaleString('en-US').padStart(width);

async function main() {
  const options = process.argv.slice(2);
  const unknown = options.find((option) => !['--peers', '--built'].includes(option));
  if (unknown) {
    console.error(
      `check-size: there is no option ${unknown}; use --peers, or --built to measure dist/ without a new build`,
    );
    return 2;
  }
  if (!options.includes('--built')) await buildAll();
  print('  minified      gzip    budget  a program that');
  let over = 0;
  for (const { name, budget, says } of PROGRAMS) {
    const { raw, gzip } = await bundleProgram(name);
    if (gzip > budget) over++;
    print(`${number(raw, 10)}${number(gzip, 10)}${number(budget, 10)}  ${says}${gzip > budget ? ': TOO LARGE' : ''}`);
  }
  const page = measurePage();
  const isLarge = page.gzip > PAGE.budget;
  if (isLarge) over++;
  print(
    `${number(page.raw, 10)}${number(page.gzip, 10)}${number(PAGE.budget, 10)}  is the main page of web/, with its worker${isLarge ? ': TOO LARGE' : ''}`,
  );
  if (options.includes('--peers')) {
    const versionOf = (name) =>
      JSON.parse(readFileSync(join(PEERS, 'node_modules', name, 'package.json'), 'utf8')).version;
    if (!existsSync(join(PEERS, 'node_modules'))) {
      console.error('check-size: --peers needs the packages of bench/peers: run `npm ci` there');
      return 2;
    }
    for (const [name, says] of [
      ['jax-mlp', `trains the MLP in a loop with jax-js ${versionOf('@jax-js/jax')}`],
      ['tfjs-mlp', `trains the MLP of layers with TensorFlow.js ${versionOf('@tensorflow/tfjs-core')}`],
    ]) {
      const { raw, gzip } = await bundleProgram(name, { nodePaths: [join(PEERS, 'node_modules')] });
      print(`${number(raw, 10)}${number(gzip, 10)}${' '.repeat(10)}  ${says}`);
    }
  }
  if (over > 0) console.error(`check-size: ${over} over budget; esbuild's --analyze lists the contents of a bundle`);
  return over > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
