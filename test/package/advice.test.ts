import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// Errors and help must not advise what only a clone has: its scripts and files.

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Sources that an installed package runs, with the scripts that package.json lists. */
const shipped = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).files as string[]).filter((path) =>
  path.endsWith('.mjs'),
);
const files = ['src', 'experiments', 'shaders']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
  )
  .filter((path) => /\.(ts|wgsl)$/.test(path))
  .concat(shipped);

/** A module without its comments. */
const code = (path: string) =>
  readFileSync(join(root, path), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '');

const ONLY_IN_A_CLONE =
  /\bnpm (run|start|test|ci)\b|\bnode (bin|scripts|bench)\/|\bbin\/tilegrad|\.ci\/|\bREADME|\bthis repository\b/;

test('the pattern finds npm commands of a clone', () => {
  for (const text of ['run `npm run setup`', 'npm start', 'npm ci again', 'node bin/tilegrad.mjs run']) {
    expect(text).toMatch(ONLY_IN_A_CLONE);
  }
  expect('run `npx tilegrad setup` or `npm install webgpu@0.6`').not.toMatch(ONLY_IN_A_CLONE);
});

test('texts of the package do not advise what only a clone has', () => {
  expect(files.length).toBeGreaterThan(400);
  const found = files.flatMap((path) =>
    code(path)
      .split('\n')
      .filter((line) => ONLY_IN_A_CLONE.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});
