import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { experiments } from '../../experiments/index.ts';
import { readResults } from '../../src/cli/results.ts';
import { compare, measuredRow, section } from '../../src/report/blocks.ts';
import { resultsDocument } from '../../src/report/results.ts';
import type { ExperimentRecord, RunRecord } from '../../src/report/run-record.ts';
import { rowRecord, runRecordOf, trainingOf } from '../report/samples.ts';
import { tilegrad } from './fakes.ts';

const docs = fileURLToPath(new URL('../../docs', import.meta.url));

describe('docs/RESULTS.md', () => {
  const results = readResults(join(docs, 'results'));

  test('is what the program writes from docs/results', () => {
    expect(readFileSync(join(docs, 'RESULTS.md'), 'utf8')).toBe(resultsDocument(results));
  });

  test('has experiments that exist, under their titles', () => {
    const titles = new Map(experiments.map(({ id, title }) => [id, title]));
    expect(results.filter(({ id, title }) => titles.get(id) !== title)).toEqual([]);
  });
});

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tilegrad-results-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

/** A run's folder with a record of these experiments. */
function runOf(name: string, rows: ExperimentRecord[], changes: Partial<RunRecord> = {}): string {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'run.json'), JSON.stringify(runRecordOf(rows, changes)));
  return folder;
}

const row = (id: string, ours: number[], changes: Partial<ExperimentRecord> = {}) =>
  rowRecord({
    id,
    title: `what ${id} | is`,
    seeds: ours.map((_, i) => i + 1),
    sections: [
      section(
        'Results',
        compare([measuredRow('test accuracy', 0.6, ours, { why: 'theirs was one training' })]),
        compare([{ label: 'error', published: '0.01 to 0.04', ours: 0.02, unit: 'number' }], 'ten runs'),
      ),
    ],
    ...changes,
  });

const results = (...words: string[]) => tilegrad(['results', ...words, '--docs', join(out, 'docs')]);
const readDocument = () => readFileSync(join(out, 'docs', 'RESULTS.md'), 'utf8');

describe('tilegrad results', () => {
  test('saves a file for each experiment and writes one table of all, in the order of the experiments', async () => {
    await results(runOf('one', [row('A10', [0.6, 0.61, 0.62])]));
    const {
      code,
      out: text,
      log,
    } = await results(runOf('two', [row('A2', [0.5]), row('B1', [0.6], { status: 'interrupted' })]));
    expect({ code, engineLoads: log.engineLoads }).toEqual({ code: 0, engineLoads: 0 });
    expect(text).toContain('with 2 rows, 1 of them new: A2');
    expect(readdirSync(join(out, 'docs', 'results'))).toEqual(['A10.json', 'A2.json']);
    const lines = readDocument()
      .split('\n')
      .filter((line) => line.startsWith('|'));
    expect(lines.slice(2)).toEqual([
      '| **A2** | **what A2 \\| is** |  |  |  | 1 | full | llvmpipe (CPU) | 1 min 00 s |',
      '|  | test accuracy | 0.6000 | 0.5000 | -10.00 points ! |  |  |  |  |',
      '|  | ten runs: error | 0.01 to 0.04 | 0.02 |  |  |  |  |  |',
      '| **A10** | **what A10 \\| is** |  |  |  | 1 to 3, 3 runs | full | llvmpipe (CPU) | 1 min 00 s |',
      '|  | test accuracy | 0.6000 | 0.6100 (sd 0.0100, 3 runs) | +1.00 points |  |  |  |  |',
      '|  | ten runs: error | 0.01 to 0.04 | 0.02 |  |  |  |  |  |',
    ]);
    expect(readDocument()).toContain('- A2, test accuracy: theirs was one training.');
    expect(readDocument()).toContain('software adapter: the kernels run on the CPU); 2026-11-20; tilegrad 0.1.0');
    expect(resultsDocument(readResults(join(out, 'docs', 'results')))).toBe(readDocument());
  });

  test('states what was reduced, or that no reason is known', async () => {
    const off = [section('Results', compare([measuredRow('test accuracy', 0.6, [0.1])]))];
    await results(runOf('one', [row('A1', [0.1], { sections: off })]));
    expect(readDocument()).toContain('- A1, test accuracy: no reason is known.');
    rmSync(join(out, 'docs'), { recursive: true });
    const cut = row('A1', [0.1], { sections: off, reduced: ['epochs 1 instead of 10'] });
    await results(runOf('one', [cut]));
    expect(readDocument()).toContain('- A1, test accuracy: see what was reduced.');
    expect(readDocument()).toContain('- A1: epochs 1 instead of 10');
  });

  test('a smaller scale does not replace a larger one', async () => {
    await results(runOf('one', [row('A1', [0.6])]));
    const before = readDocument();
    const short = runOf('two', [row('A1', [0.1])], { request: { id: 'A1', scale: 'short', seed: 1 } });
    const { code, err } = await results(short);
    expect(code).toBe(2);
    expect(err).toContain('A1.json is of scale full, and the run of scale short');
    expect(readDocument()).toBe(before);
  });

  test('a reduced result does not replace a complete one, saved or from another run; a complete one replaces a reduced one', async () => {
    const cut = runOf('cut', [row('A1', [0.1], { reduced: ['epochs 1 instead of 10', 'the first 512 images only'] })]);
    const whole = runOf('whole', [row('A1', [0.6])]);
    expect((await results(cut)).code).toBe(0);
    expect((await results(whole, cut)).out).toContain('with 1 rows, 1 of them new: A1');
    const before = readDocument();
    expect(before).toContain('| test accuracy | 0.6000 | 0.6000 |');
    const { code, out: text, err } = await results(cut);
    expect({ code, text }).toEqual({ code: 2, text: '' });
    expect(err).toContain(
      'A1.json is of scale full, and the run of scale full, reduced or changed (epochs 1 instead of 10; the first 512 images only): delete',
    );
    expect(readDocument()).toBe(before);
  });

  test('of several runs of an experiment, the most complete counts, and of those the last', async () => {
    const request = (scale: 'full' | 'short') => ({ request: { id: 'A1', scale, seed: 1 } });
    const runs = [
      runOf('one', [row('A1', [0.61])], request('full')),
      runOf('two', [row('A1', [0.62])], request('full')),
      runOf('three', [row('A1', [0.63])], request('short')),
    ];
    const { code, out: text } = await results(...runs);
    expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining('with 1 rows, 1 of them new: A1') });
    expect(readDocument()).toContain('| test accuracy | 0.6000 | 0.6200 |');
  });

  test('a run with a model whose loss is not a finite number is left out, with a note', async () => {
    const entry = { ...trainingOf({ seeds: [2] }), row: 'A1', status: 'finished', kept: false } as const;
    const bad = runOf('bad', [row('A1', [0.5])], { trainings: [{ ...entry, diverged: [2] }] });
    const { code, err } = await results(bad, runOf('good', [row('A2', [0.6])]));
    expect(code).toBe(0);
    expect(err).toMatch(/bad is left out: training .* not a finite number at the end/);
    expect(readdirSync(join(out, 'docs', 'results'))).toEqual(['A2.json']);
  });

  test('throws if docs/results is a file', async () => {
    mkdirSync(join(out, 'docs'));
    writeFileSync(join(out, 'docs', 'results'), '');
    const { code, err } = await results(runOf('one', [row('A1', [0.6])]));
    expect(code).toBe(1);
    expect(err).toContain('a part of the path is a file');
  });

  test.each([
    [
      'an experiment whose id leads out of the folder',
      [row('../../../evil', [0.6])],
      {},
      'rows.0.id: the id of an experiment',
    ],
    [
      'an experiment without information about its data set',
      [row('A1', [0.6])],
      { data: {} },
      'data: has no entry for a data set',
    ],
    [
      'an experiment whose data set is named like a method',
      [row('A1', [0.6], { datasets: ['valueOf'] })],
      {},
      'data: has no entry',
    ],
  ] as [string, ExperimentRecord[], Partial<RunRecord>, string][])(
    'throws for %s, and writes nothing',
    async (_what, rows, changes, says) => {
      const run = runOf('one', rows, changes);
      const { code, err } = await results(run);
      expect(code).toBe(1);
      expect(err).toContain(`error: ${join(run, 'run.json')} is not a run record of tilegrad: ${says}`);
      expect(err).not.toContain('internal');
      expect(readdirSync(out)).toEqual(['one']);
    },
  );

  test('throws for a saved result whose id leads out of the folder', async () => {
    await results(runOf('one', [row('A1', [0.6])]));
    const kept = join(out, 'docs', 'results', 'A1.json');
    writeFileSync(kept, readFileSync(kept, 'utf8').replace('"A1"', '"../../evil"'));
    const { code, err } = await results();
    expect(code).toBe(1);
    expect(err).toContain('A1.json is not a result of tilegrad: id: the id of an experiment');
  });

  test('throws for a folder without a run, and for a truncated result', async () => {
    expect((await results(join(out, 'nowhere'))).err).toContain('there is no');
    await results(runOf('one', [row('A1', [0.6])]));
    writeFileSync(join(out, 'docs', 'results', 'A1.json'), '{"kind":');
    const { code, err } = await results();
    expect(code).toBe(1);
    expect(err).toContain('cut short');
  });
});
