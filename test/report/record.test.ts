import { expect, test } from 'vitest';
import { accuracyText, comparisonText } from '../../src/report/comparison.ts';
import type { ComparisonRow } from '../../src/report/content.ts';
import { checkReport } from '../../src/report/report-files.ts';
import { meanAndSd, type RunRecord, summarise } from '../../src/report/run-record.ts';
import { reportOf } from '../../src/report/run-report.ts';
import { comparisonTable, table } from '../../src/report/tables.ts';
import { resultsText } from '../../src/report/text.ts';

const trained = (accuracy: number, test: number | null): RunRecord['runs'][number] => ({
  seed: 1,
  interrupted: test === null,
  history: [
    { epoch: 1, loss: 2, accuracy: 0.1, learningRate: 0.001, seconds: 1, samplesPerSecond: 1 },
    { epoch: 2, loss: 1, accuracy, learningRate: 0.001, seconds: 1, samplesPerSecond: 1 },
  ],
  evaluation: test === null ? null : { loss: 1, accuracy: test },
  timings: { buildSeconds: 0, fitSeconds: 2, evaluateSeconds: null },
});

const record = (results: RunRecord['results'], parameters = 62006, notes: string[] = []): RunRecord => ({
  schemaVersion: 1,
  status: 'finished',
  interrupted: false,
  experiment: { id: 'A1', title: 'LeNet-5' },
  configuration: {
    dataset: 'cifar10',
    epochs: 2,
    batchSize: 256,
    learningRate: 0.001,
    optimizer: 'Adam',
    loss: 'sparseCategoricalCrossentropy',
    seed: 1,
    runs: 1,
    limit: null,
  },
  data: { kind: 'sample', path: '/data', description: 'a few', trainImages: 2000, testImages: 500 },
  adapter: { name: 'llvmpipe', vendor: '', architecture: '', driver: '', isSoftware: true, features: [], limits: {} },
  versions: { tilegrad: '0.1.0', node: '20.19.0', webgpu: '0.6.2', platform: 'linux' },
  parameters,
  published: { trainAccuracy: 0.6191, testAccuracy: 0.6022, parameters: 62006 },
  results,
  notes,
  runs: [],
  timings: { startedAt: '2026-11-20T12:00:00.000Z', finishedAt: null, totalSeconds: 1 },
  counters: {},
});

/** What `tilegrad run` prints at its end. */
const resultsOf = (record: RunRecord) => resultsText(checkReport(reportOf(record)));

test('mean and sample standard deviation', () => {
  expect(meanAndSd([])).toEqual({ mean: null, sd: null });
  expect(meanAndSd([0.5])).toEqual({ mean: 0.5, sd: null });
  expect(meanAndSd([2, 4, 4, 4, 5, 5, 7, 9]).mean).toBe(5);
  expect(meanAndSd([2, 4, 4, 4, 5, 5, 7, 9]).sd).toBeCloseTo(Math.sqrt(32 / 7), 12);
});

test('results take the training accuracy of the last epoch and leave out runs that did not finish', () => {
  expect(summarise([trained(0.5, null)])).toBeNull();
  expect(summarise([trained(0.6, 0.5), trained(0.9, null)])).toEqual({
    runs: 1,
    trainAccuracy: { mean: 0.6, sd: null },
    testAccuracy: { mean: 0.5, sd: null },
  });
});

test('the comparison shows published, ours and the signed difference', () => {
  const one = { mean: 0.63, sd: null };
  const text = resultsOf(record({ runs: 1, trainAccuracy: one, testAccuracy: { mean: 0.6, sd: null } }));
  expect(text).toMatch(/training accuracy │ +0\.6191 │ 0\.6300 │ \+1\.09 points/);
  expect(text).toMatch(/test accuracy +│ +0\.6022 │ 0\.6000 │ -0\.22 points/);
  expect(text).toMatch(/parameters +│ +62,006 │ 62,006 │ +equal/);
  expect(text).not.toContain('like for like');
});

test('the comparison of several runs has deviations, and names other parameters, bad figures and reservations', () => {
  const results = { runs: 3, trainAccuracy: { mean: 0.6, sd: 0.01 }, testAccuracy: { mean: Number.NaN, sd: null } };
  const text = resultsOf(record(results, 62000, ['epochs 2 instead of 10']));
  for (const part of ['Mean of 3 runs', '0.6000 (sd 0.0100)', 'n/a', '  -6 │', 'n/a !', '  - epochs 2 instead of 10']) {
    expect(text).toContain(part);
  }
});

const row = (changes: Partial<ComparisonRow>): ComparisonRow => ({
  label: 'test accuracy',
  published: 0.6,
  ours: 0.6,
  unit: 'accuracy',
  ...changes,
});

test('more than 2 points of accuracy are marked, as they are printed, to both sides; other units are not', () => {
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

test('published words are shown as they are, and without a published figure there is no difference', () => {
  expect(comparisonText(row({ published: '0.01 to 0.04' }))).toMatchObject({
    published: '0.01 to 0.04',
    difference: '',
  });
  expect(comparisonText(row({ published: null }))).toMatchObject({ published: '', ours: '0.6000', difference: '' });
  expect(comparisonText(row({ published: 1.17, ours: 3.4, unit: 'seconds' })).difference).toBe('+2.2 s');
  expect(comparisonText(row({ sd: 0.0045, runs: 3 })).ours).toBe('0.6000 (sd 0.0045, 3 runs)');
});

test('a diverged run has a report like any other', () => {
  const diverged = trained(Number.NaN, Number.NaN);
  const results = summarise([diverged]);
  const report = checkReport(reportOf({ ...record(results), runs: [diverged] }));
  expect(resultsText(report)).toMatch(/test accuracy +│ +0\.6022 │ +n\/a/);
});

test('without a finished run there is nothing to compare', () => {
  expect(resultsOf(record(null))).toContain('No run has finished');
});

test('tables carry no colour codes', () => {
  expect(table(['a', 'b'], [['x', '1']])).not.toContain('\u001b');
  expect([0.5, 1, null, undefined, Number.NaN].map(accuracyText)).toEqual(['0.5000', '1.0000', 'n/a', 'n/a', 'n/a']);
});
