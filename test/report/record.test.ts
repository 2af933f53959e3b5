import { expect, test } from 'vitest';
import { meanAndSd, type RunRecord, summarise } from '../../src/report/run-record.ts';
import { accuracyText, comparisonTable, table } from '../../src/report/tables.ts';

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

const record = (results: RunRecord['results'], parameters = 62006, notes: string[] = []) =>
  ({
    experiment: { id: 'A1', title: '' },
    published: { trainAccuracy: 0.6191, testAccuracy: 0.6022, parameters: 62006 },
    parameters,
    results,
    notes,
  }) as unknown as RunRecord;

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
  const text = comparisonTable(record({ runs: 1, trainAccuracy: one, testAccuracy: { mean: 0.6, sd: null } }));
  expect(text).toMatch(/training accuracy │ +0\.6191 │ 0\.6300 │ \+1\.09 points/);
  expect(text).toMatch(/test accuracy +│ +0\.6022 │ 0\.6000 │ -0\.22 points/);
  expect(text).toMatch(/parameters +│ +62,006 │ 62,006 │ +equal/);
  expect(text).not.toContain('like for like');
});

test('the comparison of several runs has deviations, and names other parameters, bad figures and reservations', () => {
  const results = { runs: 3, trainAccuracy: { mean: 0.6, sd: 0.01 }, testAccuracy: { mean: Number.NaN, sd: null } };
  const text = comparisonTable(record(results, 62000, ['epochs 2 instead of 10']));
  for (const part of ['mean of 3 runs', '0.6000 (sd 0.0100)', 'n/a', '-6', '  - epochs 2 instead of 10']) {
    expect(text).toContain(part);
  }
});

test('without a finished run there is nothing to compare', () => {
  expect(comparisonTable(record(null))).toContain('No run has finished');
});

test('tables carry no colour codes', () => {
  expect(table(['a', 'b'], [['x', '1']])).not.toContain('\u001b');
  expect([0.5, 1, null, undefined, Number.NaN].map(accuracyText)).toEqual(['0.5000', '1.0000', 'n/a', 'n/a', 'n/a']);
});
