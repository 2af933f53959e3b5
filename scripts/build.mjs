#!/usr/bin/env node
// Builds the library, its Node part and the command line into dist/, and writes its types.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildModules } from './build-modules.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Of all that is built. */
export const OPTIONS = {
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  sourcemap: true,
  logLevel: 'warning',
};

/** Bundles modules of this repository for Node: name to source. Rejects with esbuild's errors. */
export async function bundle(entryPoints, outdir) {
  await build({
    ...OPTIONS,
    absWorkingDir: root,
    entryPoints,
    outdir,
    bundle: true,
    splitting: true,
    loader: { '.wgsl': 'text' },
  });
}

/** Writes the declarations of the library and its Node part. Throws where the compiler finds errors, which it prints. */
export function writeTypes(outdir) {
  const tsc = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.types.json'), '--outDir', outdir], {
    stdio: 'inherit',
  });
}

/** Builds everything into dist/. */
export async function buildAll() {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await buildModules(root, { index: 'src/index.ts', node: 'src/node.ts', cli: 'src/cli/main.ts' }, 'dist', OPTIONS);
  writeTypes(join(root, 'dist/types'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll();
