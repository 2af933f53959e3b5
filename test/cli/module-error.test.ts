import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle } from '../../scripts/build.mjs';
import { ArgumentError, DataError, type UsageError } from '../../src/base/errors.ts';
import { inModule, moduleError } from '../../src/cli/module-error.ts';
import { runToEnd } from '../support/process.ts';

const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));
const built = join(cache, `tilegrad-module-error-test-${process.pid}`);
const folder = mkdtempSync(join(tmpdir(), 'tilegrad-module-'));
beforeAll(() => bundle({ module: 'src/cli/search-module.ts' }, built));
afterAll(() => {
  for (const path of [built, folder]) rmSync(path, { recursive: true, force: true });
});
const write = (text: string, name = 'own.mjs') => writeFileSync(join(folder, name), text);
const rest = "export const data = {};\nexport const options = { objective: 'loss' };\n";

/** The error of a call of a module, in a separate process, because the test runner has its own module loader. */
async function errorOf(call: string, name = 'own.mjs') {
  const script = `
    import { loadSearchModule, prepareSearch } from ${JSON.stringify(pathToFileURL(join(built, 'module.js')).href)};
    try {
      const module = await loadSearchModule(${JSON.stringify(name)});
      ${call};
    } catch ({ name, message, exitCode, cause }) {
      console.log(JSON.stringify({ name, message, exitCode, cause: cause?.name ?? cause }));
    }`;
  write(script, 'go.mjs');
  const { out, err } = await runToEnd(['go.mjs'], { cwd: folder });
  expect(err).toBe('');
  return JSON.parse(out) as { name: string; message: string; exitCode: number; cause: unknown };
}

test.each<[string, string, string, unknown]>([
  [
    'a syntax error',
    'const a = 1;\nconst = 5;\n',
    ":2: it cannot be loaded: SyntaxError: Unexpected token '='",
    'SyntaxError',
  ],
  [
    'a name that another lacks',
    "\nimport { nope } from 'node:fs';\n",
    ":2: it cannot be loaded: SyntaxError: The requested module 'node:fs' does not provide an export named 'nope'",
    'SyntaxError',
  ],
  [
    'a package that is not there',
    "\n\nimport 'tilegrad-none';\n",
    ":3: it cannot be loaded: Error: Cannot find package 'tilegrad-none' imported from FILE; install it, with npm install tilegrad-none",
    'Error',
  ],
  [
    'code that throws',
    "\nthrow new TypeError('at once');\n",
    ':2: it cannot be loaded: TypeError: at once',
    'TypeError',
  ],
  ['code that throws a value that is not an error', 'throw 5;\n', ': it cannot be loaded: 5 was thrown', 5],
])('loading throws for a module with %s', async (_, text, message, cause) => {
  write(text);
  const expected = `own.mjs${message.replace('FILE', join(folder, 'own.mjs'))}`;
  expect(await errorOf('')).toEqual({ name: 'UsageError', message: expected, exitCode: 2, cause });
});

test('a file that is not JavaScript, and a folder: the error says what to do', async () => {
  write('data', 'own.py');
  const { message } = await errorOf('', 'own.py');
  expect(message).toMatch(/^own\.py: it cannot be loaded: TypeError: Unknown file extension "\.py" for /);
  expect(message).toMatch(
    /; Node [\d.]+ runs JavaScript alone: compile it first, as in `npx esbuild .*use Node 22\.18/,
  );
  mkdirSync(join(folder, 'sub'));
  expect((await errorOf('', 'sub')).message).toBe(
    'search: sub is a folder; name the module in it, as in `npx tilegrad search sub/FILE.mjs`',
  );
});

test("an error thrown by the module's functions has the file's line, and is kept as the cause", async () => {
  write(
    `export function buildModel(hp) {\n  return hp.none();\n}\n${rest.replace('{}', "(device) => {\n  throw new Error('gone');\n}")}` +
      'export const fit = { callbacks: () => {\n  null.x;\n} };\n',
  );
  expect(await errorOf('module.buildModel({})')).toMatchObject({
    message: 'own.mjs:2: in buildModel: TypeError: hp.none is not a function',
    cause: 'TypeError',
  });
  expect((await errorOf('await prepareSearch(module, {})')).message).toBe('own.mjs:5: in data: Error: gone');
  const callbacks = await errorOf('(await prepareSearch({ ...module, data: {} }, {})).fit.callbacks()');
  expect(callbacks.message).toMatch(/^own\.mjs:9: in callbacks: TypeError: Cannot read properties of null/);
  write(`export const buildModel = () => {};\n${rest.replace('{}', "async (device) => {\n\n  throw 'x';\n}")}`);
  expect((await errorOf('await prepareSearch(module, {})')).message).toBe('own.mjs: in data: "x" was thrown');
});

test('errors for invalid arguments have the line once; other errors are not changed', () => {
  const file = join(folder, 'own.mjs');
  const bad = new ArgumentError('Dense: units');
  expect(moduleError(file, 'in buildModel', bad)).toBe(bad); // not called from the file
  bad.stack = `ArgumentError\n  at Dense (file:///x.js:1:1)\n  at build (file://${file}:7:3)\n  at file://${file}:9:3`;
  const located = moduleError(file, 'in buildModel', bad) as UsageError;
  expect([located.message, located.exitCode, located.cause]).toEqual([
    `${file}:7: in buildModel: Dense: units`,
    2,
    bad,
  ]);
  located.stack = bad.stack;
  expect(moduleError(file, 'in fit', located)).toBe(located);
  const data = new DataError('no data set');
  data.stack = bad.stack;
  expect(() =>
    inModule(file, 'data', () => {
      throw data;
    }),
  ).toThrow(data);
});
