import { describe, expect, test } from 'vitest';
import { unary } from './pointwise.ts';

const relu = unary('relu');

import { conv2d } from './conv2d.ts';
import { gatherImages, gatherLabels } from './gather.ts';
import { softmaxCrossEntropy } from './loss.ts';
import { matmul } from './matmul.ts';
import { ndarray } from './ndarray.ts';
import { adamState, adamStep } from './optimizers.ts';
import { maxPool2d } from './pooling.ts';
import { softmax } from './softmax.ts';

/** A gradient check shows that backward matches forward; these values, computed by hand, show that forward is right. */
describe('references: values computed by hand', () => {
  const image = ndarray([1, 3, 3, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9]);

  test('matmul, plain and transposed', () => {
    const a = ndarray([2, 2], [1, 2, 3, 4]);
    const b = ndarray([2, 2], [5, 6, 7, 8]);
    expect([...matmul.forward([a, b], {}).data]).toEqual([19, 22, 43, 50]);
    expect([...matmul.forward([a, b], { transposeA: true }).data]).toEqual([26, 30, 38, 44]);
    expect([...matmul.forward([a, b], { transposeB: true }).data]).toEqual([17, 23, 39, 53]);
  });

  test("conv2d: does not flip the filter; 'same' pads an odd cell at the end", () => {
    const filter = ndarray([2, 2, 1, 1], [1, 10, 100, 1000]);
    const valid = conv2d.forward([image, filter], {});
    expect(valid.shape).toEqual([1, 2, 2, 1]);
    expect([...valid.data]).toEqual([5421, 6532, 8754, 9865]);
    const same = conv2d.forward([image, filter], { padding: 'same' });
    expect([...same.data]).toEqual([5421, 6532, 603, 8754, 9865, 906, 87, 98, 9]);
    expect([...conv2d.forward([image, filter], { padding: 'same', strides: 2 }).data]).toEqual([5421, 603, 87, 9]);
    expect([...conv2d.forward([image, filter], { dilation: 2 }).data]).toEqual([1 + 30 + 700 + 9000]);
  });

  test('maxPool2d: takes the first of equal values and NaN before numbers; ignores padding', () => {
    expect([...maxPool2d.forward([image], { poolSize: 2, strides: 1 }).data]).toEqual([5, 6, 8, 9]);
    expect([...maxPool2d.forward([image], { poolSize: 2, padding: 'same' }).data]).toEqual([5, 6, 8, 9]);
    const ties = ndarray([1, 2, 2, 1], [-1, 3, 3, 3]);
    const y = maxPool2d.forward([ties], { poolSize: 2 });
    expect([...maxPool2d.backward([ties], y, ndarray(y.shape, [7]), { poolSize: 2 })[0]!.data]).toEqual([0, 7, 0, 0]);
    const withNaN = ndarray([1, 2, 2, 1], [9, Number.NaN, 3, Number.NaN]);
    expect([...maxPool2d.forward([withNaN], { poolSize: 2 }).data]).toEqual([Number.NaN]);
    expect([...maxPool2d.backward([withNaN], y, ndarray(y.shape, [7]), { poolSize: 2 })[0]!.data]).toEqual([
      0, 7, 0, 0,
    ]);
  });

  test('relu: gradient is 0 at 0; NaN stays NaN', () => {
    const x = ndarray([4], [-1, 0, 2, Number.NaN]);
    const y = relu.forward([x], {});
    expect([...y.data]).toEqual([0, 0, 2, Number.NaN]);
    expect([...relu.backward([x], y, ndarray([4], [1, 1, 1, 1]), {})[0]!.data]).toEqual([0, 0, 1, 1]);
  });

  test('softmax, cross-entropy: finite for huge logits', () => {
    const logits = ndarray([2, 2], [1e4, -1e4, 3, 3]);
    expect([...softmax.forward([logits], {}).data]).toEqual([1, 0, 0.5, 0.5]);
    const labels = ndarray([2], [1, 0]);
    const loss = softmaxCrossEntropy.forward([logits, labels], {});
    expect(loss.data[0]).toBeCloseTo((2e4 + Math.log(2)) / 2, 10);
    const [dlogits] = softmaxCrossEntropy.backward([logits, labels], loss, ndarray([], [1]), {});
    expect([...dlogits!.data]).toEqual([0.5, -0.5, -0.25, 0.25]);
  });

  test('Adam: the first step changes every weight by the rate, against the sign of the gradient', () => {
    const w = ndarray([3], [1, 1, 1]);
    const state = adamState([w]);
    adamStep([w], [ndarray([3], [0.5, -20, 0])], state, { learningRate: 0.01 });
    expect(w.data[0]).toBeCloseTo(0.99, 6);
    expect(w.data[1]).toBeCloseTo(1.01, 6);
    expect(w.data[2]).toBe(1);
    expect(state.step).toBe(1);
  });

  test('gather: selects by order and scales bytes', () => {
    const images = Uint8Array.from([0, 255, 51, 102]);
    expect([...gatherImages(images, [1, 2, 1], [1, 0, 1]).data]).toEqual([0.2, 0.4, 0, 1, 0.2, 0.4]);
    expect([...gatherLabels([7, 8], [1, 0, 1]).data]).toEqual([8, 7, 8]);
  });
});
