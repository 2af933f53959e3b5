import { describe, expect, test } from 'vitest';
import { compareReports } from '../../src/report/compare.ts';
import type { Block } from '../../src/report/content.ts';
import { drawFigure } from '../../src/report/draw.ts';
import { meanCurve } from '../../src/report/figures/curves.ts';
import { parallelSpec } from '../../src/report/figures/parallel.ts';
import { type Figure, type FigureOf, figure as figureSchema } from '../../src/report/figures/schema.ts';
import { divideIntoFifths, formatNumber, rangeOf } from '../../src/report/figures/scored.ts';
import { trialsSpec } from '../../src/report/figures/trials.ts';
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

  test('that may be chance has a separate color and a legend, also if it is the only one', async () => {
    for (const [chance, colorIndex] of [
      [0.01, 0],
      [0.2, 1],
    ] as const) {
      const { svg } = await drawFigure(ofChance(chance).figure);
      const text = svg.replaceAll(/<[^>]*>/g, ' ');
      expect(text).toContain('hardly by chance');
      expect(text).toContain('may be chance (above 0.05)');
      // One color has the bar and its square in the legend; the other has only the square.
      const countFilled = (i: number) => svg.split(`fill="${series[i]!.light}"`).length - 1;
      expect([countFilled(colorIndex), countFilled(1 - colorIndex)]).toEqual([2, 1]);
    }
  });

  test('keeps its legend in a comparison of searches', () => {
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

test('trial table: shows the digits that a score has, and no more', () => {
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

test('bars of brackets end where training ended', () => {
  const record = hyperbandRecord();
  const last = record.trials.find(({ values }) => values['tuner/round'] === 2)!;
  last.histories = last.histories.map((epochs) => epochs.slice(0, -3));
  const pieces = figureOf(record, 'brackets').brackets.flatMap(({ configurations }) => configurations.flat());
  expect(pieces.find(({ trial }) => trial === last.number)).toMatchObject({ from: 4, to: 7, planned: 10 });
  // One that failed in its first epoch was not trained at all.
  expect(pieces.find(({ trial }) => trial === 5)).toMatchObject({ from: 0, to: 0, planned: 2 });
});

describe('rangeOf', () => {
  const objective = { label: 'valLoss', direction: 'min' } as const;

  test('does not go below 0 if no value is negative', () => {
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

  test('leaves out diverged trials, however many there are', () => {
    const diverged = [5e8, 2.256e11, 4e11];
    const range = rangeOf([1.2, 1.3, 1.9, 2.3, ...diverged], objective);
    expect(range).toMatchObject({ isCut: true });
    expect(range.high).toBeLessThan(10);
    const rising = { label: 'r2', direction: 'max' } as const;
    expect(rangeOf([0.9, 0.8, 0.7, 0.5, ...diverged.map((one) => -one)], rising).low).toBeGreaterThan(-2);
    // Ordinary differences between scores are not cut.
    expect(rangeOf([0.05, 0.4, 2.3, 2.3], objective).isCut).toBe(false);
  });
});

test('large numbers are as short as small ones', () => {
  expect([1e15, 2.25612e10, 55_050, 1e-5, 12_345_678].map(formatNumber)).toEqual([
    '1e+15',
    '2.256e+10',
    '55050',
    '1e-5',
    '12350000',
  ]);
});

describe('lines of trials', () => {
  type Layer = {
    data: { values: { trial?: number; row: number; at: number; label?: string; x: number; y: number }[] };
    mark: { strokeWidth?: number };
  };
  const layersOf = (spec: unknown) => (spec as { layer: Layer[] }).layer;

  test('are unbroken in parallel coordinates: a missing value is at none; parents come before what depends on them', () => {
    const record = hyperbandRecord();
    const figure = figureOf(record, 'parallel');
    const labels = figure.axes.map(({ label }) => label);
    expect(labels.indexOf('layers')).toBeLessThan(labels.indexOf('units3'));
    expect(labels).toEqual(record.space.map(({ name }) => name));
    const layers = layersOf(parallelSpec(figure, 'wide'));
    const rows = figure.axes.length + 1;
    const lines = layers[1]!.data.values;
    expect(lines).toHaveLength(30 * rows);
    expect(lines.every(({ at }) => typeof at === 'number')).toBe(true);
    const none = lines.find(({ trial, row }) => trial === 5 && row === rows - 1)!.at;
    expect(none).toBeLessThan(-0.05); // off every value
    const named = layers.flatMap(({ data: { values } }) => values.filter(({ label }) => label === 'none'));
    const missing = labels.filter((name) => record.trials.some(({ values }) => values[name] === undefined));
    expect(new Set(named.map(({ row }) => labels[row] ?? 'score'))).toEqual(new Set([...missing, 'score']));
    // There is no such position if all trials have all values.
    const whole = recordOf({ trials: [1, 2].map((number) => trialOf({ number, values: { learning_rate: 0.01 } })) });
    expect(JSON.stringify(parallelSpec(figureOf(whole, 'parallel'), 'wide'))).not.toContain('"none"');
  });

  test('draw the best one thick from its first round', () => {
    const record = hyperbandRecord();
    const best = record.trials.find(({ values }) => values['tuner/round'] === 2)!;
    best.score = 1;
    const thick = layersOf(trialsSpec(figureOf(record, 'trials'), 'wide')).find(({ mark }) => mark.strokeWidth === 3)!;
    expect([...new Set(thick.data.values.map(({ x }) => x))].sort((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
  });

  test('are scaled by the trials that did not diverge', () => {
    const of = (number: number, losses: number[]) =>
      trialOf({
        number,
        score: Math.min(...losses),
        histories: [losses.map((valLoss, i) => ({ epoch: i + 1, valLoss }))],
      });
    const trials = [of(0, [2.3, 1.5]), of(1, [2.2, 1.2]), of(2, [4e8, 5e11]), of(3, [3e9, 7e14])];
    const figure = figureOf(recordOf({ objective: valLoss, trials }), 'trials');
    const spec = trialsSpec(figure, 'wide');
    for (const { y } of layersOf(spec)[0]!.data.values) expect(y).toBeLessThan(10);
    expect(JSON.stringify(spec)).toContain('is drawn at that edge');
  });
});

test('fewer than five scores are named by rank, not by fifths', () => {
  const objective = { label: 'valAccuracy', direction: 'max' } as const;
  const names = (scores: (number | null)[]) =>
    divideIntoFifths(
      scores.map((score, trial) => ({ trial, score })),
      objective,
    ).names;
  expect(names([0.1, 0.4, 0.3, 0.2, null, null])).toEqual([
    'best: 0.4',
    'second: 0.3',
    'third: 0.2',
    'last: 0.1',
    'failed: no score',
  ]);
  expect(names([0.1, 0.4])).toEqual(['best: 0.4', 'last: 0.1']);
  expect(names([0.1])).toEqual(['best: 0.1']);
  expect(names([1, 2, 3, 4, 5, 6])).toEqual([
    'best fifth: 5 to 6',
    'second: 4',
    'third: 3',
    'fourth: 2',
    'last fifth: 1',
  ]);
});

test('tables state their order, why an importance is missing, and first why a trial failed', () => {
  const record = hyperbandRecord();
  expect(tableOf(record, 'Hyperparameters').caption).toBe(
    'Hyperparameters, in the order in which trials first asked for them',
  );
  const { head, caption } = tableOf(record, 'Trials');
  expect(head.slice(0, 4)).toEqual(['trial', 'valAccuracy', 'status', 'reason']);
  expect(caption).toContain('scrolls sideways');
  const texts = (one: SearchRecord) => blocksOf(one).flatMap((block) => (block.type === 'text' ? [block.text] : []));
  const few = recordOf({
    trials: [1, 2, 3, 4, 5, 6, 7].map((number) =>
      trialOf({ number, score: number, values: { learning_rate: 0.001 * number } }),
    ),
  });
  expect(texts(few).join('\n')).toContain('it takes 8 configurations that have a hyperparameter, and there are 7');
  const same = recordOf({
    trials: [1, 2, 3, 4, 5, 6, 7, 8].map((number) => trialOf({ number, values: { learning_rate: 0.01 } })),
  });
  expect(texts(same).join('\n')).toContain('none differs from the others in its values or its score');
  expect(texts(few).join('\n')).toContain('n/a: an importance takes 8 configurations');
});
