// Builds dist/ as modules: one file for each source file, so that a bundler leaves out unused files even if it assumes side effects in
// them. All shaders are constants in one file: together they compress best, and a bundler removes unused ones, too.
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { minifyWgsl } from './minify-wgsl.mjs';

const SHADERS = 'shaders.js';

/** Returns the name of a shader's constant. @param {string} path of its file */
const constantOf = (path) => basename(path, '.wgsl');

/** Returns the import specifier from one file in dist/ to another. */
function specifierOf(from, to) {
  const path = relative(dirname(from), to).replaceAll('\\', '/');
  return path.startsWith('.') ? path : `./${path}`;
}

/**
 * Builds modules and everything that they import.
 * @param {string} root folder of the repository; other paths are relative to it
 * @param {Record<string, string>} entryPoints source of each name in `outdir`
 * @param {string} outdir
 * @param {import('esbuild').BuildOptions} options for all modules
 */
export async function buildModules(root, entryPoints, outdir, options) {
  const { metafile } = await build({
    ...options,
    absWorkingDir: root,
    entryPoints: Object.values(entryPoints),
    outdir,
    bundle: true,
    write: false,
    metafile: true,
    loader: { '.wgsl': 'text' },
  });
  const inputs = Object.keys(metafile.inputs);
  const names = new Map(Object.entries(entryPoints).map(([name, source]) => [source, name]));
  /** Returns the path of a source in dist/, without `.js`. */
  const outputOf = (path) => names.get(path) ?? path.replace(/^src\//, '').replace(/\.ts$/, '');
  await build({
    ...options,
    absWorkingDir: root,
    entryPoints: inputs.filter((path) => path.endsWith('.ts')).map((path) => ({ in: path, out: outputOf(path) })),
    outdir,
    bundle: true,
    plugins: [
      {
        name: 'modules',
        setup({ onLoad, onResolve }) {
          const pathOf = (absolute) => relative(root, absolute).replaceAll('\\', '/');
          onResolve({ filter: /^\.{1,2}\/.*\.(ts|js)$/ }, ({ path, importer, kind }) => {
            if (kind === 'entry-point') return undefined;
            if (path.endsWith(`/${SHADERS}`)) return { path, external: true };
            const target = pathOf(resolve(dirname(importer), path));
            return { path: specifierOf(outputOf(pathOf(importer)), `${outputOf(target)}.js`), external: true };
          });
          onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            const shaders = specifierOf(outputOf(pathOf(path)), SHADERS);
            const contents = (await readFile(path, 'utf8')).replace(
              /^import (\w+) from '([^']+\.wgsl)';/gm,
              (_, name, shader) => `import { ${constantOf(shader)} as ${name} } from '${shaders}';`,
            );
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
  const shaders = inputs.filter((path) => path.endsWith('.wgsl')).sort();
  const constants = shaders.map(async (path) => {
    const text = minifyWgsl(await readFile(join(root, path), 'utf8'));
    return `export const ${constantOf(path)} = ${JSON.stringify(text)};\n`;
  });
  await writeFile(join(root, outdir, SHADERS), (await Promise.all(constants)).join(''));
}
