import { expect, test } from 'vitest';
import type { Hyperparameter, Trial } from '../../src/node.ts';
import { bestTrials, pythonText, searchSpaceText, trialText } from '../../src/search/summary.ts';

const conditions: Hyperparameter['conditions'] = [];

// Lines of the output of KerasTuner that coursework C was handed in with.
test('searchSpaceSummary: is that of KerasTuner', () => {
  const space: Hyperparameter[] = [
    { kind: 'int', name: 'layers', conditions, min: 3, max: 5, step: 1, sampling: 'linear', default: 3 },
    { kind: 'choice', name: 'units0', conditions, values: [64, 128, 256], ordered: true, default: 64 },
    { kind: 'float', name: 'l2_0', conditions, min: 1e-8, max: 1e-4, step: null, sampling: 'log', default: 1e-8 },
    { kind: 'float', name: 'dropout_0', conditions, min: 0.1, max: 0.5, step: 0.2, sampling: 'linear', default: 0.5 },
    { kind: 'boolean', name: 'bias', conditions: [{ name: 'units0', values: [64, 128] }], default: false },
    { kind: 'fixed', name: 'activation', conditions, value: 'relu' },
  ];
  expect(searchSpaceText(space).split('\n')).toEqual([
    ...['[Search space summary]', '|-Default search space size: 6'],
    ...['> layers (Int)', '|-default: 3', '|-max_value: 5', '|-min_value: 3', '|-sampling: None', '|-step: 1'],
    ...['> units0 (Choice)', '|-default: 64', '|-ordered: True', '|-values: [64, 128, 256]'],
    ...[
      '> l2_0 (Float)',
      '|-default: 1e-08',
      '|-max_value: 0.0001',
      '|-min_value: 1e-08',
      '|-sampling: log',
      '|-step: None',
    ],
    ...[
      '> dropout_0 (Float)',
      '|-default: 0.5',
      '|-max_value: 0.5',
      '|-min_value: 0.1',
      '|-sampling: None',
      '|-step: 0.2',
    ],
    ...['> bias (Boolean)', '|-condition: units0 in [64, 128]', '|-default: False'],
    ...['> activation (Fixed)', '|-value: relu'],
  ]);
});

test('numbers are printed as Python prints them', () => {
  const texts = [1e-8, 8.353674406062614e-6, 0.0001, 0.30000000000000004, 0, -2e-7, 1e16, 123456789, 1.5e300].map(
    pythonText,
  );
  expect(texts).toEqual(
    ['1e-08', '8.353674406062614e-06', '0.0001', '0.30000000000000004', '0', '-2e-07', '1e+16', '123456789', '1.5e+300'], // biome-ignore format: as a row
  );
  expect([true, false, null, 'relu', ['a', 'b']].map(pythonText)).toEqual([
    'True',
    'False',
    'None',
    'relu',
    "['a', 'b']",
  ]);
});

test('trials: failed and pruned ones, and their order', () => {
  const trial = (number: number, score: number | null, more: Partial<Trial> = {}): Trial => ({
    ...{
      number,
      values: { b: 1, a: 2, 'tuner/round': 0 },
      status: 'completed',
      score,
      bestEpoch: 1,
      histories: [],
      parameters: 1,
    },
    ...{ seconds: { setUp: 0, total: 0 }, adapter: '', ...more },
  });
  expect(trialText(trial(3, 0.5)).split('\n').slice(4)).toEqual([
    '> Hyperparameters:',
    '|-a: 2',
    '|-b: 1',
    '|-tuner/round: 0',
  ]);
  const failed = trial(1, null, { status: 'failed', reason: 'no memory', bestEpoch: null });
  expect(trialText(failed).split('\n').slice(1, 5)).toEqual([
    '|-Trial ID: 1',
    '|-Status: failed: no memory',
    '|-Score: None',
    '|-Best epoch: None',
  ]);
  const hidden = trial(5, 1, { values: { 'a\u001b[2J': 'b\nc' } });
  expect(trialText(hidden).split('\n').slice(5)).toEqual(['|-a\\x1b[2J: b\\nc']);
  const all = [trial(0, 0.5), failed, trial(2, 0.7), trial(4, 0.5), trial(3, 0.1, { status: 'pruned' })];
  const numbers = (direction: 'min' | 'max') =>
    bestTrials({ name: 'loss', direction }, all).map(({ number }) => number);
  expect([numbers('max'), numbers('min')]).toEqual([[2, 0, 4, 3], [3, 0, 4, 2]]); // biome-ignore format: as two rows
});
