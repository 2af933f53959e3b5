import { describe, expect, test } from 'vitest';
import {
  add,
  batchNorm,
  batchNormInference,
  dropout,
  linear,
  mul,
  scope,
  sum,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { batchNormInference as fixedNorm, batchNorm as norm } from '../reference/batch-norm.ts';
import { dropout as dropped } from '../reference/dropout.ts';
import { linear as reference } from '../reference/matmul.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike } from '../support/operator-cases.ts';

/** Integers, so that the gradients must be exact whatever the order of additions. */
const draw = (shape: number[], seed: number) => drawLike(shape, seed, 'integer');
const normalizeZero = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

describeOnDevice('gradients that a kernel passes through the ReLU below', (device) => {
  const [rows, inputs, hidden, outputs] = [7, 5, 6, 3];
  const relu = { activation: 'relu' } as const;
  const host = [
    draw([rows, inputs], 1),
    draw([inputs, hidden], 2),
    draw([hidden], 3),
    draw([hidden, outputs], 4),
    draw([hidden, outputs], 5),
  ];
  const [x, w1, b1, w2, w3] = host as [NdArray, NdArray, NdArray, NdArray, NdArray];
  const y = reference.forward([x, w1, b1], relu);

  /** Gradients of the sum of `head`'s result for x and the first weight and bias, and the kernels that ran. */
  async function run(head: (h: Tensor, weights: Tensor[]) => Tensor) {
    const leaves = host.map(({ shape, data }) => tensor(device, data, shape, { requiresGrad: true }));
    const program = device.record(() =>
      scope(device, () => {
        const [first, weight, bias, ...more] = leaves as [Tensor, Tensor, Tensor, ...Tensor[]];
        sum(head(linear(first, weight, bias, relu), more)).backward();
      }),
    );
    const { kernels } = program;
    program.run();
    const grads = await Promise.all(leaves.slice(0, 3).map((leaf) => leaf.grad!.data()));
    program.dispose();
    for (const leaf of leaves) {
      leaf.grad?.dispose();
      leaf.dispose();
    }
    return { grads, kernels };
  }

  /** Gradients of x and the first layer's weights for the gradient `dy` of the ReLU's output. */
  const expectedGrads = (dy: NdArray) =>
    reference.backward([x, w1, b1], y, dy, relu).map((grad) => normalizeZero(grad!.data));
  const ones = map(ndarray([rows, outputs]), () => 1);
  const under = (w: NdArray) => reference.backward([y, w], ones, ones, {})[0]!;

  test('linear: applies the ReLU of the dense layer below without a separate kernel', async () => {
    const { grads, kernels } = await run((h, [w]) => linear(h, w!));
    expect(grads.map(normalizeZero)).toEqual(expectedGrads(under(w2)));
    expect(kernels).not.toContain('relu_grad');
  });

  test('linear: adds two such gradients, and still applies the ReLU to other gradients', async () => {
    const both = await run((h, [v, w]) => add(linear(h, v!), linear(h, w!)));
    const [one, two] = [under(w2), under(w3)];
    expect(both.grads.map(normalizeZero)).toEqual(expectedGrads(map(one, (value, i) => value + two.data[i]!)));
    const direct = await run((h, [w]) => add(sum(linear(h, w!)), sum(h)));
    expect(direct.grads.map(normalizeZero)).toEqual(expectedGrads(map(one, (value) => value + 1)));
    expect(direct.kernels).toContain('relu_grad');
  });

  test('batchNorm: applies the ReLU of the dense layer below', async () => {
    const [scale, offset, mean, variance] = [6, 7, 8, 9].map((seed) => draw([hidden], seed)) as [
      NdArray,
      NdArray,
      NdArray,
      NdArray,
    ];
    const spread = map(variance, Math.abs);
    const dy = draw([rows, hidden], 10);
    const attrs = { epsilon: 0.5 };
    const constants = [scale, offset, mean, spread, dy].map(({ shape, data }) => tensor(device, data, shape));
    const [factor, shift, middle, deviation, weights] = constants as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const batchStatistics = await run((h) => mul(batchNorm(h, factor, shift, attrs), weights));
    const fixed = await run((h) => mul(batchNormInference(h, factor, shift, middle, deviation, attrs), weights));
    for (const constant of constants) constant.dispose();
    const wanted = [
      norm.backward([y, scale, offset], y, dy, attrs)[0]!,
      fixedNorm.backward([y, scale, offset, mean, spread], y, dy, attrs)[0]!,
    ];
    for (const [k, { grads, kernels }] of [batchStatistics, fixed].entries()) {
      for (const [i, grad] of expectedGrads(wanted[k]!).entries())
        expectClose(grads[i]!, grad, { rtol: 1e-5, atol: 1e-4 });
      expect(kernels).not.toContain('relu_grad');
    }
  });

  describe('dropout after a ReLU', () => {
    const draws = { rate: 0.5, seed: 4, layer: 2, step: 3 };
    const dropoutGrad = (dy: NdArray) => dropped.backward([y], y, dy, draws)[0]!;

    test('scales a gradient of linear by the mask, which is 0 where the ReLU is', async () => {
      const { grads, kernels } = await run((h, [w]) => linear(dropout(h, draws), w!));
      expect(grads.map(normalizeZero)).toEqual(expectedGrads(dropoutGrad(under(w2))));
      expect(kernels.filter((name) => name === 'dropout')).toHaveLength(2);
      expect(kernels).not.toContain('relu_grad');
    });

    test('draws its mask again for other gradients, to which the ReLU below is then applied', async () => {
      const { grads, kernels } = await run((h, [w]) => {
        const some = dropout(h, draws);
        return add(sum(linear(some, w!)), sum(some));
      });
      expect(grads.map(normalizeZero)).toEqual(expectedGrads(dropoutGrad(map(under(w2), (value) => value + 1))));
      expect(kernels).toContain('relu_grad');
    });
  });
});
