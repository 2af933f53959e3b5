import { expect, test } from 'vitest';
import * as tg from '../src/autograd/index.ts';
import { operatorNames } from './reference/index.ts';
import { listedOperators } from './support/operators-table.ts';
import { withoutGradient } from './support/without-gradient.ts';

const all = [...operatorNames, ...Object.keys(withoutGradient)].sort();

test('docs/OPERATORS.md lists the operators that exist (`npm run docs:operators` writes it)', () => {
  expect(listedOperators().sort()).toEqual(all);
});

/** Exported functions that compute nothing, or only by calling operators (`split` is slices). */
const NO_OPERATORS = ['Tensor', 'noGrad', 'scope', 'softmaxCrossEntropyWithHits', 'split', 'tensor'];
/** Losses are compositions of operators, with a separate test (test/autograd/losses/losses.test.ts). */
const LOSSES = [
  'binaryCrossentropy',
  'categoricalCrossentropy',
  'huber',
  'meanAbsoluteError',
  'meanSquaredError',
  'sparseCategoricalCrossentropy',
];

test('every exported function is an operator with its reference and checks', () => {
  const functions = Object.entries(tg).filter(([, value]) => typeof value === 'function');
  expect(functions.map(([name]) => name).sort()).toEqual([...all, ...NO_OPERATORS, ...LOSSES].sort());
});
