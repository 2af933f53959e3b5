import { describe, expect, test } from 'vitest';
import { section, trainingCurves } from '../../src/report/blocks.ts';
import { compareReports } from '../../src/report/compare.ts';
import type { ReportContent } from '../../src/report/content.ts';
import { drawFigure } from '../../src/report/draw.ts';
import { checkReport } from '../../src/report/report-files.ts';
import { reportOf } from '../../src/report/run-report.ts';
import { resultsText } from '../../src/report/text.ts';
import { content, figures, rowRecord, runRecordOf, trainingOf } from './samples.ts';

function run(name: string, change: (content: ReportContent) => void = () => {}) {
  const report = content();
  change(report);
  return { name, report: checkReport(report) };
}

/** The same with another accuracy, other curves and another seed. */
const better = run('second', (report) => {
  const [comparison] = report.sections[0]!.blocks;
  if (comparison!.type === 'comparison') comparison!.rows[1]!.ours = 0.7;
  const [block] = report.sections[1]!.blocks;
  const { lines } = figures.curves;
  const figure = { ...figures.curves, lines: lines.map((line) => ({ ...line, y: line.y.map((v) => v! + 0.1) })) };
  if (block!.type === 'figure') block!.figure = figure;
  report.provenance[0]!.seeds = [7];
});

test('two runs are shown side by side with their difference; equal settings are left out', () => {
  const { sections } = compareReports([run('first'), better]);
  const [table] = sections[0]!.blocks;
  expect(table).toMatchObject({ type: 'table', head: ['', 'published', 'first', 'second', 'difference'] });
  const rows = new Map((table as { rows: string[][] }).rows.map(([label, ...cells]) => [label!, cells]));
  expect(rows.get('training accuracy')).toEqual(['0.6000', '0.6200', '0.7000', '+8.00 points']);
  expect(rows.get('error')).toEqual(['0.01 to 0.04', '0.02', '0.02', 'equal']);
  expect(rows.get('seeds')).toEqual(['', '1 to 3, 3 runs', '7', '']);
  expect(rows.has('adapter')).toBe(false);
});

test('curves and bars of both runs share a drawing; equal figures are drawn once', async () => {
  const compared = checkReport(compareReports([run('first'), better]));
  const drawn = compared.sections[1]!.blocks.flatMap((block) => (block.type === 'figure' ? [block.figure] : []));
  expect(drawn.map(({ name }) => name)).toEqual([
    ...['accuracy', 'confusion', 'gini', 'weights', 'filters', 'model'],
    ...['importance', 'parallel', 'panels', 'learning-curves', 'brackets'],
  ]);
  expect(drawn.find(({ name }) => name === 'importance')).toMatchObject({ horizontal: true });
  const [curves, , bars] = drawn;
  expect(curves).toMatchObject({ show: 'each', published: figures.curves.published });
  expect((curves as typeof figures.curves).lines.map((line) => line.run)).toEqual([
    'first',
    'first',
    'second',
    'second',
  ]);
  expect((bars as typeof figures.bars).bars).toHaveLength(2 * figures.bars.bars.length);
  const { svg } = await drawFigure(curves!);
  for (const name of ['first', 'second']) expect(svg).toContain(`>${name}<`);
});

test('different figures that cannot share a drawing follow each other under separate names', () => {
  const other = run('second', (report) => {
    for (const block of report.sections[1]!.blocks) {
      if (block.type === 'figure' && block.figure.type === 'confusion')
        block.figure = { ...block.figure, title: 'mine' };
    }
  });
  const { sections } = compareReports([run('first'), other]);
  const names = sections[1]!.blocks.flatMap((block) => (block.type === 'figure' ? [block.figure.name] : []));
  expect(names).toEqual(expect.arrayContaining(['run-1-confusion', 'run-2-confusion']));
});

test('runs without published metrics have no column for them', () => {
  const plain = (report: ReportContent) => {
    for (const { blocks } of report.sections)
      for (const block of blocks)
        if (block.type === 'comparison') block.rows = block.rows.map((row) => ({ ...row, published: null }));
  };
  const [table] = compareReports([run('first', plain), run('second', plain)]).sections[0]!.blocks;
  expect(table).toMatchObject({ head: ['', 'first', 'second', 'difference'] });
  expect((table as { rows: string[][] }).rows).toContainEqual([
    'training accuracy',
    '0.6200',
    '0.6200',
    '+0.00 points',
  ]);
});

test('three runs have no difference; runs without common metrics have a table with gaps', () => {
  const bare = run('third', (report) => report.sections.splice(0));
  const compared = checkReport(compareReports([run('first'), better, bare]));
  const [table] = compared.sections[0]!.blocks;
  expect(table).toMatchObject({ head: ['', 'published', 'first', 'second', 'third'] });
  expect((table as { rows: string[][] }).rows).toContainEqual(['training accuracy', '0.6000', '0.6200', '0.7000', '']);
  expect(compared.reduced).toHaveLength(3);
  expect(compared.provenance.map(({ settings }) => settings.Run)).toEqual(['first', 'second', 'third']);
  expect(resultsText(compared)).toContain('third');
});

describe('a coursework', () => {
  const row = (id: string, accuracy: number, captions = ['']) =>
    rowRecord({
      id,
      sections: [
        section(
          'Results',
          captions.map((caption) => ({
            type: 'comparison',
            caption,
            rows: [{ label: 'training accuracy', published: 0.6, ours: accuracy }],
          })),
          trainingCurves(trainingOf(), { title: id, measures: ['accuracy'] }),
        ),
      ],
    });
  const namedRun = (name: string, ...rows: ReturnType<typeof row>[]) => ({
    name,
    report: checkReport(reportOf(runRecordOf(rows))),
  });
  const compareRuns = (...runs: ReturnType<typeof namedRun>[]) => {
    const { sections } = checkReport(compareReports(runs));
    const [table] = sections[0]!.blocks;
    const figures = sections[1]!.blocks.flatMap((block) => (block.type === 'figure' ? [block.figure] : []));
    return { rows: (table as { rows: string[][] }).rows, figures };
  };

  test('compared with itself: each experiment is under its id, without the overview', () => {
    const one = namedRun('one', row('A1', 0.61), row('A4', 0.5, ['small', 'large']));
    const two = namedRun('two', row('A1', 0.62), row('A4', 0.52, ['small', 'large']));
    const { rows, figures } = compareRuns(one, two);
    expect(rows).toEqual([
      ['A1 training accuracy', '0.6000', '0.6100', '0.6200', '+1.00 points'],
      ['A4 small: training accuracy', '0.6000', '0.5000', '0.5200', '+2.00 points'],
      ['A4 large: training accuracy', '0.6000', '0.5000', '0.5200', '+2.00 points'],
    ]);
    expect(figures.map(({ name }) => name)).toEqual(['a1-accuracy', 'a4-accuracy']);
  });

  test('compared with one experiment: has the metrics and curves of that experiment beside its own', () => {
    const { rows, figures } = compareRuns(
      namedRun('all', row('A1', 0.61), row('A4', 0.5)),
      namedRun('one', row('A1', 0.62)),
    );
    expect(rows.slice(0, 2)).toEqual([
      ['A1 training accuracy', '0.6000', '0.6100', '0.6200', '+1.00 points'],
      ['A4 training accuracy', '0.6000', '0.5000', '', ''],
    ]);
    const runsIn = (name: string) => {
      const figure = figures.find((one) => one.name === name);
      return figure?.type === 'curves' ? [...new Set(figure.lines.map(({ run }) => run))] : [];
    };
    expect(runsIn('a1-accuracy')).toEqual(['all', 'one']);
    expect(figures.map(({ name }) => name)).toEqual(['a1-accuracy', 'run-1-a4-accuracy']);
  });

  test('two experiments without a coursework are compared by their labels', () => {
    const { rows } = compareRuns(namedRun('one', row('A1', 0.61)), namedRun('two', row('A4', 0.5)));
    expect(rows[0]).toEqual(['training accuracy', '0.6000', '0.6100', '0.5000', '-11.00 points']);
  });
});

test('warnings of runs are in the comparison, with the names of the runs', () => {
  const diverged = run('second', (report) => {
    report.warnings = ['training baseline: the loss of every model is not a finite number'];
  });
  const compared = checkReport(compareReports([run('first'), diverged]));
  expect(compared.warnings).toEqual(['second: training baseline: the loss of every model is not a finite number']);
  expect(resultsText(compared)).toContain('Warning: second: training baseline');
});
