import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  drawInputs,
  drawnCases,
  FAST_CHECK_SEED,
  type OperatorCase,
  operatorCases,
} from '../support/operator-cases.ts';
import { unary } from './pointwise.ts';

const relu = unary('relu');

import { gradcheck } from './gradcheck.ts';
import { type OperatorName, operatorNames, references } from './index.ts';
import { matmul } from './matmul.ts';
import { map, type NdArray, ndarray } from './ndarray.ts';
import type { Reference } from './reference.ts';

/** Configurations that a random draw might miss. */
const fixedCases: Partial<Record<OperatorName, Omit<OperatorCase, 'seed'>[]>> = {
  conv2d: [
    { inputs: [{ shape: [1, 1, 1, 1] }, { shape: [1, 1, 1, 1] }, { shape: [1] }], attrs: {} },
    { inputs: [{ shape: [1, 1, 1, 2] }, { shape: [3, 3, 2, 3] }], attrs: { padding: 'same' } },
    { inputs: [{ shape: [2, 7, 5, 2] }, { shape: [5, 5, 2, 3] }, { shape: [3] }], attrs: { activation: 'relu' } },
    ...(['leakyRelu', 'sigmoid', 'tanh', 'relu6'] as const).map((activation) => ({
      inputs: [{ shape: [1, 4, 3, 2] }, { shape: [2, 2, 2, 3] }, { shape: [3] }],
      attrs: { activation },
    })),
    { inputs: [{ shape: [1, 7, 7, 2] }, { shape: [2, 3, 2, 2] }], attrs: { strides: [2, 3], padding: 'same' } },
    { inputs: [{ shape: [1, 7, 11, 1] }, { shape: [3, 3, 1, 2] }], attrs: { strides: 3, dilation: 3 } },
    { inputs: [{ shape: [1, 5, 7, 2] }, { shape: [3, 2, 2, 2] }], attrs: { dilation: [2, 3], padding: 'same' } },
    { inputs: [{ shape: [1, 2, 7, 1] }, { shape: [1, 1, 1, 2] }], attrs: { strides: 2 } },
  ],
  maxPool2d: [
    { inputs: [{ shape: [1, 1, 1, 1] }], attrs: { poolSize: 1 } },
    { inputs: [{ shape: [1, 1, 1, 2] }], attrs: { poolSize: 3, padding: 'same' } },
    { inputs: [{ shape: [2, 7, 5, 3] }], attrs: { poolSize: [3, 2], strides: [1, 2], padding: 'same' } },
    { inputs: [{ shape: [1, 7, 7, 1] }], attrs: { poolSize: 2, strides: 3 } },
  ],
  linear: (['relu', 'leakyRelu', 'sigmoid', 'tanh', 'relu6'] as const).flatMap((activation) => [
    { inputs: [{ shape: [1, 1] }, { shape: [1, 1] }, { shape: [1] }], attrs: { activation } },
    { inputs: [{ shape: [3, 4] }, { shape: [4, 5] }, { shape: [5] }], attrs: { activation } },
  ]),
  softmax: [{ inputs: [{ shape: [3, 1] }], attrs: {} }],
};

function check(name: OperatorName, c: OperatorCase): string[] {
  return gradcheck(references[name], drawInputs(c), c.attrs, c.seed);
}

describe('references agree with central differences', () => {
  test.each(operatorNames)('%s', (name) => {
    for (const c of fixedCases[name] ?? []) expect(check(name, { ...c, seed: 7 }), JSON.stringify(c)).toEqual([]);
    fc.assert(
      fc.property(operatorCases('small')[name], (c) => {
        expect(check(name, c)).toEqual([]);
      }),
      { seed: FAST_CHECK_SEED, numRuns: drawnCases(40) },
    );
  });
});

describe('gradcheck', () => {
  const a = ndarray([2, 3], [1, -2, 0.5, 3, 1.5, -1]);
  const b = ndarray([3, 2], [0.3, 1, -1, 2, 0.7, -0.4]);
  const withSpoiledGrads = (
    spoil: (grads: (NdArray | null)[]) => (NdArray | null)[],
  ): Reference<[a: NdArray, b: NdArray]> => ({
    forward: matmul.forward,
    backward: (inputs, output, dout, attrs) => spoil(matmul.backward(inputs, output, dout, attrs)),
  });

  test('accepts a correct gradient', () => {
    expect(gradcheck(matmul, [a, b], {})).toEqual([]);
  });

  test.each<[string, (grads: (NdArray | null)[]) => (NdArray | null)[]]>([
    ['one element off by 1%', ([da, db]) => [map(da!, (v, i) => (i === 4 ? v * 1.01 : v)), db!]],
    ['a wrong sign', ([da, db]) => [da!, map(db!, (v) => -v)]],
    ['NaN', ([da, db]) => [da!, map(db!, () => Number.NaN)]],
    ['a wrong shape', ([da, db]) => [ndarray([3, 2], da!.data), db!]],
    ['a missing gradient', ([da]) => [da!]],
  ])('rejects %s', (_what, spoil) => {
    expect(gradcheck(withSpoiledGrads(spoil), [a, b], {})).not.toEqual([]);
  });

  test('rejects a gradient that ignores the ReLU mask', () => {
    const unmasked: Reference<[x: NdArray]> = { forward: relu.forward, backward: (_inputs, _output, dout) => [dout] };
    expect(gradcheck(unmasked, [a], {})).not.toEqual([]);
  });
});
