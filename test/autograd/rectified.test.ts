import { expect, test } from 'vitest';
import { add, linear, scope, sum, type Tensor, tensor } from '../../src/node.ts';
import { linear as reference } from '../reference/matmul.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike } from '../support/operator-cases.ts';

/** Integers, so that the gradients must be exact whatever the order of additions. */
const draw = (shape: number[], seed: number) => drawLike(shape, seed, 'integer');
const plain = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);

describeOnDevice('a gradient that goes through a ReLU in the kernel that computes it', (device) => {
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

  /** What `dy` for the ReLU's output makes of x and the first layer's weights. */
  const expected = (dy: NdArray) => reference.backward([x, w1, b1], y, dy, relu).map((grad) => plain(grad!.data));
  const ones = map(ndarray([rows, outputs]), () => 1);
  const through = (w: NdArray) => reference.backward([y, w], ones, ones, {})[0]!;

  test('a dense layer below another runs no kernel for its ReLU', async () => {
    const { grads, kernels } = await run((h, [w]) => linear(h, w!));
    expect(grads.map(plain)).toEqual(expected(through(w2)));
    expect(kernels).not.toContain('relu_grad');
  });

  test('the sum of two such gradients is right, and one that came another way still meets the ReLU', async () => {
    const both = await run((h, [v, w]) => add(linear(h, v!), linear(h, w!)));
    const [one, two] = [through(w2), through(w3)];
    expect(both.grads.map(plain)).toEqual(expected(map(one, (value, i) => value + two.data[i]!)));
    const direct = await run((h, [w]) => add(sum(linear(h, w!)), sum(h)));
    expect(direct.grads.map(plain)).toEqual(expected(map(one, (value) => value + 1)));
    expect(direct.kernels).toContain('relu_grad');
  });
});
