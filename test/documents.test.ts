import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformSync } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { main } from '../src/cli/cli.ts';
import type { LazyModules } from '../src/cli/lazy-modules.ts';
import { FakeIo } from './cli/fakes.ts';
import { solidPng } from './data/pictures.ts';
import { pretrainedFile } from './experiments/pretrained.ts';
import { kerasModels, kerasSamples, unpacked } from './golden/files/files.ts';
import { describeOnDevice } from './support/device.ts';
import { blocksOf, commandsOf, documents, programsOf, readDocument, root } from './support/documents.ts';
import { runToEnd } from './support/process.ts';

// Every block of code in every document is run, or has a reason why not. test/support/documents.ts explains the comments beside them.

/** A reader's folder with tilegrad and three packages installed, and the files that documents name. */
const folder = mkdtempSync(join(tmpdir(), 'tilegrad-documents-'));
afterAll(() => rmSync(folder, { recursive: true }));

function writeFixtures() {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/tilegrad'), 'junction');
  for (const name of ['csv-parse', 'sharp', 'webgpu'])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  mkdirSync(join(folder, 'weights'));
  pretrainedFile(join(folder, 'weights'), { alpha: 0.35, rows: 96 }); // drawn; the published weights stay out of the repository
  const { files, inputShape, outputs } = kerasModels.sequential;
  for (const name of ['model.h5', 'weights.h5']) writeFileSync(join(folder, name), unpacked(files['model-2.h5']));
  const samples = { shape: [3, ...inputShape], inputs: [...kerasSamples(3, inputShape)], outputs };
  writeFileSync(join(folder, 'model-outputs.json'), JSON.stringify(samples));
  for (let i = 0; i < 24; i++) {
    const [name, color] = i % 2 ? (['bluebell', [20, 30, 220 - i]] as const) : (['poppy', [220 - i, 30, 20]] as const);
    mkdirSync(join(folder, 'flowers', name), { recursive: true });
    writeFileSync(join(folder, 'flowers', name, `${i}.png`), solidPng(color, 40 + i, 36));
  }
  writeFileSync(join(folder, 'penguins.csv'), penguins());
}

/** Three species that differ in numbers and island. Of 120 rows, 8 lack a mass, 3 a flipper (one is text) and 4 a name. */
function penguins(): string {
  const rows = Array.from({ length: 120 }, (_, i) => {
    const kind = i % 3;
    const bill = 38 + 5 * kind + ((7 * i) % 31) / 10;
    const mass = i % 17 === 0 ? '' : 3500 + 700 * kind + ((211 * i) % 500);
    return `${['Adelie', 'Chinstrap', 'Gentoo'][kind]},"${['Biscoe, north', 'Dream'][i % 2]}",${bill},${190 + 15 * kind}, ${mass}`;
  });
  const change = (i: number, from: string, to: string) => {
    expect(rows[i]).toContain(from);
    rows[i] = rows[i]!.replace(from, to);
  };
  change(1, ',205,', ',NA,');
  change(2, ',220,', ',many,');
  change(3, 'Dream', '');
  change(4, '"Biscoe, north"', 'NA');
  change(5, 'Gentoo', '');
  change(6, 'Adelie', 'NA');
  change(7, ',205,', ',,');
  return ['species,island,bill,flipper,mass', ...rows].join('\n');
}

const all = documents.flatMap((path) => blocksOf(path));

test('blocks: each is a program or a shell script, or has a reason why it is not run', () => {
  expect(all.length).toBeGreaterThan(30);
  const strange = all.filter(
    ({ language, reason }) => !reason && !/^(js|ts|javascript|typescript|sh|bash)$/.test(language),
  );
  expect(strange.map(({ place }) => place)).toEqual([]);
});

test.each([
  ['```js\nx', 'outside of a closed fence'],
  ['text\n\n    indented()', 'outside of a closed fence'],
  ['<pre>code</pre>', 'outside of a closed fence'],
  ['<PRE>code</PRE>', 'outside of a closed fence'],
  ['text <code>indented();\nx</code>', 'outside of a closed fence'],
  ['> ```js\n> x\n> ```', 'outside of a closed fence'],
  ['>     indented()', 'outside of a closed fence'],
  ['- a\n\n\t```js\n\tx\n\t```', 'outside of a closed fence'],
  ['text\n\n\tindented()', 'outside of a closed fence'],
  ['text\n \t\n    indented()', 'outside of a closed fence'],
  ['    indented()', 'outside of a closed fence'],
  ['<!-- not run: -->\n```js\nx\n```', 'needs a reason'],
  ['<!-- before\nx -->\ntext\n```js\nx\n```', 'has no block'],
  ['```js\nx\n```\n<!-- before\nx -->', 'has no block'],
  ['```js\nx\n```\ntext\n<!-- after\nx -->', 'must follow its block'],
  ['<!-- continues -->\n```js\nx\n```', 'no block above'],
])('blocks: %j is rejected', (text, reason) => {
  expect(() => programsOf('page.md', text)).toThrow(reason);
});

test('blocks: HTML comments beside them are part of their program, in order', () => {
  const text =
    '<!-- before\nA -->\n\n```js\nB\n```\n<!-- after\nC -->\nText\n\n<!-- continues -->\n```ts\nD\n```\n\n```js\nE\n```\n';
  const programs = programsOf('page.md', text);
  expect(programs.map(({ code }) => code.match(/^ *[A-E]$/gm)?.map((line) => line.trim()))).toEqual([
    ['A', 'B', 'C', 'D'],
    ['E'],
  ]);
});

describeOnDevice('programs', () => {
  beforeAll(writeFixtures);
  test.each(documents.flatMap((path) => programsOf(path)))('$place', async ({ code }) => {
    const path = join(folder, 'program.mjs');
    writeFileSync(
      path,
      transformSync(code, {
        loader: 'ts',
        format: 'esm',
        tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
      }).code,
    );
    const env = { TILEGRAD_WEIGHTS: join(folder, 'weights'), TILEGRAD_CACHE: join(folder, 'cache') };
    const ended = await runToEnd([path], { cwd: folder, env });
    expect(ended.code, ended.err).toBe(0);
  });
});

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

/** The output of `tilegrad WORDS --help`; for unknown commands the list of commands. */
async function tilegradHelp(words: string[]): Promise<string> {
  const io = new FakeIo();
  const command = words.slice(0, words.findIndex((word) => word.startsWith('-')) >>> 0);
  await main(['node', 'tilegrad', ...command, '--help'], {} as LazyModules, io);
  return io.out;
}

/** The sources with the help of `npm run SCRIPT -- WORDS`: those of bench, or of a benchmark with a separate folder. */
function benchHelp(script: string, words: string[]): string {
  const sources =
    script === 'bench'
      ? words.find((word) => existsSync(join(root, 'bench', word, 'main.ts')))
      : script.replace('bench:', '');
  return readFileSync(join(root, 'bench', sources ? `${sources}/main.ts` : 'options.ts'), 'utf8');
}

/** What is wrong with a command line, or null. */
async function problemOf(line: string): Promise<string | null> {
  const [program, ...words] = line.replace(/^(\w+=\S* +)*/, '').split(/ +/);
  const options = words.filter((word) => /^--\w/.test(word)).map((word) => word.split('=')[0]!);
  const lacking = (help: string) => options.find((option) => !new RegExp(`${option}\\b`).test(help)) ?? null;
  const tilegrad =
    program === 'tilegrad' ? words : program === 'npx' && words[0] === 'tilegrad' ? words.slice(1) : null;
  if (tilegrad) {
    const help = await tilegradHelp(tilegrad);
    const [, command] = /^Usage: tilegrad ?([a-z ]*[a-z])/.exec(help) ?? [];
    if (tilegrad.length > 0 && (!command || !tilegrad.join(' ').startsWith(command))) return 'there is no such command';
    return lacking(help);
  }
  if (program === 'npm') {
    const [name, ...rest] = words.filter((word) => word !== 'run' && word !== '--silent' && word !== '--');
    if (words[0] !== 'run' && !['start', 'test'].includes(words[0]!)) return null; // npm's own
    const script = scripts[name!];
    if (script === undefined) return 'package.json has no such script';
    return rest.length > 0 && /^node bench/.test(script) ? lacking(benchHelp(name!, rest)) : null;
  }
  if (program === 'node' || (program === 'npx' && words[0] === 'vitest')) {
    const files = words.filter((word) => /[/.]/.test(word) && !word.startsWith('-'));
    return files.find((file) => !existsSync(join(root, file))) ?? null;
  }
  return /^(export|git|redis-server)$/.test(program!) ? null : 'the test knows no such program';
}

test('commands: each exists, with its options', async () => {
  const problems: string[] = [];
  for (const path of documents) {
    for (const line of commandsOf(path)) {
      const problem = await problemOf(line);
      if (problem !== null) problems.push(`${path}: ${line}: ${problem}`);
    }
  }
  expect(problems).toEqual([]);
});

test.each([
  'npx tilegrad frobnicate',
  'npx tilegrad run A1 --epoch 3',
  'npm run frobnicate',
  'npm run bench -- --onyl x',
  'npm run gpu -- --onyl x',
  'node nowhere.mjs',
  'rm -r x',
])('commands: %s is detected as wrong', async (line) => expect(await problemOf(line)).not.toBeNull());

test('README: its table of packages names every optional package, with the version of package.json', () => {
  const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const named = [...readDocument('README.md').matchAll(/(?<=[` ])(@?[\w/-]+)@([\d.]+)(?=[` ])/g)].map(
    ([, name, version]) => [name!, version!],
  );
  expect(named.map(([name]) => name).sort()).toEqual(Object.keys(peerDependencies).sort());
  for (const [name, version] of named)
    expect(`${peerDependencies[name!].replace(/^[\^~]/, '')}.`).toContain(`${version}.`);
});

describeOnDevice('commands', () => {
  test.each(['list', 'data list', 'doctor'])('npx tilegrad %s runs', async (words) => {
    expect(documents.flatMap(commandsOf)).toContain(`npx tilegrad ${words}`);
    const { code, err } = await runToEnd([join(root, 'bin/tilegrad.mjs'), ...words.split(' ')], { cwd: folder });
    expect(code, err).toBe(0);
  });
});
