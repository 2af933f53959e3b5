import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeviceArray } from '../../src/kernels/array.ts';
import { conv2d, conv2dInputGrad, conv2dVariants, conv2dWeightGrad, convGeometry } from '../../src/kernels/conv2d.ts';
import { matmul, matmulVariants } from '../../src/kernels/matmul.ts';
import { scope, Tensor, tensor } from '../../src/node.ts';
import { type Conv2dAttrs, conv2d as conv2dReference } from '../reference/conv2d.ts';
import { linear, matmul as matmulReference } from '../reference/matmul.ts';
import { map, type NdArray } from '../reference/ndarray.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { conv2dCase, drawInputs, drawLike, FAST_CHECK_SEED, operatorCases } from '../support/operator-cases.ts';

/**
 * Every implementation of the hot kernels, called directly: the operators' tests see only the one that is picked for
 * their shapes. Integers, so that the order of additions cannot matter and the result must be exact.
 */
const drawn = { seed: FAST_CHECK_SEED + 3, numRuns: 25 };

/** -0 and 0 are one value here: which of them a sum of zeros gives is nobody's promise. */
const plain = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

describeOnDevice('kernel variants', (device) => {
  const upload = ({ shape, data }: NdArray): DeviceArray => tensor(device, data, shape).array;

  async function expectExact(run: () => DeviceArray[], expected: NdArray[]): Promise<void> {
    const results = scope(device, () => run().map((array) => new Tensor(array)));
    for (const [k, result] of results.entries()) {
      expect(result.shape).toEqual(expected[k]!.shape);
      expect(plain(await result.data())).toEqual(plain(expected[k]!.data));
      result.dispose();
    }
  }

  test.each(conv2dVariants)('conv2d and both gradients: %s', async (variant) => {
    await fc.assert(
      fc.asyncProperty(conv2dCase('full'), async (c) => {
        const inputs = drawInputs(c, 'integer') as [NdArray, NdArray, NdArray?];
        const { activation, ...attrs } = c.attrs as Conv2dAttrs;
        const y = conv2dReference.forward(inputs, { ...attrs, activation });
        const dy = drawLike(y.shape, c.seed, 'integer');
        // The gradient kernels know neither bias nor activation: they are given dz.
        const grads = conv2dReference.backward([inputs[0], inputs[1]], y, dy, attrs);
        await expectExact(() => {
          const [x, filter, bias] = [upload(inputs[0]), upload(inputs[1]), inputs[2] && upload(inputs[2])];
          const dz = upload(dy);
          const geometry = convGeometry(x, filter, attrs);
          return [
            conv2d(x, filter, { ...attrs, bias, relu: activation === 'relu', variant }),
            conv2dInputGrad(dz, filter, geometry, { variant }),
            conv2dWeightGrad(x, dz, geometry, { variant }),
          ];
        }, [y, grads[0]!, grads[1]!]);
      }),
      drawn,
    );
  });

  test.each(matmulVariants)('matmul, its transposes, bias and ReLU: %s', async (variant) => {
    const cases = operatorCases('full');
    await fc.assert(
      fc.asyncProperty(cases.matmul, cases.linear, async (plainCase, fusedCase) => {
        const [a, b] = drawInputs(plainCase, 'integer') as [NdArray, NdArray];
        const fused = drawInputs(fusedCase, 'integer') as [NdArray, NdArray, NdArray?];
        const { activation } = fusedCase.attrs as { activation?: 'relu' };
        await expectExact(
          () => [
            matmul(upload(a), upload(b), { ...plainCase.attrs, variant }),
            matmul(upload(fused[0]), upload(fused[1]), {
              bias: fused[2] && upload(fused[2]),
              relu: activation === 'relu',
              variant,
            }),
          ],
          [matmulReference.forward([a, b], plainCase.attrs), linear.forward(fused, { activation })],
        );
      }),
      drawn,
    );
  });

  // Sums long enough that a bad order of additions, or one in too low a precision, would show.
  test.each(matmulVariants)('matmul over a long inner axis: %s', async (variant) => {
    const [a, b] = [drawLike([3, 20_011], 1), drawLike([20_011, 2], 2)];
    const result = scope(device, () => new Tensor(matmul(upload(a), upload(b), { variant })));
    const magnitude = matmulReference.forward([map(a, Math.abs), map(b, Math.abs)], {}).data;
    expectClose(await result.data(), matmulReference.forward([a, b], {}).data, { magnitude, rtol: 1e-6 });
    result.dispose();
  });
});
