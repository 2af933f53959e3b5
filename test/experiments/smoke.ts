import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { courseworks, experiments } from '../../experiments/index.ts';
import { main } from '../../src/cli/cli.ts';
import { lazyModules } from '../../src/cli/lazy-modules.ts';
import { experimentsOf } from '../../src/cli/run-target.ts';
import { loadDataset } from '../../src/data/files.ts';
import { comparisonText } from '../../src/report/comparison.ts';
import type { Report } from '../../src/report/content.ts';
import { readReport, readRunRecord } from '../../src/report/report-files.ts';
import type { RunRecord } from '../../src/report/run-record.ts';
import { FakeIo } from '../cli/fakes.ts';
import { describeOnDevice } from '../support/device.ts';
import { fashionFiles } from './fashion.ts';
import { pretrainedFile } from './pretrained.ts';

// Shared by smoke-*.test.ts: every experiment on the real engine, with the images of the repository, at the smallest scale.

const root = mkdtempSync(join(tmpdir(), 'tilegrad-rows-'));
beforeAll(() => {
  // The user's data and tuner cache must not affect the tests. Fashion-MNIST, which has no sample, and weights are random.
  vi.stubEnv('TILEGRAD_CACHE', join(root, 'cache'));
  vi.stubEnv('TILEGRAD_DATA', '');
  fashionFiles(join(root, 'cache', 'fashion-mnist'));
  vi.stubEnv('TILEGRAD_WEIGHTS', root);
  pretrainedFile(root);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

/** Runs a command with results in a folder of this test file. */
export async function tilegrad(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = new FakeIo();
  const code = await main(['node', 'tilegrad', ...words, '--out', join(root, 'runs')], lazyModules, io);
  return { code, out: io.out, err: io.err };
}

/** Tests of all experiments of a coursework. */
export function testCoursework(id: string): void {
  describeOnDevice(`coursework ${id} at scale smoke`, () => {
    const rows = experimentsOf(courseworks.find((one) => one.id === id)!, experiments);
    let folder = '';
    let record: RunRecord;
    let report: Report;
    beforeAll(async () => {
      const { code, err } = await tilegrad('run', id, '--scale', 'smoke');
      expect({ code, err }).toEqual({ code: 0, err: '' });
      folder = join(root, 'runs', readdirSync(join(root, 'runs')).find((name) => name.endsWith(`-${id}`))!);
      record = readRunRecord(folder); // as the schema has it
      report = readReport(folder).report;
    });

    test.each(rows.map((row) => [row.id, row] as const))(
      '%s has comparisons and figures, and states what was reduced',
      (rowId, row) => {
        const done = record.rows.find((one) => one.id === rowId)!;
        expect(done).toMatchObject({ status: 'finished', title: row.title });
        expect(done.reduced.length).toBeGreaterThan(0);
        const blocks = done.sections.flatMap((one) => one.blocks);
        const compared = blocks.flatMap((one) => (one.type === 'comparison' ? one.rows : []));
        expect(compared.length).toBeGreaterThan(0);
        expect(compared.filter(({ ours }) => ours === null)).toEqual([]);
        expect(compared.filter(({ published }) => published === null).length).toBeLessThan(compared.length);
        expect(blocks.some(({ type }) => type === 'figure')).toBe(true);
        // With a few images every metric is far from the published one, so it is not marked.
        expect(compared.filter((one) => comparisonText(one).isOff)).toEqual([]);
      },
    );

    test('confusion matrices have true classes by row, with as many images of each as the data', async () => {
      const figures = report.sections.flatMap(({ blocks }) =>
        blocks.flatMap((block) => (block.type === 'figure' && block.figure.type === 'confusion' ? [block.figure] : [])),
      );
      for (const { rows, columns } of figures) expect([rows, columns]).toEqual(['true class', 'predicted class']);
      if (id === 'D') {
        const labels = Array.from((await loadDataset('mnist')).test.labels);
        const [{ counts }] = figures as [(typeof figures)[number]];
        const { testLimit } = record.rows[0]!.settings as { testLimit: number };
        const perClass = counts.map((_, digit) => labels.slice(0, testLimit).filter((label) => label === digit).length);
        expect(counts.map((row) => row.reduce((sum, n) => sum + n, 0))).toEqual(perClass);
      }
    });

    test('the report has a section for each experiment, and is one file', () => {
      const titles = report.sections.map(({ title }) => title);
      expect(titles).toEqual(['Overview', ...rows.map((row) => `${row.id}: ${row.title}`)]);
      const page = readFileSync(join(folder, 'report.html'), 'utf8');
      expect(page).not.toMatch(/<script|src="http|href="http|url\(http/);
      expect(existsSync(join(folder, 'backups')) ? readdirSync(join(folder, 'backups')) : []).toEqual([]);
    });

    test('the report is written again from saved results without training', async () => {
      const { code, out } = await tilegrad('run', id, '--resume', folder, '--json');
      expect(code).toBe(0);
      const again = JSON.parse(out) as RunRecord;
      expect(again.trainings.every(({ kept }) => kept)).toBe(true);
      expect(again.rows).toEqual(record.rows);
    });
  });
}
