#!/usr/bin/env node
// Builds the library, its Node part and the command into dist/, with inlined shaders, and writes the types.
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildModules } from './build-modules.mjs';
import { buildWeb, writeSamples } from './build-web.mjs';
import { buildState, recordBuild } from './setup/stamps.mjs';
import { writeTypes } from './types.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Options of all builds. */
export const OPTIONS = {
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  sourcemap: true,
  logLevel: 'warning',
};

/**
 * Bundles modules of this repository for Node.
 * @param {Record<string, string>} entryPoints source of each name in `outdir`
 * @throws esbuild's errors
 */
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

/** Builds everything into dist/, with a stamp of the sources: the command refuses a build from other sources. */
export async function buildAll() {
  const state = buildState(root); // before the build: an edit during it must cause another build
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const entryPoints = { index: 'src/index.ts', node: 'src/node.ts', report: 'src/report.ts', cli: 'src/cli/main.ts' };
  await buildModules(root, entryPoints, 'dist', OPTIONS);
  await buildWeb(root);
  await writeSamples(root);
  writeTypes(join(root, 'dist/types'));
  recordBuild(root, state);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll();
