import { describe, expect, test } from 'vitest';
import {
  compare,
  comparedCurves,
  figureName,
  measuredRow,
  modelBlocks,
  section,
  trainingCurves,
  weightImages,
} from '../../src/report/blocks.ts';
import type { BlockInput } from '../../src/report/content.ts';
import type { Figure } from '../../src/report/figures/schema.ts';
import { reportPage } from '../../src/report/html.ts';
import { checkReport } from '../../src/report/report-files.ts';
import { comparisonTable } from '../../src/report/tables.ts';
import { content, trainingOf } from './samples.ts';

/** The figure of a block, checked against the schema of reports. */
function figureOf<T extends Figure['type']>(block: BlockInput | undefined, type: T): Extract<Figure, { type: T }> {
  checkReport({ ...content(), sections: [section('Figure', block ? [block] : [])] });
  if (block?.type !== 'figure' || block.figure.type !== type) throw new Error(`no ${type}`);
  return block.figure as Extract<Figure, { type: T }>;
}

const two = () => {
  const [first] = trainingOf().histories;
  const second = first!.map((logs) => ({ ...logs, accuracy: logs.accuracy! + 0.2, valLoss: null }));
  return trainingOf({ seeds: [4, 5], histories: [first!, second] });
};

describe('curves of a training', () => {
  test('have a line for each replica on training and test data, and rules at published metrics', () => {
    const [accuracy, loss, ...more] = trainingCurves(two(), {
      title: 'A1',
      published: { accuracy: { training: 0.6, test: 0.5 } },
    });
    expect(more).toEqual([]);
    const { lines, published, subtitle } = figureOf(accuracy, 'curves');
    expect(lines).toEqual([
      { run: 'seed 4', series: 'training', x: [1, 2], y: [0.1, 0.6] },
      { run: 'seed 4', series: 'test', x: [1, 2], y: [0.15, 0.5] },
      { run: 'seed 5', series: 'training', x: [1, 2], y: [expect.closeTo(0.3), expect.closeTo(0.8)] },
      { run: 'seed 5', series: 'test', x: [1, 2], y: [0.15, 0.5] },
    ]);
    expect(published).toEqual([
      { series: 'training', value: 0.6 },
      { series: 'test', value: 0.5 },
    ]);
    expect(subtitle).toEqual(['batch 256, adam, seeds 4, 5']);
    expect(figureOf(loss, 'curves')).toMatchObject({ name: 'loss', title: 'A1: loss' });
    expect(figureOf(loss, 'curves').lines[3]!.y).toEqual([null, null]); // values that diverged
  });

  test('of a training without accuracy or validation show only the loss; before the first epoch nothing', () => {
    const histories = [[{ epoch: 1, loss: 2 }]];
    const blocks = trainingCurves(trainingOf({ histories }), { title: 'D2', prefix: 'rate 0.01' });
    expect(blocks).toHaveLength(1);
    expect(figureOf(blocks[0], 'curves')).toMatchObject({ name: 'rate-0-01-loss', lines: [{ series: 'training' }] });
    expect(trainingCurves(trainingOf({ histories: [[]] }), { title: 'D2' })).toEqual([]);
  });

  test('several trainings: each is its mean with its deviation; trainings of one replica have no deviation', () => {
    const trainings = [
      { label: 'two', training: two() },
      { label: 'one', training: trainingOf() },
    ];
    const block = comparedCurves(trainings, { title: 'A5', name: 'Test accuracy', measure: 'valAccuracy' });
    const { name, lines, y, subtitle } = figureOf(block, 'curves');
    expect(subtitle).toEqual(['each line: mean of 1 or 2 runs']);
    expect({ name, label: y.label }).toEqual({ name: 'test-accuracy', label: 'test accuracy' });
    expect(lines).toEqual([
      { run: 'two', series: 'test accuracy', x: [1, 2], y: [0.15, 0.5], sd: [0, 0] },
      { run: 'one', series: 'test accuracy', x: [1, 2], y: [0.15, 0.5] },
    ]);
  });
});

test('compare: has the mean over replicas, and the reason if the metric is off', () => {
  const row = (ours: number[]) => {
    const block = compare([measuredRow('test accuracy', 0.6, ours, { why: 'small' })]);
    return block.type === 'comparison' ? block.rows[0] : undefined;
  };
  expect(row([0.59, 0.61])).toMatchObject({ ours: expect.closeTo(0.6), runs: 2, sd: expect.closeTo(0.01414, 4) });
  expect(row([0.59, 0.61])).not.toHaveProperty('why');
  expect(row([0.5])).toMatchObject({ why: 'small', sd: null });
  expect(row([Number.NaN])).toMatchObject({ why: 'small' });
});

test('weights share one color scale', () => {
  const units = [{ values: [0, 1, -1, 0.5], caption: 'a' }, { values: new Float32Array([-4, 0, 0, 0]) }];
  const block = weightImages(units, { name: 'weights', title: 'weights', width: 2, height: 2, columns: 2 });
  const { limit, images, columns } = figureOf(block, 'images');
  expect({ limit, columns, captions: images.map(({ caption }) => caption) }).toEqual({
    limit: 4,
    columns: 2,
    captions: ['a', ''],
  });
  const [first] = images;
  // 1 of 4 is a quarter of the way from white to red.
  expect([...Buffer.from(first!.pixels, 'base64').subarray(3, 6)]).toEqual([236, 200, 197]);
});

test('models are drawn with their summary, under valid file names', () => {
  const [drawing, summary] = modelBlocks(trainingOf(), { prefix: 'L2, lambda 0.01', title: 'LeNet-5 with L2' });
  expect(figureOf(drawing, 'model')).toMatchObject({ name: 'l2-lambda-0-01-model', title: 'LeNet-5 with L2' });
  expect(summary).toEqual({ type: 'preformatted', text: 'Model' });
  expect(figureName(undefined, `--Über ${'x'.repeat(100)}`)).toMatch(/^[a-z0-9][a-z0-9-]{0,79}$/);
});

test('a reason is printed once below the table, with the metrics it applies to', () => {
  const why = 'one training of theirs, and trainings differ widely';
  const rows = ['training accuracy', 'test accuracy'].map((label) => ({
    ...{ label, published: 0.9, ours: 0.5, unit: 'accuracy' as const, why },
  }));
  const lines = comparisonTable('A4', [...rows, { label: 'parameters', published: 3, ours: 3, unit: 'count' }]).split(
    '\n',
  );
  expect(lines.filter((line) => line.includes('one training'))).toEqual([`training accuracy; test accuracy: ${why}`]);
  const html = reportPage(
    checkReport({ ...content(), sections: [section('Results', { type: 'comparison', rows })] }),
    new Map(),
  );
  expect(html.split(why)).toHaveLength(2);
  expect(html).toContain(`<b>training accuracy; test accuracy:</b> ${why}`);
});
