import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bundle } from '../../scripts/build.mjs';
import { UsageError } from '../../src/base/errors.ts';
import { readSearchModule } from '../../src/cli/search-module.ts';
import { readReport } from '../../src/report/report-files.ts';
import { describeOnDevice } from '../support/device.ts';
import { runToEnd } from '../support/process.ts';

const MODULE = `
import { Adam, Dense, Sequential } from 'tilegrad/node';
export const searcher = 'RandomSearch';
export const options = { objective: 'valLoss', maxTrials: 3, seed: 4 };
const x = Float32Array.from({ length: 80 }, (_, i) => Math.sin(i * i));
export const data = { x, y: Array.from({ length: 40 }, (_, i) => Number(x[2 * i] > x[2 * i + 1])) };
export const fit = (device) => ({ epochs: device.info.name === '' ? 1 : 2, batchSize: 8, validationSplit: 0.25 });
export function buildModel(hp) {
  const learningRate = hp.float('learningRate', { min: 1e-3, max: 1, sampling: 'log' });
  return new Sequential([new Dense({ units: 3, activation: 'tanh', inputShape: [2] }), new Dense({ units: 2, activation: 'softmax' })])
    .compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
}
`;

describe('the module of a search', () => {
  const buildModel = () => {};
  const expectRefused = (exported: Record<string, unknown>, message: RegExp) => {
    expect(() => readSearchModule('own.mjs', exported)).toThrow(UsageError);
    expect(() => readSearchModule('own.mjs', exported)).toThrow(message);
  };

  test('throws if an export is missing or unknown', () => {
    expectRefused(
      { data: {} },
      /^own\.mjs: must export buildModel, a function of hp that returns a compiled model, but that is undefined$/,
    );
    expectRefused({ data: {}, build_model: buildModel }, /is build_model meant to be buildModel\?/);
    expectRefused({ buildModel }, /must export data, what model\.fit takes/);
    expectRefused(
      { buildModel, data: {}, searcher: 'Random' },
      /searcher must be one of RandomSearch, GridSearch, Hyperband, BayesianOptimization, but is "Random"/,
    );
    expectRefused({ buildModel, data: {}, options: 5 }, /options must be an object of options, but is 5/);
    expectRefused(
      { buildModel, data: {}, options: { directory: 'x' } },
      /options must be without directory, which the command decides/,
    );
    expectRefused(
      { buildModel, data: {} },
      /^own\.mjs: must export options with an objective, as in `export const options = /,
    );
    const wrongFit = { buildModel, data: {}, options: { objective: 'loss' }, fit: { batch_size: 8 } };
    expect(() => readSearchModule('own.mjs', wrongFit)).toThrow(
      /^own\.mjs: RandomSearch: search: there is no option batch_size; did you mean batchSize\?/,
    );
  });

  test('has the name of its file and RandomSearch as defaults', () => {
    const options = { objective: 'loss' };
    expect(readSearchModule('a/own.mjs', { buildModel, data: {}, options })).toMatchObject({
      name: 'own',
      searcher: 'RandomSearch',
      fit: {},
    });
    const { name } = readSearchModule('a/own.mjs', { buildModel, data: {}, options: { ...options, name: 'other' } });
    expect(name).toBe('other');
  });
});

describeOnDevice('tilegrad search', () => {
  const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));
  const built = join(cache, `tilegrad-search-test-${process.pid}`);
  beforeAll(() => bundle({ cli: 'src/cli/main.ts', node: 'src/node.ts' }, built));
  afterAll(() => rmSync(built, { recursive: true, force: true }));
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tilegrad-search-'));
    write();
  });
  const write = (change: (text: string) => string = (text) => text) =>
    writeFileSync(join(folder, 'own.mjs'), change(MODULE.replace('tilegrad/node', join(built, 'node.js'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const tilegrad = (words: string[], onError?: (err: string, interrupt: () => void) => void) =>
    runToEnd([join(built, 'cli.js'), 'search', 'own.mjs', ...words], { cwd: folder, onError });
  const folders = () => readdirSync(join(folder, 'runs'));

  test('prints the three summaries, and saves the search', async () => {
    const { code, out, err } = await tilegrad([]);
    expect(code, err).toBe(0);
    const [directory] = folders();
    expect(directory).toMatch(/^\d{8}-\d{6}-search-own$/);
    expect(out).toContain(
      '[Search space summary]\n|-Default search space size: 1\n> learningRate (Float)\n|-default: 0.001',
    );
    expect(out.match(/\[Trial summary\]/g)).toHaveLength(6); // when each trial ends, and in the results
    expect(out).toMatch(/\[Results summary\]\n\|-Results in runs\/\d{8}-\d{6}-search-own\n\|-Trials: 3 completed/);
    expect(out.match(/Epoch [12]\/2 {2}loss/g)).toHaveLength(6);
    const record = JSON.parse(readFileSync(join(folder, 'runs', directory!, 'search.json'), 'utf8'));
    expect(record).toMatchObject({ name: 'own', searcher: 'RandomSearch', seed: 4, fit: { epochs: 2 } });
    expect(record.trials).toHaveLength(3);
    expect(out).toContain(`Report:  runs/${directory}/report.html`);
    const { report } = readReport(join(folder, 'runs', directory!));
    expect(report).toMatchObject({
      id: 'own',
      status: 'finished',
      provenance: [{ command: 'npx tilegrad search own.mjs --seed 4' }],
    });
    const drawn = report.sections.flatMap(({ blocks }) =>
      blocks.flatMap((block) => (block.type === 'figure' ? block.figure.type : [])),
    );
    expect(drawn).toEqual(['parallel', 'panels', 'trials']);
    expect(JSON.stringify(report)).toContain('buildModel(new HyperParameters({ values }))');
    const best = record.trials.findIndex(
      ({ score }: { score: number }) => score === Math.min(...record.trials.map((one: { score: number }) => one.score)),
    );
    expect(out).toMatch(
      new RegExp(
        `the best model is (runs/[^/]*/weights/000${best}\\.safetensors), which loadModel\\('\\1', device\\) reads\n$`,
      ),
    );
    const progress = [...out.matchAll(/^\|-Trials done: (\d of 3)\n\|-Best so far: trial (\d), valLoss ([\d.e-]+)$/gm)];
    expect(progress.map(([, done]) => done)).toEqual(['1 of 3', '2 of 3', '3 of 3']);
    expect(progress.at(-1)!.slice(2)).toEqual([String(best), String(record.trials[best].score)]);
  });

  test('--resume continues after Ctrl-C with the same results, and beyond if maxTrials was raised', async () => {
    const whole = JSON.parse((await tilegrad(['--json', '--out', 'whole'])).out);
    const { number, score, values } = whole.best;
    expect({ number, score, values }).toEqual(
      (({ number, score, values }) => ({ number, score, values }))(whole.trials[number]),
    );
    expect(score).toBe(Math.min(...whole.trials.map((one: { score: number }) => one.score)));
    expect(existsSync(join(folder, whole.best.weights))).toBe(true);
    let isCut = false;
    const interrupted = await tilegrad(['--json', '--out', 'cut'], (err, interrupt) => {
      if (isCut || !err.includes('Epoch 1/2')) return;
      isCut = true;
      interrupt();
    });
    expect(interrupted.code, interrupted.err).toBe(1);
    expect(interrupted.err).toMatch(
      /error: RandomSearch: stopped on request; \d trials are saved in cut\/.*: `npx tilegrad search own\.mjs --resume cut\//,
    );
    const [cut] = readdirSync(join(folder, 'cut'));
    const path = join(folder, 'cut', cut!);
    // A search that stopped in its first trial has nothing to report.
    if (existsSync(join(path, 'trials'))) expect(readReport(path).report.status).toBe('interrupted');
    else expect(existsSync(join(path, 'report.html'))).toBe(false);
    const resumed = await tilegrad(['--json', '--out', 'cut', '--resume']);
    expect(resumed.code, resumed.err).toBe(0);
    const scores = ({ trials }: { trials: { score: number }[] }) => trials.map(({ score }) => score);
    const record = JSON.parse(resumed.out);
    expect(scores(record)).toEqual(scores(whole));
    write((text) => text.replace('maxTrials: 3', 'maxTrials: 4'));
    const longer = JSON.parse((await tilegrad(['--json', '--resume', record.directory])).out);
    expect(scores(longer).slice(0, 3)).toEqual(scores(whole));
    expect(longer.trials).toHaveLength(4);
  });

  test('--resume uses the seed of the search if none is given', async () => {
    const first = await tilegrad(['--json', '--seed', '9']);
    expect(first.code, first.err).toBe(0);
    const { directory, seed, trials } = JSON.parse(first.out);
    expect(seed).toBe(9);
    const resumed = await tilegrad(['--json', '--resume', directory]);
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.err).toContain('Seed:    9, with which the search was started');
    expect(JSON.parse(resumed.out).trials).toEqual(trials);
    const other = await tilegrad(['--resume', directory, '--seed', '8']);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('seed was 9 and is 8')]);
  });

  test('together: trials are trained together; a name with odd characters becomes a folder name', async () => {
    write((text) => text.replace('maxTrials: 3', "maxTrials: 3, together: 3, name: '../a/b'"));
    let isCut = false;
    const cut = await tilegrad(['--json'], (err, interrupt) => {
      if (isCut || !err.includes('Epoch 1/2')) return;
      isCut = true;
      interrupt();
    });
    expect(cut.code, cut.err).toBe(1);
    expect(cut.err).toMatch(/^Trial 2 {2}Epoch 1\/2 {2}loss/m);
    const [directory] = folders();
    expect(directory).toMatch(/^\d{8}-\d{6}-search-\.\.-a-b$/);
    expect(readdirSync(join(folder, 'runs', directory!, 'backups'))).toEqual(['together-0-1-2.safetensors']);
  });

  test("an error thrown by the module's code is not reported as a bug of tilegrad", async () => {
    const expectFailure = async (change: (text: string) => string, message: RegExp) => {
      write(change);
      const { code, err } = await tilegrad([]);
      expect([code === 1 || code === 2, err]).toEqual([true, expect.stringMatching(message)]);
      expect(err).not.toContain('bug in tilegrad');
    };
    await expectFailure((text) => `${text}const = 5;`, /^error: own\.mjs:\d+: it cannot be loaded: SyntaxError: /m);
    await expectFailure(
      (text) => `throw new Error('at once');${text}`,
      /own\.mjs:1: it cannot be loaded: Error: at once/,
    );
    await expectFailure(
      (text) => text.replace('buildModel(hp) {', "buildModel(hp) { throw new TypeError('boo');"),
      /own\.mjs:8: in buildModel: TypeError: boo/,
    );
    await expectFailure(
      (text) => text.replace(/export const fit = .*/, 'export const fit = async () => {};'),
      /own\.mjs: the function fit must return an object of options, but returned undefined/,
    );
    await expectFailure(
      (text) => text.replace('batchSize: 8', 'callbacks: [{}]'),
      /RandomSearch: search: callbacks have state.* but a list was given/,
    );
    await expectFailure(
      (text) => text.replace(/export const data = .*/, "export const data = async () => { throw new Error('gone'); };"),
      /own\.mjs:\d+: in data: Error: gone/,
    );
  }, 120_000);

  test('failed trials stay failed: the error has their lines, and how to continue after them', async () => {
    write((text) => text.replace('batchSize: 8', "callbacks: () => { throw new Error('worn'); }"));
    const { code, err } = await tilegrad([]);
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error: RandomSearch: 3 trials in a row, 0 to 2, failed, the last with: UsageError: own\.mjs:7: in callbacks: Error: worn\. Failed trials are not repeated: .*: `npx tilegrad search own\.mjs --resume runs\/\d{8}-\d{6}-search-own`$/m,
    );
  });

  test('--help lists what hp has, the callbacks, and how the best model is loaded', async () => {
    const { code, out } = await runToEnd([join(built, 'cli.js'), 'search', '--help'], { cwd: folder });
    expect(code).toBe(0);
    for (const word of [
      "choice('activation'",
      'boolean',
      'conditionalScope(',
      'callbacks: () => [new',
      'maxEpochs',
      'loadModel(',
    ]) {
      expect(out).toContain(word);
    }
  });

  test('exits with a typed error for invalid input, and creates no folder', async () => {
    const missing = await runToEnd([join(built, 'cli.js'), 'search', 'none.mjs'], { cwd: folder });
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('search: there is no file none.mjs')]);
    const none = await tilegrad(['--resume']);
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('--resume: there is no search own in runs')]);
    write((text) =>
      text.replace(/function buildModel.*/, "$&\n  if (hp.asked.length === 0) throw new TypeError('boo');"),
    );
    const broken = await tilegrad([]);
    expect([broken.code, broken.err]).toEqual([
      2,
      expect.stringMatching(/^error: own\.mjs:9: in buildModel: TypeError: boo$/m),
    ]);
    write((text) => text.replace('valLoss', 'good'));
    const wrong = await tilegrad(['--json']);
    expect([wrong.code, JSON.parse(wrong.out).error.code]).toEqual([1, 'ARGUMENT']);
    expect(folders()).toEqual([]);
    mkdirSync(join(folder, 'empty'));
    const empty = await tilegrad(['--resume', 'empty']);
    expect([empty.code, empty.err]).toEqual([2, expect.stringContaining('there is no search in this folder')]);
  });
});
