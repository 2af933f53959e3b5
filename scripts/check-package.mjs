#!/usr/bin/env node
// Packs tilegrad, installs it in an empty folder as a user does, and uses it there: compiles, runs, trains, bundles. Prints a table
// of sizes at the end. Needs the packages of `npm ci`, a WebGPU adapter, and npm's registry or its cache.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const programs = join(root, 'scripts/check-package');
const OLD_TYPESCRIPT = '5.9.3';

const work = mkdtempSync(join(tmpdir(), 'tilegrad-package-'));
const cache = join(work, 'cache');
/** The environment without npm's settings, such as its working folder, which npm passes to scripts: a user's npm has none of them. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_ENV$/i.test(name)));
Object.assign(env, { TILEGRAD_CACHE: cache, NO_COLOR: '1' });

const begun = performance.now();
const say = (text) =>
  process.stdout.write(`${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);

function fail(summary, text) {
  throw new Error(`${summary}\n${text.replace(/^/gm, '    ')}`);
}

/** Runs a command to its end. @returns its output */
function run(command, args, { cwd = work, code = 0 } = {}) {
  const shell = process.platform === 'win32';
  const child = spawnSync(command, args, { cwd, env, encoding: 'utf8', shell, maxBuffer: 1 << 26, timeout: 300_000 });
  const text = `${child.stdout ?? ''}${child.stderr ?? ''}`;
  if (child.status !== code) {
    fail(`${basename(command)} ${args.join(' ')} ended with ${child.status ?? child.signal}, not ${code}:`, text);
  }
  return text;
}
const node = (args, options) => run(process.execPath, args, options);
const npm = (args, options) =>
  run('npm', [...args, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], options);

function expectText(program, text, ...expected) {
  for (const one of expected) if (!text.includes(one)) fail(`${program} should print "${one}", but printed:`, text);
}

/** Returns the files below a folder with their sizes, as paths with forward slashes. */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .map((path) => ({ path: path.slice(folder.length + 1).replaceAll('\\', '/'), bytes: statSync(path).size }));
}
const bytesOf = (files) => files.reduce((sum, { bytes }) => sum + bytes, 0);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Packs the package, and installs it in a new folder. */
function install() {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', work], {
      cwd: root,
      env,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    }).replace(/^[^[]*(?=\[\s*\{)/, ''),
  );
  const app = join(work, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
  npm(['install', join(work, packed.filename)], { cwd: app });
  say(`packed ${packed.entryCount} files and installed them`);
  return { app, packed };
}

/** Checks what works without optional packages, and the errors that name the missing ones. */
function checkWithoutOptionalPackages(app) {
  const program = `
    import { MissingPackageError, openDevice } from 'tilegrad/node';
    const error = await openDevice().catch((reason) => reason);
    process.stdout.write(String(error instanceof MissingPackageError) + error.message);`;
  expectText(
    'a program without webgpu',
    node(['--input-type=module', '-e', program], { cwd: app }),
    'true',
    '`npm install webgpu@',
  );
  const required = `process.stdout.write([require('tilegrad').Sequential, require('tilegrad/node').openDevice,
    require('tilegrad/report').plotHistory].map((one) => typeof one).join())`;
  expectText('require()', node(['--input-type=commonjs', '-e', required], { cwd: app }), 'function,function,function');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const tilegrad = (words, code) => run('npx', ['--no', '--', 'tilegrad', ...words], { cwd: app, code });
  expectText('tilegrad --version', tilegrad(['--version'], 0), version);
  expectText('tilegrad list', tilegrad(['list'], 0), 'A1', 'LeNet');
  expectText('tilegrad setup', tilegrad(['setup'], 1), 'missing    webgpu', '`npm install webgpu@');
  expectText('tilegrad doctor', tilegrad(['doctor'], 1), 'the npm package webgpu is missing', '`npm install webgpu@');
  expectText('tilegrad run', tilegrad(['run', 'A1'], 1), '`npm install vega@');
  if (existsSync(join(app, 'runs'))) fail('tilegrad run:', 'it made a folder although it could not draw');
  say('without optional packages: library, require() and commands work, and errors name what to install');
}

/** Compiles the programs and the library's declarations with both compilers and both module resolutions. */
async function checkTypes(app) {
  // Not saved, so that the next install removes them and they do not count as part of the package.
  npm(['install', '--no-save', `typescript@${OLD_TYPESCRIPT}`, '@types/node@20'], { cwd: app });
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/typescript/package.json'), 'utf8'));
  const compilers = {
    [OLD_TYPESCRIPT]: join(app, 'node_modules/typescript/bin/tsc'),
    [version]: join(root, 'node_modules/typescript/bin/tsc'),
  };
  const strict = {
    ...{ target: 'es2022', strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ skipLibCheck: false, outDir: 'out' },
  };
  const page = { lib: ['es2022'], types: [] };
  const inNode = { lib: ['es2022', 'esnext.disposable'], types: ['node'] };
  const nodenext = { module: 'nodenext', moduleResolution: 'nodenext' };
  const bundler = { module: 'esnext', moduleResolution: 'bundler', noEmit: true };
  const settings = [
    { name: 'page-nodenext', files: ['browser.mts'], options: { ...page, ...nodenext, noEmit: true } },
    { name: 'page-bundler', files: ['browser.mts'], options: { ...page, ...bundler } },
    { name: 'page-dom', files: ['browser.mts'], options: { ...bundler, lib: ['es2022', 'dom'], types: [] } },
    { name: 'node-nodenext', files: ['node.mts', 'require.cts'], options: { ...inNode, ...nodenext } },
    { name: 'node-bundler', files: ['node.mts'], options: { ...inNode, ...bundler } }, // has no `import x = require()`
  ];
  for (const { name, files, options } of settings) {
    const compilerOptions = { ...strict, ...options };
    writeFileSync(join(app, `tsconfig.${name}.json`), JSON.stringify({ compilerOptions, files }));
  }
  for (const [compiler, path] of Object.entries(compilers)) {
    const compile = ({ name }) =>
      promisify(execFile)(process.execPath, [path, '-p', `tsconfig.${name}.json`], { cwd: app, env }).catch(
        ({ stdout, message }) => fail(`TypeScript ${compiler}, ${name}:`, stdout || message),
      );
    await Promise.all(settings.map(compile));
    say(`TypeScript ${compiler} compiles, nodenext and bundler, with no types of the DOM and WebGPU, skipLibCheck off`);
  }
}

/** Bundles for a browser, and checks that nothing of Node and of optional packages is included. @returns gzipped bytes by program */
async function checkBundles(app) {
  const sources = {
    'a page that trains': "export { train } from './browser.mts'",
    'an error class': "export { ShapeError } from 'tilegrad'",
    everything: "export * from 'tilegrad'",
  };
  const sizes = {};
  for (const [what, contents] of Object.entries(sources)) {
    const { outputFiles, warnings, metafile } = await build({
      stdin: { contents, resolveDir: app, loader: 'ts' },
      absWorkingDir: app,
      ...{
        bundle: true,
        write: false,
        metafile: true,
        minify: true,
        format: 'esm',
        platform: 'browser',
        outdir: 'bundle',
      },
      logLevel: 'silent',
    });
    if (warnings.length > 0) fail(`esbuild warns of ${what}:`, warnings.map(({ text }) => text).join('\n'));
    const outside = Object.values(metafile.outputs).flatMap(({ imports }) =>
      imports.filter(({ external }) => external),
    );
    // Bundlers leave the import of the reader of Keras's files to run time if its package is not installed.
    const wrong = outside.filter(({ path, kind }) => path !== 'h5wasm' || kind !== 'dynamic-import');
    if (wrong.length > 0) fail(`the bundle of ${what} imports`, wrong.map(({ path }) => path).join(', '));
    const foreign = Object.keys(metafile.inputs).filter((path) => /node_modules\/(?!tilegrad\/|fflate\/)/.test(path));
    if (foreign.length > 0) fail(`the bundle of ${what} contains`, foreign.join(', '));
    sizes[what] = bytesOf(outputFiles.map(({ contents: bytes }) => ({ bytes: gzipSync(bytes, { level: 9 }).length })));
  }
  say('esbuild bundles for a browser, with nothing of Node and of optional packages');
  return sizes;
}

/** Trains with all packages installed. */
function checkTraining(app) {
  const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  npm(['install', ...Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`)], { cwd: app });
  say('installed the optional packages');
  const before = bytesOf(filesBelow(join(app, 'node_modules/tilegrad')));
  expectText('node.mjs', node(['out/node.mjs'], { cwd: app }), 'the loss went from', 'drawn');
  expectText('require.cjs', node(['out/require.cjs'], { cwd: app }), 'the gradient is 1,0,1');
  const tilegrad = (...words) => run('npx', ['--no', '--', 'tilegrad', ...words], { cwd: app });
  expectText('tilegrad setup', tilegrad('setup'), 'ready');
  expectText('tilegrad doctor', tilegrad('doctor'), 'This machine can train.');
  say('programs, setup and doctor train on the adapter');
  expectText('tilegrad run', tilegrad('run', 'A1', '--scale', 'smoke'), 'bundled sample', 'report.html');
  const [folder] = readdirSync(join(app, 'runs'));
  const files = filesBelow(join(app, 'runs', folder)).map(({ path }) => path);
  for (const name of ['run.json', 'report.html']) if (!files.includes(name)) fail('the run left', files.join('\n'));
  if (!files.some((path) => /^figures\/.*\.png$/.test(path))) fail('the run left no figure:', files.join('\n'));
  const after = bytesOf(filesBelow(join(app, 'node_modules/tilegrad')));
  if (before !== after)
    fail('the installed package', `had ${before} bytes and has ${after}: something has written there`);
  if (!existsSync(cache)) fail('the cache folder', 'was not created');
  say('tilegrad run A1 trains on the sample and leaves its folder in the working folder');
}

try {
  const { app, packed } = install();
  const alone = bytesOf(filesBelow(join(app, 'node_modules')));
  checkWithoutOptionalPackages(app);
  for (const name of readdirSync(programs)) copyFileSync(join(programs, name), join(app, name));
  const bundles = await checkBundles(app);
  await checkTypes(app);
  checkTraining(app);
  const all = bytesOf(filesBelow(join(app, 'node_modules')));
  const rows = [
    ['tarball', megabytes(packed.size)],
    ['installed alone', megabytes(alone)],
    ['installed with all optional packages', megabytes(all)],
    ...Object.entries(bundles).map(([what, bytes]) => [`bundle of ${what}, gzip`, `${(bytes / 1e3).toFixed(1)} kB`]),
  ];
  for (const [what, size] of rows) process.stdout.write(`        ${what.padEnd(44)}${size.padStart(10)}\n`);
  say('the package works');
  rmSync(work, { recursive: true, force: true });
} catch (error) {
  process.stderr.write(`the package does not work: ${error.message}\nIts folder is left for inspection: ${work}\n`);
  process.exitCode = 1;
}
