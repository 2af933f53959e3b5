import { expect, test } from 'vitest';
import { QUICK_NOTE } from '../../src/report/comparison.ts';
import type { Cell, ComparisonInput } from '../../src/report/content.ts';
import { checkReport } from '../../src/report/report-files.ts';
import { cellTexts, figureColumns } from '../../src/report/tables.ts';
import { reportText, resultsText, sparkline } from '../../src/report/text.ts';
import { content, figures } from './samples.ts';

test('sparkline: spans the range from the lowest to the highest value, with gaps', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█');
  expect(sparkline([1, null, 0, Number.NaN])).toBe('█ ▁ ');
  expect(sparkline([2, 2])).toBe('▁▁');
  expect(sparkline([null])).toBe(' ');
  expect(sparkline([])).toBe('');
});

test('sparkline: shortens a long list, and keeps the last value', () => {
  const line = sparkline(Array.from({ length: 1000 }, (_, i) => (i === 999 ? 1 : 0)));
  expect(line.length).toBeLessThanOrEqual(41);
  expect(line.endsWith('▁█')).toBe(true);
});

test('numbers in a table are short, with equally many decimals in a column; integers have none', () => {
  const column = (...cells: Cell[]) =>
    cellTexts(
      ['x'],
      cells.map((cell) => [cell]),
    ).flat();
  expect(column(2_257_984, null, 12, 'none')).toEqual(['2,257,984', '', '12', 'none']);
  expect(column(0.123456789, 1e-9, 3, 0.5)).toEqual(['0.123457', '1e-9', '3', '0.5']);
  expect(column(0.5, -12, 0.0625, null)).toEqual(['0.5000', '-12.0000', '0.0625', '']);
  expect(column(0.5, 0.12345)).toEqual(['0.5', '0.12345']);
  expect(cellTexts(['x', 'y'], [[1], [2, 0.5]])).toEqual([
    ['1', ''],
    ['2', '0.5'],
  ]);
});

test('figureColumns: finds the columns of numbers, formatted or not', () => {
  const rows = [
    ['A1', 3, '0.5000', '62,006', '1.0 s', null],
    ['7', -1.5, 'n/a', '-2', '2.0 s', 4],
  ];
  expect(figureColumns(['a', 'b', 'c', 'd', 'e', 'f'], rows)).toEqual([1, 2, 3, 5]);
  expect(figureColumns(['a'], [])).toEqual([]);
});

test('reportText: has title, question, tables, curves, reductions, place and command', () => {
  const text = reportText(checkReport({ ...content(), status: 'interrupted' }));
  for (const part of ['T1: A test of', '(interrupted)', 'What about', '-10.00 points !', 'error', '0.01 to 0.04']) {
    expect(text).toContain(part);
  }
  expect(text).toMatch(/training +▁▆█ {2}0\.2 → 0\.5/);
  expect(text).toContain('Not like for like with the published figures:\n  - one image of');
  expect(text).toContain('software adapter: the kernels run on the CPU) in 1 min 02 s.');
  expect(text).toContain('Again: npx tilegrad run T1');
  expect(text).not.toContain('\u001b');
});

test('reductions are compared with published metrics only if there are any', () => {
  const rows = (published: number | string | null) => [{ label: 'accuracy', published, ours: 0.5 }];
  const text = (published: number | string | null) => {
    const sections = [{ title: 'a', blocks: [{ type: 'comparison' as const, rows: rows(published) }] }];
    return reportText(checkReport({ ...content(), sections }));
  };
  expect(text(0.5)).toContain('Not like for like with the published figures:\n  - one');
  expect(text('0.1 to 0.2')).toContain('Not like for like with the published figures:\n  - one');
  expect(text(null)).toContain('Reduced or changed:\n  - one');
  expect(text(null)).not.toContain('published');
  const table = { type: 'table' as const, head: ['variation', 'published'], rows: [['VGG', 0.7]] };
  const all = checkReport({ ...content(), sections: [{ title: 'a', blocks: [table] }] });
  expect(reportText(all)).toContain('Not like for like with the published figures:\n  - one');
});

test('a few runs on one plot have a line each, many have a line for their mean', () => {
  const report = (runs: number, name = 'seed') => {
    const lines = Array.from({ length: runs }, (_, i) => ({
      run: `${name} ${i}`,
      series: 'loss',
      x: [1, 2],
      y: [i, i + 1],
    }));
    const figure = { ...figures.curves, show: 'each' as const, lines };
    return resultsText(checkReport({ ...content(), sections: [{ title: 'c', blocks: [{ type: 'figure', figure }] }] }));
  };
  expect(report(3)).toContain('seed 2, loss  ▁█  2 → 3');
  expect(report(10)).toContain('mean of 10 runs\n  loss  ▁█  4.5 → 5.5');
  // A mean over variations has no meaning.
  for (const runs of [10, 20]) {
    expect(report(runs, 'width')).toContain(`width ${runs - 1}, loss  ▁█  ${runs - 1} → ${runs}`);
    expect(report(runs, 'width')).not.toContain('mean of');
  }
  expect(report(21, 'width')).toContain('mean of 21 runs');
});

test('a comparison has no empty column, and no mark in a quick run', () => {
  const text = (...rows: ComparisonInput[]) =>
    resultsText(
      checkReport({ ...content(), reduced: [], sections: [{ title: 'a', blocks: [{ type: 'comparison', rows }] }] }),
    );
  const bare = text({ label: 'loss', published: null, ours: 0.5 });
  expect(bare).toContain('measured');
  expect(bare).not.toMatch(/published|difference/);
  const far = { label: 'loss', published: 0.9, ours: 0.5 };
  expect(text(far)).toContain('-40.00 points !');
  const quick = text({ ...far, likeForLike: false });
  expect(quick).toContain('-40.00 points ');
  expect(quick).not.toContain('!');
  expect(quick).toContain(QUICK_NOTE);
});
