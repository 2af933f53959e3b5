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

/**
 * For an operator that is linear in one input v (the others held fixed), J v is the forward pass itself and J^T u the
 * gradient: <u, J v> = <J^T u, v> must hold on the adapter alone, no reference involved. Small integers make both sides
 * exact, so it must hold exactly.
 */
const linearCases: Record<'matmul' | 'conv2d', fc.Arbitrary<OperatorCase>> = {
  matmul: operatorCases('full').matmul,
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
});
