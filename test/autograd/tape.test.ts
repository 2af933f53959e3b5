import { expect, test } from 'vitest';
import { backward } from '../../src/autograd/tape.ts';
import { DeviceArray } from '../../src/kernels/array.ts';
import {
  ArgumentError,
  add,
  batchNorm,
  type Device,
  DisposedError,
  linear,
  matmul,
  maxPool2d,
  mean,
  mul,
  noGrad,
  pow,
  relu,
  reshape,
  ShapeError,
  scope,
  sum,
  type Tensor,
  tanh,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('backward', (device: Device) => {
  const leaf = (data: number[], shape = [data.length]) => tensor(device, data, shape, { requiresGrad: true });
  const gradOf = async (x: Tensor) => (x.grad ? [...(await x.grad.data())] : null);

  test('adds both gradients of a tensor that one operator uses twice', async () => {
    const x = leaf([1, 2, 3]);
    sum(add(x, x)).backward();
    expect(await gradOf(x)).toEqual([2, 2, 2]);
  });

  test('matmul: of a tensor with itself', async () => {
    const x = leaf([1, 2, 3, 4], [2, 2]);
    sum(matmul(x, x)).backward();
    // d/dX sum(X X) = 1 X^T + X^T 1
    expect(await gradOf(x)).toEqual([3 + 4, 7 + 4, 3 + 6, 7 + 6]);
  });

  test('adds the gradients of both branches of a diamond', async () => {
    const x = leaf([-1, 2, 3]);
    const shared = relu(x);
    const left = add(shared, shared);
    sum(add(left, relu(shared))).backward();
    expect(await gradOf(x)).toEqual([0, 3, 3]);
  });

  test('waits for the gradients of all uses of a tensor that is used early and late', async () => {
    const x = leaf([1, 1]);
    let y = add(x, x);
    for (let k = 0; k < 6; k++) y = add(y, relu(y));
    sum(add(y, x)).backward();
    expect(await gradOf(x)).toEqual([2 * 2 ** 6 + 1, 2 * 2 ** 6 + 1]);
  });

  test('adds the gradients of a leaf used directly and through reshape, which share memory', async () => {
    const x = leaf([1, 2, 3, 4], [2, 2]);
    const flat = reshape(x, [4]);
    add(sum(flat), sum(x)).backward();
    expect(await gradOf(x)).toEqual([2, 2, 2, 2]);
    expect(x.grad!.shape).toEqual([2, 2]);
  });

  test('adds to the gradient if it is called twice, as in PyTorch', async () => {
    const x = leaf([1, -2]);
    const y = relu(x);
    y.backward(tensor(device, [3, 5], [2]), { retainGraph: true });
    expect(await gradOf(x)).toEqual([3, 0]);
    y.backward(tensor(device, [4, 6], [2]));
    expect(await gradOf(x)).toEqual([7, 0]);
    x.grad = null;
    mean(x).backward();
    expect(await gradOf(x)).toEqual([0.5, 0.5]);
  });

  test('does not change the given gradient or the output', async () => {
    const x = leaf([1, 2]);
    const y = add(x, x);
    const dout = tensor(device, [3, 4], [2]);
    y.backward(dout, { retainGraph: true });
    y.backward(dout);
    expect([...(await dout.data())]).toEqual([3, 4]);
    expect([...(await y.data())]).toEqual([2, 4]);
    expect(await gradOf(x)).toEqual([12, 16]);
    // The gradient has separate memory: changing one later must not change the other.
    dout.dispose();
    expect(await gradOf(x)).toEqual([12, 16]);
  });

  test('copies the gradient for each of two leaves that share it', async () => {
    const a = leaf([1, 2]);
    const b = leaf([3, 4]);
    sum(add(a, b)).backward();
    sum(relu(a)).backward();
    expect(await gradOf(a)).toEqual([2, 2]);
    expect(await gradOf(b)).toEqual([1, 1]);
  });

  test('writes the gradient into gradBuffer, however often the leaf was used', async () => {
    const x = leaf([1, 2, -3]);
    x.gradBuffer = DeviceArray.empty(device, [3]);
    const expectGrad = async (expected: number[]) => {
      const [grad, buffer] = [x.grad!.array.storage, x.gradBuffer!.storage];
      expect(grad.buffer).toBe(buffer.buffer);
      expect(grad.offset).toBe(buffer.offset);
      expect(await gradOf(x)).toEqual(expected);
    };
    sum(relu(x)).backward();
    await expectGrad([1, 1, 0]);
    sum(relu(x)).backward(); // not cleared: adds
    await expectGrad([2, 2, 0]);
    x.grad = null;
    sum(add(relu(x), x)).backward();
    await expectGrad([2, 2, 1]);
    x.grad = null;
    sum(add(x, x)).backward();
    await expectGrad([2, 2, 2]);
    x.grad = null;
    sum(reshape(x, [3, 1])).backward();
    await expectGrad([1, 1, 1]);
  });

  test('gives no gradient to inputs that need none, and none to intermediate results', async () => {
    const x = tensor(device, [1, 2], [1, 2]);
    const weight = leaf([1, 0, 0, 1], [2, 2]);
    const bias = tensor(device, [0, 0], [2]);
    const y = linear(x, weight, bias);
    sum(y).backward();
    expect(x.grad).toBeNull();
    expect(bias.grad).toBeNull();
    expect(y.grad).toBeNull();
    expect(await gradOf(weight)).toEqual([1, 1, 2, 2]);
    expect(x.requiresGrad).toBe(false);
    expect(y.requiresGrad).toBe(true);
  });

  test('noGrad: records nothing, and recording continues if its function throws', () => {
    const x = leaf([1]);
    expect(noGrad(() => relu(x)).requiresGrad).toBe(false);
    expect(() =>
      noGrad(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(relu(x).requiresGrad).toBe(true);
  });

  test('throws for a tensor without gradient, for a non-scalar without a given gradient, and if its shape does not fit', () => {
    expect(() => sum(tensor(device, [1], [1])).backward()).toThrow(ArgumentError);
    const y = relu(leaf([1, 2]));
    expect(() => y.backward()).toThrow(ShapeError);
    expect(() => y.backward(tensor(device, [1, 2, 3], [3]))).toThrow(/backward: .*\[2\].*\[3\]/);
    expect(() => y.backward(tensor(device, [1, 2], [2], { dtype: 'i32' }))).toThrow(ShapeError);
    expect(() => y.backward(tensor(device, [1, 2, 3, 4], [2], { models: 2 }))).toThrow(ShapeError);
  });

  test('scope: releases the tensors created in it, but not its result nor the gradients of outer leaves', async () => {
    const x = leaf([1, 2]);
    let inner: Tensor | undefined;
    const { kept } = scope(device, () => {
      inner = add(x, x);
      const kept = relu(inner);
      sum(kept).backward();
      return { kept };
    });
    expect([...(await kept.data())]).toEqual([2, 4]);
    expect(await gradOf(x)).toEqual([2, 2]);
    await expect(inner!.data()).rejects.toThrow(DisposedError);
    expect(() => relu(inner!)).toThrow(DisposedError);
  });

  test('scope: steps do not grow memory', async () => {
    const weight = leaf([1, 2, 3, 4], [2, 2]);
    const step = () =>
      scope(device, () => {
        const x = tensor(device, [1, 2, 3, 4], [2, 2]);
        const loss = mean(linear(x, weight, null, { activation: 'relu' }));
        weight.grad?.dispose();
        weight.grad = null;
        loss.backward();
        return loss;
      });
    step().dispose();
    step().dispose();
    const before = device.counters.bytesAllocated;
    for (let k = 0; k < 20; k++) step().dispose();
    await weight.grad!.data();
    expect(device.counters.bytesAllocated).toBe(before);
  });

  test('retainGraph: gives the same gradients again; throws for a second backward pass without it', async () => {
    const images = leaf(
      Array.from({ length: 2 * 8 * 8 * 2 }, (_, i) => Math.sin(i)),
      [2, 8, 8, 2],
    );
    const [scale, offset] = [leaf([1, 2]), leaf([0.5, -1])];
    const run = (options: { retainGraph?: boolean }) => {
      for (const t of [images, scale, offset]) t.grad = null;
      const normal = batchNorm(images, scale, offset);
      // Both branches read `normal`, and one of them is only another view of its elements.
      const flat = reshape(normal, [2, 128]);
      const loss = add(sum(maxPool2d(relu(normal), { poolSize: 2 })), mean(mul(flat, flat)));
      loss.backward(undefined, options);
      return { normal, flat, loss };
    };
    const retained = run({ retainGraph: true });
    const expected = await Promise.all([images, scale, offset].map(gradOf));
    for (const t of [images, scale, offset]) t.clearGrad();
    retained.loss.backward();
    expect(await Promise.all([images, scale, offset].map(gradOf))).toEqual(expected);
    const { normal, flat, loss } = run({});
    expect(await Promise.all([images, scale, offset].map(gradOf))).toEqual(expected);
    for (const t of [normal, flat, loss]) expect((await t.data()).every(Number.isFinite)).toBe(true);
    expect(() => loss.backward()).toThrow(
      /^backward: an earlier backward\(\) has gone through this graph.*retainGraph: true/,
    );
    expect(() => sum(flat).backward()).toThrow(/^backward: an earlier backward\(\).* or a part of it/);
    expect(() => loss.backward(undefined, null as never)).toThrow(ArgumentError);
    expect(() => loss.backward(undefined, { retainGraph: 1 as never })).toThrow(/retainGraph must be true or false/);
  });

  test('releaseAll: reduces the memory of a recorded step', async () => {
    const weight = leaf(new Array(256).fill(1), [256]);
    const x = leaf(new Array(64 * 256).fill(1), [64, 256]);
    const bytes = (releaseAll: boolean) => {
      const program = device.record(() =>
        scope(device, () => {
          let y = pow(x, weight); // whose backward pass makes two arrays of the result's size
          for (let i = 0; i < 8; i++) y = tanh(y);
          backward(sum(y), undefined, { releaseAll });
          for (const { grad } of [x, weight]) grad!.dispose();
          x.grad = null;
          weight.grad = null;
        }),
      );
      const { bytes } = program;
      program.dispose();
      return bytes;
    };
    expect(bytes(true)).toBeLessThan(bytes(false));
  });
});
