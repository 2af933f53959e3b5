import { expect, test } from 'vitest';
import { scope, softmaxCrossEntropy, tensor } from '../../../src/node.ts';
import { softmaxCrossEntropy as reference } from '../../reference/loss.ts';
import { ndarray } from '../../reference/ndarray.ts';
import { expectClose } from '../../support/compare.ts';
import { describeOnDevice } from '../../support/device.ts';
import { drawLike } from '../../support/operator-cases.ts';

describeOnDevice('softmaxCrossEntropy as the last operator', (device) => {
  /** Loss and gradient after each of `passes` backward passes; `seeds` is the gradient they start from, none being 1. */
  async function run(
    logits: Float32Array | Float64Array,
    labels: number[],
    size: [number, number],
    seeds: (number | null)[],
    models = 1,
  ) {
    const x = tensor(device, logits, size, { requiresGrad: true, models });
    const before = device.counters.dispatches;
    const loss = scope(device, () => {
      const result = softmaxCrossEntropy(x, tensor(device, labels, [size[0]], { dtype: 'u32', models }));
      for (const seed of seeds) {
        const dout = seed === null ? undefined : tensor(device, Array(models).fill(seed), [], { models });
        result.backward(dout, { retainGraph: true });
      }
      return result;
    });
    const dispatches = device.counters.dispatches - before;
    const values = { loss: await loss.data(), grad: await x.grad!.data(), dispatches };
    loss.dispose();
    return values;
  }

  // One workgroup, several, and several of 64 rows only because there are many classes.
  const sizes: [number, number][] = [
    [1, 1],
    [65, 3],
    [256, 10],
    [257, 10],
    [900, 11],
    [130, 101],
  ];

  test.each(sizes)('%i rows of %i classes', async (rows, classes) => {
    const logits = drawLike([rows, classes], rows);
    const labels = Array.from({ length: rows }, (_, i) => (i * 7) % classes);
    const inputs = [logits, ndarray([rows], labels)] as const;
    const expected = reference.forward([...inputs], {});
    const [dlogits] = reference.backward([...inputs], expected, ndarray([], [1]), {});
    const { loss, grad } = await run(logits.data, labels, [rows, classes], [null]);
    expectClose(loss, expected.data, { rtol: 1e-5 });
    expectClose(grad, dlogits!.data, { magnitude: dlogits!.data.map(() => 1 / rows), rtol: 1e-5 });
    // The gradient of `backwardOfOne` equals the product with a gradient of 1, and can be computed again.
    expect(Array.from((await run(logits.data, labels, [rows, classes], [1])).grad)).toEqual(Array.from(grad));
    const twice = await run(logits.data, labels, [rows, classes], [null, null]);
    expect(Array.from(twice.grad)).toEqual(Array.from(grad, (value) => 2 * value));
  });

  test('backward: takes fewer dispatches if no gradient is given', async () => {
    const [implied, given] = [
      await run(new Float32Array(6), [0, 1], [2, 3], [null]),
      await run(new Float32Array(6), [0, 1], [2, 3], [2]),
    ];
    expect(implied.dispatches).toBeLessThan(given.dispatches);
    expect(Array.from(given.grad)).toEqual(Array.from(implied.grad, (value) => 2 * value));
  });

  test('softmaxCrossEntropy: each of three replicas has the bits of a single model; NaN stays in its replica', async () => {
    const [rows, classes] = [300, 7];
    const logits = Float32Array.from(drawLike([3, rows, classes], 5).data);
    logits[rows * classes + 3] = Number.NaN;
    const labels = Array.from({ length: 3 * rows }, (_, i) => i % classes);
    const all = await run(logits, labels, [rows, classes], [null], 3);
    for (const model of [0, 1, 2]) {
      const part = (values: ArrayLike<number>, size: number) =>
        Array.from(values).slice(model * size, (model + 1) * size);
      const size = rows * classes;
      const alone = await run(Float32Array.from(part(logits, size)), part(labels, rows), [rows, classes], [null]);
      expect(part(all.loss, 1)).toEqual(Array.from(alone.loss));
      expect(part(all.grad, size)).toEqual(Array.from(alone.grad));
      expect(Number.isNaN(alone.loss[0])).toBe(model === 1);
    }
  });
});
