import { beforeEach, expect, test } from 'vitest';
import {
  ArgumentError,
  add,
  Dense,
  type Device,
  DisposedError,
  dropout,
  maxPool2d,
  mul,
  openDevice,
  Sequential,
  ShapeError,
  scope,
  sum,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('when gradients are released', (device) => {
  /** Bytes of the device's arrays that are in use. */
  const inUse = () => device.counters.bytesAllocated - device.freeBytes;
  let before = 0;
  beforeEach(() => {
    before = inUse();
  });
  const bytesTaken = () => inUse() - before;
  const BYTES = 4096; // of a leaf, and of its gradient
  const leaf = () => tensor(device, new Float32Array(BYTES / 4).fill(2), [BYTES / 4], { requiresGrad: true });
  const ones = () => tensor(device, new Float32Array(BYTES / 4).fill(1), [BYTES / 4]);
  /** Gives x a gradient of 2 x = 4. */
  const differentiate = (x: Tensor) => scope(device, () => sum(mul(x, x)).backward());
  const first = async (x: Tensor) => (await x.data())[0];

  test('dispose: a leaf releases its gradient', async () => {
    const x = leaf();
    differentiate(x);
    const { grad } = x;
    expect(await first(grad!)).toBe(4);
    expect(bytesTaken()).toBe(2 * BYTES);
    x.dispose();
    expect(bytesTaken()).toBe(0);
    await expect(grad!.data()).rejects.toThrow(DisposedError);
    x.dispose();
    expect(bytesTaken()).toBe(0);
  });

  test('grad: null or another gradient releases the old one', async () => {
    using x = leaf();
    differentiate(x);
    const { grad } = x;
    x.grad = null;
    expect(bytesTaken()).toBe(BYTES);
    await expect(grad!.data()).rejects.toThrow(DisposedError);
    differentiate(x);
    const assigned = ones();
    x.grad = assigned;
    expect(bytesTaken()).toBe(2 * BYTES);
    expect(x.grad).toBe(assigned);
    x.grad = assigned; // the same: nothing changes
    differentiate(x); // adds to it
    expect(x.grad).toBe(assigned);
    expect(await first(assigned)).toBe(5);
    expect(bytesTaken()).toBe(2 * BYTES);
  });

  test('scope: releases the gradients of its leaves', () => {
    let x: Tensor | undefined;
    scope(device, () => {
      x = leaf();
      differentiate(x);
      sum(mul(x, x)).backward();
    });
    expect(bytesTaken()).toBe(0);
    expect(() => add(x!, x!)).toThrow(DisposedError);
  });

  test('scope: releases the gradients of its leaves if it throws', () => {
    expect(() =>
      scope(device, () => {
        differentiate(leaf());
        throw new Error('on the way');
      }),
    ).toThrow('on the way');
    expect(bytesTaken()).toBe(0);
  });

  test('scope: a leaf that it returns keeps its gradient until the outer scope ends', async () => {
    const x = scope(device, () => {
      const y = leaf();
      differentiate(y);
      return [y];
    })[0]!;
    expect(bytesTaken()).toBe(2 * BYTES);
    expect(await first(x.grad!)).toBe(4);
    x.dispose();
    expect(bytesTaken()).toBe(0);
    scope(device, () => {
      const inner = scope(device, () => {
        const y = leaf();
        differentiate(y);
        return { y };
      });
      expect(bytesTaken()).toBe(2 * BYTES);
      expect(inner.y.grad).not.toBeNull();
    });
    expect(bytesTaken()).toBe(0);
  });

  test('scope: a gradient that it returns outlives its leaf', async () => {
    const grad = scope(device, () => {
      const x = leaf();
      differentiate(x);
      return x.grad!;
    });
    expect(bytesTaken()).toBe(BYTES);
    expect(await first(grad)).toBe(4);
    grad.dispose();
    expect(bytesTaken()).toBe(0);
  });

  test('scope: a gradient computed in an inner scope lives as long as its leaf', async () => {
    const outside = leaf();
    await scope(device, () => {
      const x = leaf();
      scope(device, () => sum(mul(x, outside)).backward());
      expect(bytesTaken()).toBe(4 * BYTES);
      return first(x.grad!);
    });
    expect(bytesTaken()).toBe(2 * BYTES);
    expect(await first(outside.grad!)).toBe(2);
    outside.dispose();
    expect(bytesTaken()).toBe(0);
  });

  test('grad: a gradient assigned in a scope lives as long as its leaf', async () => {
    using x = leaf();
    scope(device, () => {
      x.grad = ones();
    });
    expect(await first(x.grad!)).toBe(1);
    expect(bytesTaken()).toBe(2 * BYTES);
    x.grad = null;
    expect(bytesTaken()).toBe(BYTES);
  });

  test('backward: adding gradients needs no more memory, nor do steps with grad = null', () => {
    using x = leaf();
    for (let i = 0; i < 5; i++) differentiate(x);
    expect(bytesTaken()).toBe(2 * BYTES);
    for (let i = 0; i < 5; i++) {
      x.grad = null;
      differentiate(x);
    }
    expect(bytesTaken()).toBe(2 * BYTES);
  });

  test('dispose: a result releases the arrays saved for its backward pass', () => {
    using images = tensor(device, new Float32Array(1024), [1, 32, 32, 1], { requiresGrad: true });
    const held = bytesTaken();
    maxPool2d(images, { poolSize: 2 }).dispose();
    expect(bytesTaken()).toBe(held);
    dropout(images, { rate: 0.5 }).dispose();
    expect(bytesTaken()).toBe(held);
    const y = maxPool2d(images, { poolSize: 2 });
    const total = sum(y);
    y.dispose();
    expect(() => total.backward()).toThrow(DisposedError);
    total.dispose();
    expect(bytesTaken()).toBe(held);
  });

  test('backward: throws if a leaf was disposed, since its gradient could not be freed', () => {
    const x = leaf();
    const y = sum(x);
    x.dispose();
    expect(() => y.backward()).toThrow(DisposedError);
    expect(() => y.backward()).toThrow(/^backward: .*\[1024\].*disposed/);
    expect(x.grad).toBeNull();
    y.dispose();
    expect(bytesTaken()).toBe(0);
  });

  test('grad: throws if the value cannot be a gradient of the tensor', () => {
    using x = leaf();
    expect(() => {
      x.grad = 3 as unknown as Tensor;
    }).toThrow(ArgumentError);
    expect(() => {
      x.grad = undefined as unknown as null;
    }).toThrow(ArgumentError);
    using other = tensor(device, [1], [1]);
    expect(() => {
      x.grad = other;
    }).toThrow(ShapeError);
    using integers = tensor(device, new Uint32Array(1024), [1024], { dtype: 'u32' });
    expect(() => {
      x.grad = integers;
    }).toThrow(ShapeError);
    expect(x.grad).toBeNull();
  });

  test('Model: dispose releases its gradients', async () => {
    using otherDevice: Device = await openDevice();
    const layers = [new Dense({ units: 64, inputShape: [64] }), new Dense({ units: 1 })];
    const model = new Sequential(layers).build(otherDevice).compile({ optimizer: 'adam', loss: 'meanSquaredError' });
    await model.trainOnBatch(new Float32Array(64), [1]);
    const { values, gradients } = model.parameters;
    scope(otherDevice, () => sum(model.call(tensor(otherDevice, new Float32Array(64), [1, 64]))).backward());
    const { grad } = model.weights[0]!.tensor;
    expect(await first(grad!)).toBe(0);
    model.parameters.zeroGrad(); // forgets them, in the model's own place
    expect([gradients.disposed, grad!.array.disposed]).toEqual([false, true]);
    await model.trainOnBatch(new Float32Array(64), [1]);
    model.dispose();
    expect([values.disposed, gradients.disposed]).toEqual([true, true]);
    expect(otherDevice.counters.bytesAllocated - otherDevice.freeBytes).toBe(0);
  });
});
