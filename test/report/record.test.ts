import { expect, test } from 'vitest';
import { compare, measuredRow, runCurves, section, trainingCurves } from '../../src/report/blocks.ts';
import { accuracyText, comparisonText } from '../../src/report/comparison.ts';
import type { ComparisonRow } from '../../src/report/content.ts';
import { checkReport } from '../../src/report/report-files.ts';
import { type ExperimentRecord, type RunRecord, runRecord } from '../../src/report/run-record.ts';
import { reportOf } from '../../src/report/run-report.ts';
import { meanAndSd } from '../../src/report/statistics.ts';
import { comparisonTable, table } from '../../src/report/tables.ts';
import { resultsText } from '../../src/report/text.ts';
import { lastFigures, testFigures } from '../../src/report/training.ts';
import { rowRecord, runRecordOf, trainingOf } from './samples.ts';

/** The output of `tilegrad run` at its end. */
const resultsOf = (rows: ExperimentRecord[], changes: Partial<RunRecord> = {}) =>
  resultsText(checkReport(reportOf(runRecordOf(rows, changes))));

/** An experiment that compares these accuracies on training and test data, one for each replica. */
const experimentWith = (train: number[], test: number[], changes: Partial<ExperimentRecord> = {}) =>
  rowRecord({
    sections: [
      section(
        'Results',
        compare([
          measuredRow('training accuracy', 0.6191, train),
          measuredRow('test accuracy', 0.6022, test, { why: 'it is small' }),
          { label: 'parameters', published: 62_006, ours: 62_000, unit: 'count' },
        ]),
      ),
    ],
    ...changes,
  });

test('mean and sample standard deviation', () => {
  expect(meanAndSd([])).toEqual({ mean: null, sd: null });
  expect(meanAndSd([0.5])).toEqual({ mean: 0.5, sd: null });
  expect(meanAndSd([2, 4, 4, 4, 5, 5, 7, 9]).mean).toBe(5);
  expect(meanAndSd([2, 4, 4, 4, 5, 5, 7, 9]).sd).toBeCloseTo(Math.sqrt(32 / 7), 12);
});

test('metrics of a training: of the last epoch, and of the test data; NaN if a loss is not finite', () => {
  const trained = trainingOf({ evaluations: [{ loss: null, accuracy: 0.5 }] });
  expect([lastFigures(trained), lastFigures(trained, 'loss'), testFigures(trained)]).toEqual([[0.6], [1], [0.5]]);
  expect(testFigures(trained, 'loss')).toEqual([Number.NaN]);
});

test('the comparison shows published, measured and signed difference, and reasons only if requested', () => {
  const text = resultsOf([experimentWith([0.63], [0.6])]);
  expect(text).toMatch(/training accuracy │ +0\.6191 │ 0\.6300 │ \+1\.09 points/);
  expect(text).toMatch(/test accuracy +│ +0\.6022 │ 0\.6000 │ -0\.22 points/);
  expect(text).toMatch(/parameters +│ +62,006 │ 62,000 │ +-6 /);
  expect(text).not.toContain('like for like');
  expect(text).not.toContain('it is small');
});

test('the comparison of several replicas has deviations; metrics that are off or not numbers are marked, with the reason', () => {
  const text = resultsOf([
    experimentWith([0.59, 0.6, 0.61], [Number.NaN, 0.5, 0.6], { reduced: ['epochs 2 instead of 10'] }),
  ]);
  for (const part of ['0.6000 (sd 0.0100, 3 runs)', 'n/a !', 'it is small', '  - epochs 2 instead of 10']) {
    expect(text).toContain(part);
  }
});

test('an unfinished experiment shows the curves of its trainings, or says that there are none', () => {
  const { measured: _, ...trained } = trainingOf();
  const row = rowRecord({ status: 'failed', error: { code: 'DATA', message: 'a bad image' } });
  const trainings = [{ ...trained, row: 'A1', status: 'failed' as const, kept: false }];
  const text = resultsOf([row], { status: 'failed', trainings });
  expect(text).toContain('no results yet');
  expect(text).toContain('The error: a bad image');
  expect(text).toMatch(/test +▁█ {2}0\.15 → 0\.5/);
  expect(resultsOf([rowRecord({ status: 'interrupted' })])).toContain('no results yet');
});

test('a metric of every replica has a line each, named by its seed', () => {
  const [epochs] = trainingOf().histories;
  const trained = trainingOf({ seeds: [1, 2], histories: [epochs!, [{ epoch: 1, loss: null, valLoss: null }]] });
  const block = runCurves(trained, { title: 'Two', name: 'Test error', measure: 'valLoss', label: 'test error' });
  expect(block).toMatchObject({
    figure: {
      ...{ name: 'test-error', show: 'each', y: { label: 'test error' } },
      lines: [
        { run: 'seed 1', x: [1, 2], y: [2.1, 1.1] },
        { run: 'seed 2', x: [1], y: [null] },
      ],
    },
  });
});

test('a coursework has one report: an overview, a section for each experiment, and figures named by experiment', () => {
  const curves = () => section('Curves', trainingCurves(trainingOf(), { title: 'LeNet-5' }));
  const rows = ['A1', 'A2'].map((id) =>
    experimentWith([0.63], [0.6], {
      id,
      reduced: ['the first 100 training images only', `${id} has one epoch`],
      sections: [...experimentWith([0.63], [0.6]).sections, curves()],
    }),
  );
  rows.push(rowRecord({ id: 'A3', status: 'waiting', reduced: ['the first 100 training images only'] }));
  const report = checkReport(reportOf(runRecordOf(rows, { status: 'interrupted' })));
  expect(report.sections.map(({ title }) => title)).toEqual(['Overview', 'A1: LeNet-5', 'A2: LeNet-5', 'A3: LeNet-5']);
  expect(report.reduced).toEqual([
    'the first 100 training images only',
    'A1: A1 has one epoch',
    'A2: A2 has one epoch',
  ]);
  const blocks = report.sections.flatMap((one) => one.blocks);
  expect(blocks.flatMap((one) => (one.type === 'figure' ? [one.figure.name] : []))).toEqual([
    'a1-accuracy',
    'a1-loss',
    'a2-accuracy',
    'a2-loss',
  ]);
  expect(blocks).toContainEqual({ type: 'text', text: 'Reduced or changed: A2 has one epoch.' });
  const text = resultsText(report);
  expect(text).toMatch(/A2 +│ LeNet-5 │ 1 min 00 s/);
  expect(text).toMatch(/A3 +│ LeNet-5 │ waiting/);
  expect(text).toMatch(/A2 training accuracy +│ +0\.6191 │ +0\.6300 │ \+1\.09 points/);
  expect(text).not.toContain('A1 parameters');
});

test('reductions common to several experiments are printed once, with the ids', () => {
  const of = (id: string, ...reduced: string[]) => rowRecord({ id, reduced });
  const rows = [
    of('B1', 'sample', 'few images'),
    of('B2', 'sample', 'few images'),
    of('B3', 'sample', 'few images'),
    of('B4', 'sample', 'one model'),
    of('B5', 'few images', 'sample'),
    of('B6', 'few images', 'sample'),
  ];
  const { reduced } = reportOf(runRecordOf(rows));
  expect(reduced).toEqual(['sample', 'B1 to B3, B5, B6: few images', 'B4: one model']);
  expect(reportOf(runRecordOf([rows[0]!])).reduced).toEqual(['sample', 'few images']);
});

const row = (changes: Partial<ComparisonRow>): ComparisonRow => ({
  label: 'test accuracy',
  published: 0.6,
  ours: 0.6,
  unit: 'accuracy',
  ...changes,
});

test('differences of more than 2 points of accuracy are marked, as printed, in both directions; other units are not', () => {
  const isOff = (changes: Partial<ComparisonRow>) => comparisonText(row(changes)).isOff;
  expect([0.62, 0.58, 0.62004, 0.6201, 0.5799, Number.NaN, null].map((ours) => isOff({ ours }))).toEqual([
    false,
    false,
    false,
    true,
    true,
    true,
    true,
  ]);
  expect(isOff({ ours: 5, unit: 'seconds' })).toBe(false);
  expect(comparisonTable('', [row({ ours: 0.63 })])).toContain('+3.00 points !');
  expect(comparisonTable('', [row({ ours: 0.61 })])).not.toContain('!');
});

test('published text is shown unchanged; without a published metric there is no difference', () => {
  expect(comparisonText(row({ published: '0.01 to 0.04' }))).toMatchObject({
    published: '0.01 to 0.04',
    difference: '',
  });
  expect(comparisonText(row({ published: null }))).toMatchObject({ published: '', ours: '0.6000', difference: '' });
  expect(comparisonText(row({ published: 1.17, ours: 3.4, unit: 'seconds' })).difference).toBe('+2.23 s');
  expect(comparisonText(row({ sd: 0.0045, runs: 3 })).ours).toBe('0.6000 (sd 0.0045, 3 runs)');
  const bare = {
    label: 'a',
    published: 0.0141372,
    ours: 0.00690723,
    unit: 'number',
    sd: 0.0000319321,
    runs: 3,
  } as const;
  expect(comparisonText(bare)).toMatchObject({
    published: '0.0141372',
    ours: '0.006907 (sd 0.000032, 3 runs)',
    difference: '-0.00723',
  });
});

test('the times of an experiment have one unit', () => {
  const texts = (published: number, ours: number) => {
    const text = comparisonText(row({ published, ours, unit: 'seconds' }));
    return [text.published, text.ours, text.difference];
  };
  expect(texts(1.171759, 0.9151)).toEqual(['1.17 s', '0.92 s', '-0.26 s']);
  expect(texts(0.5, 0.75)).toEqual(['500.0 ms', '750.0 ms', '+250.0 ms']);
  expect(texts(3600, 60)).toEqual(['1 h 00 min', '1 min 00 s', '-59 min 00 s']);
});

test('tables have no color codes', () => {
  expect(table(['a', 'b'], [['x', '1']])).not.toContain('\u001b');
  expect([0.5, 1, null, undefined, Number.NaN].map(accuracyText)).toEqual(['0.5000', '1.0000', 'n/a', 'n/a', 'n/a']);
});

test('run.json has the findings about the adapter; older files without them are read', () => {
  const findings = {
    nanInRelu: 'ok',
    nanAgainstZero: 'ok',
    nanAgainstItself: 'wrong',
    division: 'unknown',
    denormals: 'kept',
  } as const;
  const probe = { lanes: 'unused', shuffles: 'ok', ...findings, notes: ['why'] } as const;
  const old = runRecordOf([rowRecord()]);
  expect(runRecord.parse({ ...old, probe })).toMatchObject({ probe });
  expect(runRecord.parse(old).probe).toBeUndefined();
  expect(runRecord.safeParse({ ...old, probe: { ...probe, division: 'unused' } }).success).toBe(false);
});
