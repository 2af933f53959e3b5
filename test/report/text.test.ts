import { expect, test } from 'vitest';
import { checkReport } from '../../src/report/report-files.ts';
import { cellText } from '../../src/report/tables.ts';
import { reportText, resultsText, sparkline } from '../../src/report/text.ts';
import { content, figures } from './samples.ts';

test('a sparkline goes from the lowest value to the highest, with gaps', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█');
  expect(sparkline([1, null, 0, Number.NaN])).toBe('█ ▁ ');
  expect(sparkline([2, 2])).toBe('▁▁');
  expect(sparkline([null])).toBe(' ');
  expect(sparkline([])).toBe('');
});

test('a long one is shortened, and ends with the last value', () => {
  const line = sparkline(Array.from({ length: 1000 }, (_, i) => (i === 999 ? 1 : 0)));
  expect(line.length).toBeLessThanOrEqual(41);
  expect(line.endsWith('▁█')).toBe(true);
});

test('numbers of a table are short enough to compare, and whole ones whole', () => {
  expect([2_257_984, 0.123456789, 1e-9, null].map(cellText)).toEqual(['2257984', '0.123457', '1e-9', '']);
});

test('a report in short: title, question, tables, curves, what was cut, where and how to run it', () => {
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

test('few runs on one plot have a line each, many are told by their mean', () => {
  const report = (runs: number) => {
    const lines = Array.from({ length: runs }, (_, i) => ({
      run: `seed ${i}`,
      series: 'loss',
      x: [1, 2],
      y: [i, i + 1],
    }));
    const figure = { ...figures.curves, show: 'each' as const, lines };
    return resultsText(checkReport({ ...content(), sections: [{ title: 'c', blocks: [{ type: 'figure', figure }] }] }));
  };
  expect(report(3)).toContain('seed 2, loss  ▁█  2 → 3');
  expect(report(10)).toContain('mean of 10 runs\n  loss  ▁█  4.5 → 5.5');
});
