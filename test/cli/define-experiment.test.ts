import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ArgumentError } from '../../src/base/errors.ts';
import { defineExperiment } from '../../src/cli/define-experiment.ts';
import { codeHash, isFile } from '../../src/cli/experiment-module.ts';
import { readReport, readRunRecord } from '../../src/report/report-files.ts';
import { tilegrad } from './fakes.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tilegrad-own-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a file into the test's folder, under a new name each time: Node loads a module once. */
let files = 0;
function write(text: string, name = `mine-${files++}.mjs`): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

/** A file cannot import the fake model, so this experiment only computes cached results. */
const mine = (run: string, more = '') =>
  `export default { id: 'my-mlp', title: 'Mine', ${more} async run(context) { ${run} } };`;
const counted = mine(
  "const found = await context.cached('count', async () => ({ epochs: context.settings.epochs, seed: context.seed })); " +
    "return [{ title: 'Results', blocks: [{ type: 'text', text: 'epochs ' + found.epochs + ', seed ' + found.seed }] }];",
  'scales: { full: { epochs: 4 }, smoke: { epochs: 2 } },',
);

const run = (file: string, ...words: string[]) => tilegrad(['run', file, '--out', join(folder, 'runs'), ...words]);
const runs = () => readdirSync(join(folder, 'runs')).map((name) => join(folder, 'runs', name));

describe('an experiment in a file', () => {
  test('has a run folder, record and report like any other, with its id and settings', async () => {
    const file = write(counted);
    const { code, out, err } = await run(file, '--seed', '7');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('my-mlp: Mine\n');
    expect(out).toContain('epochs 4, seed 7');
    const [runFolder] = runs() as [string];
    expect(runFolder).toMatch(/\d{8}-\d{6}-my-mlp$/);
    const record = readRunRecord(runFolder);
    expect(record).toMatchObject({
      ...{ id: 'my-mlp', title: 'Mine', question: ['Mine'], status: 'finished', data: {}, code: codeHash(file) },
      request: { file, scale: 'full', seed: 7 },
      command: `npx tilegrad run ${file} --scale full --seed 7`,
      rows: [{ id: 'my-mlp', settings: { epochs: 4, batchSize: 32, replicas: 1 }, reduced: [] }],
    });
    const { report } = readReport(runFolder);
    expect(report.provenance[0]!.settings).not.toHaveProperty('Data');
    const again = await run(file, '--resume', runFolder, '--json');
    expect(again.code, again.err).toBe(0);
    expect(again.err).toContain('count is done already');
  });

  test('context.part is the old name of context.cached', async () => {
    const file = write(
      mine(
        "return [{ title: 'Results', blocks: [{ type: 'text', text: 'the same: ' + (context.part === context.cached) }] }];",
      ),
    );
    expect((await run(file)).out).toContain('the same: true');
  });

  test('uses scales and the options of the command line', async () => {
    const file = write(counted);
    expect((await run(file, '--scale', 'smoke')).out).toContain('epochs 2, seed 1');
    const { out } = await run(file, '--scale', 'smoke', '--epochs', '9');
    expect(out).toContain('epochs 9, seed 1');
    expect(out).toContain('epochs 9 instead of 4');
  });

  test('writes two plots of one kind into separate files', async () => {
    const figure = { type: 'bars', name: 'bars', title: 'T', x: { label: 'x' }, y: { label: 'y' } };
    const block = { type: 'figure', figure: { ...figure, bars: [{ category: 'a', value: 1, group: '' }] } };
    const sections = ['A', 'B'].map((title) => ({ title, blocks: [block] }));
    const { code, err } = await run(write(mine(`return ${JSON.stringify(sections)};`)));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const drawn = readdirSync(join(runs()[0]!, 'figures')).filter((name) => name.endsWith('.svg'));
    expect(drawn).toEqual(['bars-2.svg', 'bars.svg']);
  });

  test('does not mention published metrics if it has none', async () => {
    const file = write(counted);
    const plain = await run(file, '--epochs', '3');
    expect(plain.out).toContain('Reduced or changed:\n  - epochs 3 instead of 4');
    expect(plain.out).not.toContain('published');
  });

  test('is not run if a setting is misspelled', async () => {
    const { code, err } = await run(write(counted.replace('epochs: 4', 'epoch: 4')));
    expect(code).toBe(2);
    expect(err).toContain('defineExperiment: scales.full: there is no setting epoch; did you mean epochs?');
    expect(existsSync(join(folder, 'runs'))).toBe(false);
  });

  test('resumes by its file after an error, and the message names the file', async () => {
    const file = write(mine("context.note('x'); throw new Error('on line 1');"));
    const failed = await run(file);
    expect(failed.code).toBe(2);
    expect(failed.err).toContain(`${file}: in run: Error: on line 1`);
    expect(failed.err).not.toContain('bug in tilegrad');
    const [runFolder] = runs() as [string];
    expect(readRunRecord(runFolder).status).toBe('failed');
    const other = await run('A1', '--resume', runFolder);
    expect(other.err).toContain(
      `this is a run of my-mlp, not of A1. Resume it with \`npx tilegrad run ${file} --resume`,
    );
  });

  test('is not resumed if it or a file it imports has changed, except with --accept-changes', async () => {
    write("export const text = 'one';", 'helper.mjs');
    const body = counted.replace("'epochs '", "text + ': epochs '");
    const file = write(`import { text } from './helper.mjs'; ${body}`);
    expect((await run(file)).out).toContain('one: epochs 4');
    const [runFolder] = runs() as [string];
    const before = codeHash(file);
    for (const change of [
      () => write("export const text = 'two';", 'helper.mjs'),
      () => writeFileSync(file, `// a word\n${readFileSync(file, 'utf8')}`),
    ]) {
      change();
      expect(codeHash(file)).not.toBe(before);
      const { code, err } = await run(file, '--resume', runFolder);
      expect(code).toBe(1);
      expect(err).toContain(
        `--resume ${runFolder}: ${file}, or a file that it imports, has changed since that run was started`,
      );
      expect(err).toContain('--accept-changes');
    }
    const accepted = await run(file, '--resume', runFolder, '--accept-changes');
    expect(accepted.code, accepted.err).toBe(0);
    expect(readRunRecord(runFolder).code).toBe(codeHash(file));
    expect((await run(file, '--resume', runFolder)).code).toBe(0); // the accepted version is now the one of the run
  });

  test("exits with an error for --workers, --profile, --accept-changes without --resume, and an id of tilegrad's", async () => {
    const file = write(counted);
    expect((await run(file, '--workers', 'redis://localhost')).err).toContain(
      '--workers: workers have the experiments that come with',
    );
    expect((await run(file, '--profile')).err).toContain(
      '--profile: takes an experiment with its own network and data set',
    );
    expect((await run(file, '--accept-changes')).err).toContain('--accept-changes is for --resume');
    expect((await tilegrad(['run', 'A1', '--accept-changes', '--out', folder])).err).toContain(
      '--accept-changes is for',
    );
    const { code, err } = await run(write(counted.replace('my-mlp', 'a1')));
    expect(code).toBe(2);
    expect(err).toContain('tilegrad has an experiment with the id a1, LeNet-5 on CIFAR-10; use another id');
  });
});

describe('a file that holds no experiment', () => {
  const cases: [what: string, file: () => string, says: RegExp][] = [
    [
      'that is not there',
      () => join(folder, 'none.mjs'),
      /^error: run: there is no file .*none\.mjs; name a module \(\.mjs\)/,
    ],
    [
      'that is a folder',
      () => folder,
      /^error: run: .* is a folder; name the module in it, as in `npx tilegrad run .*\/FILE\.mjs`/,
    ],
    ['with a syntax error', () => write('\nexport default {'), /: it cannot be loaded: /],
    ['that throws', () => write("\n\nthrow new Error('oh');"), /: it cannot be loaded: Error: oh/],
    [
      'whose import is not there',
      () => write("\nimport './none.mjs';"),
      /it cannot be loaded: Error: Cannot find module/,
    ],
    [
      'whose package is not there',
      () => write("import 'no-such-package';"),
      /it cannot be loaded: .*; install it, with npm install no-such-package/,
    ],
    [
      'without a default export',
      () => write('export const experiment = {};'),
      /must export an experiment as its default, .*, but it exports experiment/,
    ],
    ['without any export', () => write(''), /as its default, .*, but it exports nothing/],
    [
      'that exports a function',
      () => write('export default () => {};'),
      /its default export must be an experiment, .* but is/,
    ],
    [
      'that exports a promise',
      () => write('export default Promise.resolve({});'),
      /must be an experiment, .* a Promise, to be awaited/,
    ],
    ['that exports a list', () => write('export default [];'), /defineExperiment: options must be an object/],
    ['without an id', () => write("export default { title: 'x', run() {} };"), /defineExperiment: id must be text/],
    [
      'with an id for no folder',
      () => write("export default { id: '../x', title: 'x', run() {} };"),
      /id must be letters, digits and hyphens/,
    ],
    [
      'without run',
      () => write("export default { id: 'x', title: 'x' };"),
      /defineExperiment: run: takes a function, but was given undefined/,
    ],
    [
      'with an option misspelled',
      () => write("export default { id: 'x', titel: 'x', run() {} };"),
      /there is no option titel; did you mean title\?/,
    ],
    [
      'whose run returns nothing',
      () => write(mine('')),
      /run must return the sections of its report, .* but returned undefined/,
    ],
    ['whose run returns no sections', () => write(mine('return [1];')), /but returned \[1\]/],
  ];
  test.each(cases)('%s', async (_, file, says) => {
    const { code, err } = await run(file());
    expect(code).toBe(2);
    expect(err.split('\n').slice(-3).join('\n')).toMatch(says);
    expect(err).not.toContain('bug in tilegrad');
  });

  test('isFile: a slash or a file extension distinguishes a file from an experiment of tilegrad', () => {
    for (const name of ['./x', 'a/b', 'x.mjs', 'x.js', 'X.TS', 'x.mts', 'x.jsx', 'C:\\x'])
      expect(isFile(name)).toBe(true);
    for (const name of ['A1', 'lenet', 'my-mlp', 'x.json']) expect(isFile(name)).toBe(false);
  });
});

describe('defineExperiment', () => {
  const run = async () => [];
  const base = { id: 'x', title: 'X', run };

  test('sets defaults for missing options, and returns the same if called again', () => {
    const defined = defineExperiment(base);
    expect(defined).toMatchObject({
      question: ['X'],
      published: '',
      datasets: [],
      scales: { full: { epochs: 1, batchSize: 32, replicas: 1 } },
    });
    expect(defineExperiment(defined)).toEqual(defined);
    const custom = defineExperiment({
      ...base,
      question: 'Why?',
      scales: { full: { epochs: 9, widths: [1] }, smoke: { limit: 5 } },
    } as Parameters<typeof defineExperiment>[0]);
    expect(custom).toMatchObject({
      question: ['Why?'],
      scales: { full: { epochs: 9, widths: [1] }, smoke: { limit: 5 } },
    });
  });

  test('takes custom settings in addition to those of every run', () => {
    const full = {
      units: 8,
      lr: 0.1,
      rate: 0.5,
      momentum: 0.9,
      headEpochs: 2,
      unit: 'm',
      out: 1,
      widths: [1, 2],
      on: true,
    };
    const scales = { full, smoke: { units: 2, widths: [], extra: { a: null } } };
    const defined = defineExperiment({ ...base, scales } as Parameters<typeof defineExperiment>[0]);
    expect(defined.scales).toEqual({ ...scales, full: { epochs: 1, batchSize: 32, replicas: 1, ...full } });
  });

  test.each([
    [{ datasets: ['imagenet'] }, /datasets are of cifar10, mnist, fashion-mnist, but "imagenet" was given/],
    [{ datasets: 'mnist' }, /datasets must be a list of texts/],
    [{ scales: { full: { epochs: 0 } } }, /scales\.full: epochs must be an integer from 1, but is 0/],
    [{ scales: { full: { learningRate: -1 } } }, /learningRate must be a number above 0/],
    [{ scales: { fulll: {} } }, /there is no option fulll; did you mean full\?/],
    [
      { scales: { full: { epoch: 5 } } },
      /scales\.full: there is no setting epoch; did you mean epochs\? Otherwise give/,
    ],
    [{ scales: { full: { batch_size: 5 } } }, /there is no setting batch_size; did you mean batchSize\?/],
    [{ scales: { full: { replica: 2 } } }, /there is no setting replica; did you mean replicas\?/],
    [{ scales: { full: {}, short: { limits: 2 } } }, /scales\.short: there is no setting limits; did you mean limit\?/],
    [{ scales: { full: {}, smoke: { testlimit: 2 } } }, /scales\.smoke: .* testlimit; did you mean testLimit\?/],
    [{ scales: { full: { learningrate: 2 } } }, /there is no setting learningrate; did you mean learningRate\?/],
    [{ scales: { full: { cuts: ['a'] } } }, /there is no setting cuts; did you mean cut\?/],
    [{ scales: { full: { widths: [1] }, smoke: { width: [1] } } }, /no setting width; did you mean widths\?/],
    [{ scales: { full: { make: () => 1 } } }, /scales\.full: make must be what JSON holds.* but is \(\) => 1/],
    [{ scales: { full: { widths: [new Map()] } } }, /scales\.full: widths must be what JSON holds/],
    [{ scales: { full: { rate: Number.NaN } } }, /scales\.full: rate must be what JSON holds.*NaN/],
    [{ scales: { full: 5 } }, /scales\.full must be an object/],
    [{ networks: [{}] }, /networks must be a list of \{ createModel, compile \}/],
    [{ question: [''] }, /question must be text that is not empty/],
    [{ published: 5 }, /published must be text/],
  ])('throws for %j', (change, says) => {
    expect(() => defineExperiment({ ...base, ...change } as Parameters<typeof defineExperiment>[0])).toThrow(
      ArgumentError,
    );
    expect(() => defineExperiment({ ...base, ...change } as Parameters<typeof defineExperiment>[0])).toThrow(says);
  });
});

test('codeHash: covers the file and what it imports by relative paths, also if imports are circular', () => {
  mkdirSync(join(folder, 'lib'));
  write("export * from './lib/a.mjs'; import 'node:fs';", 'main.mjs');
  write("import '../main.mjs'; export { b } from './b.mjs';", 'lib/a.mjs');
  write('export const b = 1;', 'lib/b.mjs');
  const main = join(folder, 'main.mjs');
  const before = codeHash(main);
  expect(codeHash(main)).toBe(before);
  write('export const b = 2;', 'lib/b.mjs');
  expect(codeHash(main)).not.toBe(before);
  write('export const b = 1;', 'lib/b.mjs');
  expect(codeHash(main)).toBe(before);
});
