// Writes the package's declarations: TypeScript's output, changed so that it compiles without the types of WebGPU, the DOM or Node.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const globals = join(root, 'scripts/globals.d.ts');

/** Names that `globals.d.ts` exports. */
const names = [...readFileSync(globals, 'utf8').matchAll(/^export (?:type|interface) (\w+)/gm)].map(([, name]) => name);

/**
 * Writes the declarations of the library and its Node part.
 * @param {string} outdir
 * @throws if the compiler finds errors, which it prints, or if `globals.d.ts` lacks a type of WebGPU
 */
export function writeTypes(outdir) {
  const tsc = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.types.json'), '--outDir', outdir], {
    stdio: 'inherit',
  });
  for (const path of readdirSync(outdir, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.d.ts')) continue;
    const file = join(outdir, path);
    writeFileSync(file, toPortable(path.split(sep).join('/'), readFileSync(file, 'utf8')));
  }
  copyFileSync(globals, join(outdir, 'globals.d.ts'));
}

/**
 * Changes a declaration file so that it compiles in any program.
 * @param {string} path within the folder of declarations, with forward slashes
 * @param {string} text
 */
export function toPortable(path, text) {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
  const used = new Set(code.match(/(?<![.\w])[A-Z]\w*\b/g));
  const unknown = [...used].filter((name) => /^GPU([A-Z]|$)/.test(name) && !names.includes(name));
  if (unknown.length > 0) throw new Error(`${path} uses ${unknown.join(', ')}; add them to scripts/globals.d.ts`);
  const needed = names.filter((name) => used.has(name));
  const from = posix.relative(posix.dirname(path), 'globals.js');
  const head = [
    ...(code.includes('[Symbol.dispose]') || code.includes('[Symbol.asyncDispose]')
      ? ['/// <reference lib="esnext.disposable" />']
      : []),
    ...(needed.length > 0
      ? [`import type { ${needed.join(', ')} } from '${from.startsWith('.') ? from : `./${from}`}';`]
      : []),
  ];
  // Older compilers and other tools do not find `x.d.ts` for `./x.ts`.
  const imports = text.replace(/((?:from|import\()\s*)(['"])(\.{1,2}\/[^'"]+)\.ts\2/g, '$1$2$3.js$2');
  return head.length > 0 ? `${head.join('\n')}\n${imports}` : imports;
}
