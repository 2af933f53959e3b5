import { describe, expect, test } from 'vitest';
import * as tg from '../../src/autograd/index.ts';
import { operatorNames, references } from '../reference/index.ts';
import { type NdArray, ndarray } from '../reference/ndarray.ts';
import { magnitudes, runOperator } from '../support/adapter.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { operatorTolerance } from '../support/precision.ts';
import { withoutGradient } from '../support/without-gradient.ts';
import { type GoldenArray, type GoldenVector, goldenOperators, goldenVectors } from './vectors.ts';

/** Operators without vectors, with the reason. */
const WITHOUT_VECTORS: Record<string, string> = {
  dropout: "its mask comes from another generator than PyTorch's",
  isNan: 'JSON has no NaN',
  cast: 'its values, exact ones, are in test/autograd/integers.test.ts',
};
/** Vectors whose operator does not exist yet. */
const WAITING: string[] = [];

const nd = ({ shape, data }: GoldenArray): NdArray => ndarray(shape, data);
const differentiable = operatorNames.filter((name) => goldenOperators.includes(name));
const others = Object.keys(withoutGradient).filter((name) => goldenOperators.includes(name));

test('every operator has vectors, and every file of vectors has an operator', () => {
  const known: string[] = [...operatorNames, ...Object.keys(withoutGradient)];
  expect(known.filter((name) => !goldenOperators.includes(name)).sort()).toEqual(Object.keys(WITHOUT_VECTORS).sort());
  expect(goldenOperators.filter((name) => !known.includes(name))).toEqual(WAITING);
});

/** Rounding of the vectors; both sides are computed in float64. `atol` is for zeros from cancellation. */
const ROUNDED = { rtol: 1.2e-7, atol: 1e-12 };

describe('the float64 references agree with PyTorch', () => {
  test.each(differentiable)('%s', (name) => {
    for (const { inputs, attrs, output, dout, grads } of goldenVectors(name)) {
      const call = `${name} ${JSON.stringify(attrs)}`;
      const arrays = inputs.map(nd);
      const y = references[name].forward(arrays, attrs);
      expect(y.shape, call).toEqual(output.shape);
      expectClose(y.data, output.data, ROUNDED, call);
      references[name].backward(arrays, y, nd(dout!), attrs).forEach((grad, k) => {
        expect(grad === null, `${call}, whether there is a gradient ${k}`).toBe(grads![k] === null);
        if (grad) expectClose(grad.data, grads![k]!.data, ROUNDED, `${call}, gradient ${k}`);
      });
    }
  });

  test.each(others)('%s', (name) => {
    for (const { inputs, attrs, output } of goldenVectors(name)) {
      const y = withoutGradient[name as keyof typeof withoutGradient].reference(inputs.map(nd), attrs);
      expect(y.shape).toEqual(output.shape);
      expect([...y.data]).toEqual(output.data);
    }
  });
});

/**
 * Tolerance in f32, relative to the terms of the sums (see `Tolerance`): enough for the roundings of short sums and an adapter's exp, log
 * and pow, but not for a wrong epsilon, divisor or border.
 */
const RTOL = 1e-5;

describeOnDevice('the adapter agrees with PyTorch', (device) => {
  async function compare(name: (typeof differentiable)[number], vector: GoldenVector): Promise<void> {
    const { inputs, attrs, output, dout, grads } = vector;
    const call = `${name} ${JSON.stringify(attrs)}`;
    const actual = await runOperator(device, name, inputs, attrs, dout!.data);
    expect(actual.shape, call).toEqual(output.shape);
    const terms = magnitudes(name, inputs.map(nd), attrs, nd(output), nd(dout!));
    const rtol = operatorTolerance(device, RTOL, name, attrs);
    expectClose(actual.output, output.data, { rtol, magnitude: terms.output?.data }, call);
    grads!.forEach((grad, k) => {
      const got = actual.grads[k];
      expect(!got, `${call}, whether there is a gradient ${k}`).toBe(grad === null);
      if (grad && got)
        expectClose(got, grad.data, { rtol, magnitude: terms.grads?.[k]?.data }, `${call}, gradient ${k}`);
    });
  }

  test.each(differentiable)('%s', async (name) => {
    for (const vector of goldenVectors(name)) await compare(name, vector);
  });

  test.each(others)('%s', async (name) => {
    for (const { inputs, attrs, output } of goldenVectors(name)) {
      const tensors = inputs.map(({ shape, data, dtype }) => tg.tensor(device, data, shape, { dtype }));
      const result = withoutGradient[name as keyof typeof withoutGradient].call(tensors, attrs);
      expect(result.shape).toEqual(output.shape);
      expect(Array.from(await result.data())).toEqual(output.data);
      for (const one of [...tensors, result]) one.dispose();
    }
  });
});
