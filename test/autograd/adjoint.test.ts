import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type OperatorName, operatorNames } from '../reference/index.ts';
import { byWinograd } from '../support/adapter.ts';
import {
  type AdjointCheck,
  curve,
  disagreement,
  exact,
  flat,
  type Measured,
  measure,
  pieces,
  piecesOfProducts,
  polynomial,
} from '../support/adjoint.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawnCases, FAST_CHECK_SEED, type OperatorCase, operatorCases } from '../support/operator-cases.ts';

/** Total by type: an operator that is not checked does not compile. */
const checks: Record<OperatorName, AdjointCheck> = {
  abs: pieces,
  add: exact,
  avgPool2d: polynomial,
  batchNorm: curve,
  batchNormInference: { ...polynomial, constant: [3, 4] },
  biasAdd: exact,
  clip: pieces,
  concat: exact,
  conv2d: piecesOfProducts, // for a fused ReLU
  depthwiseConv2d: exact,
  div: curve,
  dropout: polynomial, // the seed fixes the mask
  elu: curve,
  exp: curve,
  expandDims: exact,
  gather: exact,
  gelu: curve,
  globalAveragePool2d: polynomial,
  leakyRelu: curve,
  linear: piecesOfProducts,
  log: curve,
  logSoftmax: curve,
  matmul: exact,
  max: pieces,
  maximum: pieces,
  maxPool2d: pieces,
  mean: polynomial,
  min: pieces,
  minimum: pieces,
  mul: exact,
  neg: exact,
  pad: exact,
  pow: curve,
  reciprocal: curve,
  relu: pieces,
  relu6: pieces,
  reshape: exact,
  resize: polynomial,
  rsqrt: curve,
  sigmoid: curve,
  sign: flat,
  slice: exact,
  softmax: curve,
  softmaxCrossEntropy: curve,
  softplus: curve,
  sqrt: curve,
  square: exact,
  squeeze: exact,
  stack: exact,
  sub: exact,
  sum: exact,
  tanh: curve,
  transpose: exact,
  variance: polynomial,
  where: exact,
};

const drawn = operatorCases('full');
const cases: typeof drawn = {
  ...drawn,
  // Two equal rows under a small epsilon are as good as a kink. Activations have separate tests.
  batchNorm: drawn.batchNorm.map((c) => ({
    ...c,
    attrs: { epsilon: Math.max(0.1, (c.attrs as { epsilon: number }).epsilon) },
  })),
  batchNormInference: drawn.batchNormInference.map((c) => ({
    ...c,
    attrs: { epsilon: (c.attrs as { epsilon: number }).epsilon },
  })),
};

const percentOff = (m: Measured): Measured => ({ ...m, grad: Array.from(m.grad, (g) => 1.01 * g) });

describeOnDevice('<u, J v> = <J^T u, v> on the adapter', (device) => {
  test.each(operatorNames)('%s', async (name) => {
    const check = checks[name];
    const seen = { directions: 0, caught: 0, elements: 0, skipped: 0 };
    await fc.assert(
      fc.asyncProperty(cases[name], async (c) => {
        for (const [k, { classes }] of c.inputs.entries()) {
          if (classes || check.constant?.includes(k)) continue;
          device.choices.used.clear();
          const sides = await measure(device, name, c, check, k);
          const isExact = !byWinograd(device);
          const tolerance = isExact ? check.tolerance : curve.tolerance;
          expect(disagreement(sides), `input ${k}`).toBeLessThanOrEqual(tolerance);
          seen.directions++;
          seen.caught += Number(disagreement(percentOff(sides)) > tolerance);
          if (!isExact) continue; // its rounding errors look like kinks
          seen.elements += sides.u.length;
          seen.skipped += sides.skipped;
        }
      }),
      { seed: FAST_CHECK_SEED, numRuns: drawnCases(8) },
    );
    // The check is meaningful only if it fails for a gradient that is 1% too large. Some cases have a gradient of 0: empty slices, the
    // softmax of one class, batches of one.
    if (check === flat) expect(seen.caught).toBe(0);
    else expect(seen.caught / seen.directions).toBeGreaterThan(0.25);
    expect(seen.skipped / seen.elements).toBeLessThan(0.05);
  });

  const shapes = (...inputs: number[][]) => inputs.map((shape) => ({ shape }));
  test.each<[OperatorName, OperatorCase['inputs'], object?]>([
    ['matmul', shapes([5, 7], [7, 3])],
    ['variance', shapes([5, 7]), { axis: 0 }],
    ['maxPool2d', shapes([1, 4, 6, 2]), { poolSize: 2 }],
    ['linear', shapes([5, 7], [7, 3]), { activation: 'relu' }],
    ['softmax', shapes([5, 7])],
  ])('rejects a wrong gradient of %s', async (name, inputs, attrs = {}) => {
    const check = checks[name];
    const sides = await measure(device, name, { inputs, attrs, seed: 5 }, check, 0);
    expect(disagreement(sides)).toBeLessThanOrEqual(check.tolerance);
    const grad = Array.from(sides.grad);
    const largest = grad.reduce(
      (best, g, i) => (Math.abs(g * sides.v[i]!) > Math.abs(grad[best]! * sides.v[best]!) ? i : best),
      0,
    );
    const wrong: Record<string, Measured> = {
      '1% too large': percentOff(sides),
      'of another u': { ...sides, u: Array.from(sides.u).reverse() },
      'of the wrong sign': { ...sides, grad: grad.map((g) => -g) },
      'all zero': { ...sides, grad: grad.map(() => 0) },
      'an element off its place': { ...sides, grad: [...grad.slice(1), grad[0]!] },
      'one element missing': { ...sides, grad: grad.with(largest, 0) },
      'NaN in it': { ...sides, grad: grad.with(0, Number.NaN) },
    };
    for (const [what, spoiled] of Object.entries(wrong)) {
      expect(disagreement(spoiled) <= check.tolerance, what).toBe(false);
    }
  });
});
