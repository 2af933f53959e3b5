import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as library from '../src/node.ts';
import { readDocument, root } from './support/documents.ts';

// Every entry in the last columns of docs/COMING-FROM.md is compiled with the types of the built package: its names must be exports,
// and its members and options must exist.

const folder = mkdtempSync(join(tmpdir(), 'tilegrad-names-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Code in the last column of the tables whose last column is headed `tilegrad`. */
function entriesOf(text: string): string[] {
  const tables = text.match(/(^\|.*\n)+/gm) ?? [];
  const ours = tables
    .filter((table) => /\| tilegrad \|\n/.test(table))
    .map((table) => table.trim().split('\n').slice(2));
  const cells = ours.flat().map((row) => row.split('|').at(-2)!);
  expect(cells.filter((cell) => cell.trim() === '')).toEqual([]);
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!));
}

/** The entries that do not compile, with what the compiler says. */
function mistakesIn(entries: readonly string[]): string[] {
  const head = `import { ${Object.keys(library).join(', ')} } from 'tilegrad/node';
    declare const x: Tensor, y: Tensor, device: Device, model: Model, layer: Layer, optimizer: Adam, images: ImageLoader;
    declare const set: Parameters<typeof trainTestSplit>[0];
    declare const navigator: { gpu: Parameters<typeof Device.open>[0] };\n`;
  const lines = entries.map((code) => `void (async () => (${code}));`);
  writeFileSync(join(folder, 'entries.ts'), head + lines.join('\n'));
  const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
  const first = head.split('\n').length;
  const errors = [...String(stdout).matchAll(/^\S*entries\.ts\((\d+),\d+\): error (.*)$/gm)];
  expect(errors.length > 0 || String(stdout) === '', String(stdout)).toBe(true);
  return errors.map(([, line, says]) => `${entries[Number(line) - first]}: ${says}`);
}

test("COMING-FROM.md: tilegrad's names exist", () => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/tilegrad'), 'junction');
  const compilerOptions = {
    module: 'NodeNext',
    target: 'ES2022',
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: [],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  const entries = entriesOf(readDocument('docs/COMING-FROM.md'));
  expect(entries.length).toBeGreaterThan(200);
  expect(mistakesIn(entries)).toEqual([]);
});

test('the compiler finds names, members and options that do not exist', () => {
  const wrong = ['new Adam({ epsilom: 1 })', 'nothing(x)', 'model.fitt', "new Activation('reluu')"];
  expect(mistakesIn(['relu(x)', ...wrong]).map((mistake) => mistake.split(': ')[0])).toEqual(
    wrong.map((code) => code.split(': ')[0]),
  );
});

test('COMING-FROM.md: every operator, layer, schedule and callback has an entry', () => {
  const text = entriesOf(readDocument('docs/COMING-FROM.md')).join('\n');
  const isLayerOrCallback = (value: unknown) =>
    typeof value === 'function' &&
    (value.prototype instanceof library.Layer ||
      /^on[A-Z]/m.test(Object.getOwnPropertyNames(value.prototype ?? {}).join('\n')));
  const names = [
    ...Object.keys(library.operators),
    ...Object.keys(library.schedules),
    ...Object.entries(library).flatMap(([name, value]) => (isLayerOrCallback(value) ? [name] : [])),
  ];
  expect(names.length).toBeGreaterThan(90);
  expect(names.filter((name) => !new RegExp(`\\b${name}\\(`).test(text))).toEqual([]);
});

test('COMING-FROM.md: what it calls missing is not exported; the alternative in parentheses is', () => {
  const [, missing] = readDocument('docs/COMING-FROM.md').split('## What is not supported\n');
  const names = [...missing!.replace(/\([^()]*(\([^()]*\)[^()]*)*\)/g, '').matchAll(/`(\w+)`/g)].map(
    ([, name]) => name!,
  );
  expect(names.length).toBeGreaterThan(60);
  expect(names.filter((name) => name in library)).toEqual([]);
});
