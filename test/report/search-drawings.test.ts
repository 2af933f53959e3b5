import { describe, expect, test } from 'vitest';
import { compareReports } from '../../src/report/compare.ts';
import type { Block } from '../../src/report/content.ts';
import { drawFigure } from '../../src/report/draw.ts';
import { meanCurve } from '../../src/report/figures/curves.ts';
import { type Figure, type FigureOf, figure as figureSchema } from '../../src/report/figures/schema.ts';
import { rangeOf, show } from '../../src/report/figures/scored.ts';
import { checkReport } from '../../src/report/report-files.ts';
import { searchSections } from '../../src/report/search.ts';
import { importanceBlocks } from '../../src/report/search-figures.ts';
import { cellTexts } from '../../src/report/tables.ts';
import { series } from '../../src/report/theme.ts';
import type { SearchRecord } from '../../src/search/record.ts';
import { content } from './samples.ts';
import { hyperbandRecord, recordOf, trialOf } from './search-samples.ts';

const blocksOf = (record: SearchRecord) => searchSections(record).flatMap(({ blocks }) => blocks) as Block[];
const figureOf = <T extends Figure['type']>(record: SearchRecord, type: T): FigureOf<T> => {
  const found = blocksOf(record).find((block) => block.type === 'figure' && block.figure.type === type);
  return figureSchema.parse((found as { figure: Figure }).figure) as FigureOf<T>;
};
const tableOf = (record: SearchRecord, caption: string) =>
  blocksOf(record).find((block) => block.type === 'table' && block.caption.startsWith(caption)) as Extract<
    Block,
    { type: 'table' }
  >;
const valLoss = { name: 'valLoss', direction: 'min' } as const;

describe('importance', () => {
  const ofChance = (chance: number) =>
    importanceBlocks([{ name: 'rate', importance: 0.4, chance, trials: 14, groups: 3 }], { title: 'mlp' })[0] as {
      figure: Figure;
    };

  test('that may be chance has a colour of its own and a legend, also where no other is there', async () => {
    for (const [chance, at] of [
      [0.01, 0],
      [0.2, 1],
    ] as const) {
      const { svg } = await drawFigure(ofChance(chance).figure);
      const text = svg.replaceAll(/<[^>]*>/g, ' ');
      expect(text).toContain('hardly by chance');
      expect(text).toContain('may be chance (above 0.05)');
      // The bar itself, and its square in the legend; of the other colour only the square.
      const filled = (i: number) => svg.split(`fill="${series[i]!.light}"`).length - 1;
      expect([filled(at), filled(1 - at)]).toEqual([2, 1]);
    }
  });

  test('of searches side by side says so still', () => {
    const report = (chance: number) =>
      checkReport({ ...content(), sections: [{ title: 'a', blocks: [{ type: 'figure', ...ofChance(chance) }] }] });
    const { sections } = checkReport(
      compareReports([
        { name: 'one', report: report(0.2) },
        { name: 'two', report: report(0.3) },
      ]),
    );
    const merged = sections[1]!.blocks[0] as { figure: FigureOf<'bars'> };
    expect(merged.figure.bars.map(({ group }) => group)).toEqual([
      'one, may be chance (above 0.05)',
      'two, may be chance (above 0.05)',
    ]);
  });
});

test('the table of trials has the digits that a score has, none made up', () => {
  const scores = [1.2695, 2.3145, 4.49645, 0.51237];
  const record = recordOf({
    ...{ objective: valLoss, space: [] },
    trials: scores.map((score, number) => trialOf({ number, score })),
  });
  const { head, rows } = tableOf(record, 'Trials');
  expect(cellTexts(head, rows).map((row) => row[1])).toEqual(['0.5124', '1.2695', '2.3145', '4.4965']);
  expect((blocksOf({ ...record, trials: record.trials.slice(0, 1) })[0] as { text: string }).text).toContain(
    'with valLoss 1.2695',
  );
});

test('the bars of brackets end where training did', () => {
  const record = hyperbandRecord();
  const last = record.trials.find(({ values }) => values['tuner/round'] === 2)!;
  last.histories = last.histories.map((epochs) => epochs.slice(0, -3));
  const pieces = figureOf(record, 'brackets').brackets.flatMap(({ configurations }) => configurations.flat());
  expect(pieces.find(({ trial }) => trial === last.number)).toMatchObject({ from: 4, to: 7, planned: 10 });
  // One that failed in its first epoch was not trained at all.
  expect(pieces.find(({ trial }) => trial === 5)).toMatchObject({ from: 0, to: 0, planned: 2 });
});

describe('ranges', () => {
  const objective = { label: 'valLoss', direction: 'min' } as const;

  test('of what is never negative do not go below 0', () => {
    expect(rangeOf([0.01, 1, 2, 3], objective).low).toBe(0);
    expect(rangeOf([-0.01, 1, 2, 3], objective).low).toBeLessThan(-0.01);
    const spread = (y: number[]) => ['a', 'b'].map((run, i) => ({ run, series: 'training', x: [1], y: [y[i]!] }));
    const curves = (y: number[]) =>
      figureSchema.parse({
        ...{ type: 'curves', name: 'a', title: 'a', x: { label: 'epoch' }, y: { label: 'loss' } },
        lines: spread(y),
      }) as FigureOf<'curves'>;
    expect(meanCurve(curves([0.1, 20]), 'training')[0]!.low).toBe(0);
    expect(meanCurve(curves([-0.1, 20]), 'training')[0]!.low).toBeLessThan(-4);
  });

  test('leave out trials that diverged, however many', () => {
    const diverged = [5e8, 2.256e11, 4e11];
    const range = rangeOf([1.2, 1.3, 1.9, 2.3, ...diverged], objective);
    expect(range).toMatchObject({ cuts: true });
    expect(range.high).toBeLessThan(10);
    const rising = { label: 'r2', direction: 'max' } as const;
    expect(rangeOf([0.9, 0.8, 0.7, 0.5, ...diverged.map((one) => -one)], rising).low).toBeGreaterThan(-2);
    // No cut where scores differ as scores do.
    expect(rangeOf([0.05, 0.4, 2.3, 2.3], objective).cuts).toBe(false);
  });
});

test('large numbers are as short as small ones', () => {
  expect([1e15, 2.25612e10, 55_050, 1e-5, 12_345_678].map(show)).toEqual([
    '1e+15',
    '2.256e+10',
    '55050',
    '1e-5',
    '12350000',
  ]);
});
