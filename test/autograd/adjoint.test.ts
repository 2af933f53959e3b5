import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dot } from '../reference/ndarray.ts';
import { hostInputs, runOperator } from '../support/adapter.ts';
import { describeOnDevice } from '../support/device.ts';
import {
  conv2dCase,
  drawInputs,
  drawLike,
  drawnCases,
  FAST_CHECK_SEED,
  type OperatorCase,
  operatorCases,
} from '../support/operator-cases.ts';

const cases = operatorCases('full');

/**
 * For an operator that is linear in one input v (the others held fixed), J v is the forward pass itself and J^T u the
 * gradient: <u, J v> = <J^T u, v> must hold on the adapter alone, no reference involved. Small integers make both sides
 * exact, so it must hold exactly.
 */
const linearCases: Record<'matmul' | 'conv2d', fc.Arbitrary<OperatorCase>> = {
  matmul: cases.matmul,
  // Bias and activation would make it affine, or not even that.
  conv2d: conv2dCase('full').map((c) => ({
    ...c,
    inputs: c.inputs.slice(0, 2),
    attrs: { ...c.attrs, activation: undefined },
  })),
};

describeOnDevice('<u, J v> = <J^T u, v> on the adapter', (device) => {
  test.each([
    ['matmul', 0],
    ['matmul', 1],
    ['conv2d', 0],
    ['conv2d', 1],
  ] as const)('%s, input %i', async (name, k) => {
    await fc.assert(
      fc.asyncProperty(linearCases[name], async (c) => {
        const v = drawInputs(c, 'integer')[k]!;
        let u: ArrayLike<number> = [];
        const { output, grads } = await runOperator(device, name, hostInputs(c, 'integer'), c.attrs, (shape) => {
          u = drawLike(shape, c.seed, 'integer').data;
          return u;
        });
        expect(dot(u, output) === dot(grads[k]!, v.data), `${dot(u, output)} and ${dot(grads[k]!, v.data)}`).toBe(true);
      }),
      { seed: FAST_CHECK_SEED, numRuns: drawnCases(25) },
    );
  });

  // Linear in all their inputs together: <u, f(v)> is the sum of <gradient k, v_k>.
  test.each([
    'add',
    'concat',
    'expandDims',
    'gather',
    'pad',
    'reshape',
    'slice',
    'squeeze',
    'stack',
    'sum',
    'transpose',
    // These multiply by fractions, so rounding takes its share.
    'mean',
    'resize',
  ] as const)('%s', async (name) => {
    await fc.assert(
      fc.asyncProperty(cases[name], async (drawn) => {
        const c = { ...drawn, attrs: { ...drawn.attrs, value: 0 } }; // a padding with anything else is affine
        const v = drawInputs(c, 'integer');
        let u: ArrayLike<number> = [];
        const { output, grads } = await runOperator(device, name, hostInputs(c, 'integer'), c.attrs, (shape) => {
          u = drawLike(shape, c.seed, 'integer').data;
          return u;
        });
        const forward = dot(u, output);
        const backward = grads.reduce((sum, grad, k) => sum + (grad ? dot(grad, v[k]!.data) : 0), 0);
        if (name === 'mean' || name === 'resize') {
          const size = Array.from(u, (value, i) => Math.abs(value * output[i]!)).reduce((a, b) => a + b, 1);
          expect(Math.abs(forward - backward) / size).toBeLessThan(1e-5);
        } else {
          expect(forward === backward, `${forward} and ${backward}`).toBe(true);
        }
      }),
      { seed: FAST_CHECK_SEED + 4, numRuns: drawnCases(25) },
    );
  });
});
