import { expect, test } from 'vitest';
import { drawLike } from '../support/operator-cases.ts';
import { lenetGradients, lenetShapes, lenetStep } from './lenet.ts';
import { dot, map, type NdArray, ndarray, sizeOf } from './ndarray.ts';
import { adamState } from './optimizers.ts';

const images = map(drawLike([4, 32, 32, 3], 1), Math.abs);
const labels = ndarray([4], [3, 0, 9, 5]);

/** Weights scaled by fan-in, so that activations neither vanish nor explode. */
function drawWeights(): NdArray[] {
  return lenetShapes.map((shape, k) => {
    const fanIn = sizeOf(shape.slice(0, -1));
    return map(drawLike(shape, 100 + k), (v) => (k % 2 ? 0.01 * v : v * Math.sqrt(2 / fanIn)));
  });
}

test('LeNet-5 has 62,006 parameters', () => {
  expect(lenetShapes.reduce((total, shape) => total + sizeOf(shape), 0)).toBe(62_006);
});

test('the gradient of the whole network agrees with central differences along random directions', () => {
  const weights = drawWeights();
  const { grads } = lenetGradients(images, labels, weights);
  const epsilon = 1e-6;
  weights.forEach((weight, k) => {
    const direction = drawLike(weight.shape, 200 + k);
    const lossAt = (step: number) => {
      const moved = map(weight, (v, i) => v + step * direction.data[i]!);
      return lenetGradients(images, labels, weights.with(k, moved)).loss;
    };
    const numeric = (lossAt(epsilon) - lossAt(-epsilon)) / (2 * epsilon);
    const analytic = dot(grads[k]!.data, direction.data);
    expect(Math.abs(analytic - numeric), `weight ${k}`).toBeLessThanOrEqual(1e-6 + 1e-3 * Math.abs(numeric));
  });
});

test('Adam steps decrease the loss', () => {
  const weights = drawWeights();
  const state = adamState(weights);
  const losses = Array.from({ length: 6 }, () => lenetStep(images, labels, weights, state, { learningRate: 1e-3 }));
  expect(losses.at(-1)).toBeLessThan(0.7 * losses[0]!);
});
