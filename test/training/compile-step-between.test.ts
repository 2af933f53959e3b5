import { expect, test } from 'vitest';
import type { Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('compileStep: changes between its runs', (device) => {
  const leaf = (data: number[]) => tg.tensor(device, data, [data.length], { requiresGrad: true });
  const values = async (t: Tensor) => [...(await t.data())];

  test('disposed results are created again, also an input that is returned', async () => {
    const step = tg.compileStep(device, (x) => {
      const y = tg.mul(x, 2);
      return { y, again: [y, x] as const };
    });
    for (let i = 1; i <= 3; i++) {
      using y = step([i, 0]).y;
      expect(await values(y)).toEqual([2 * i, 0]);
      const { again } = step([i, 1]);
      expect(await values(again[0])).toEqual([2 * i, 2]);
      expect(await values(again[1])).toEqual([i, 1]);
      again[1].dispose();
    }
    const before = device.counters.bytesAllocated - device.freeBytes;
    for (let i = 0; i < 20; i++) step([i, 0]).y.dispose();
    expect(device.counters.bytesAllocated - device.freeBytes).toBe(before);
    step.dispose();
  });

  test('after a gradient is cleared, the next run returns a new one', async () => {
    const w = leaf([5]);
    const optimizer = new tg.SGD({ parameters: [w], learningRate: 1 });
    const step = tg.compileStep(device, (x) => {
      optimizer.clearGrad();
      tg.sum(tg.mul(w, x)).backward();
    });
    for (const [x, left] of [
      [1, 4],
      [2, 2],
      [3, -1],
    ] as const) {
      step([x]);
      expect(await values(w.grad!)).toEqual([x]);
      optimizer.step();
      optimizer.clearGrad();
      expect(await values(w)).toEqual([left]);
    }
  });

  test('gradients that are cleared first and stay, with two shapes in turn, are recorded once for each shape', async () => {
    const w = leaf([5]);
    const optimizer = new tg.SGD({ parameters: [w], learningRate: 1 });
    let recorded = 0;
    const step = tg.compileStep(device, (x) => {
      recorded++;
      optimizer.clearGrad();
      tg.sum(tg.mul(w, x)).backward();
      optimizer.step();
    });
    for (let i = 0; i < 3; i++) {
      step([1, 1]);
      expect(await values(w.grad!)).toEqual([2]);
      step([1]);
      expect(await values(w.grad!)).toEqual([1]);
    }
    expect(recorded).toBe(2);
    expect(await values(w)).toEqual([5 - 9]);
  });

  test('gradients without an optimizer are those of the previous run, for any shapes', async () => {
    const w = leaf([5]);
    const step = tg.compileStep(device, (x) => {
      w.clearGrad();
      tg.sum(tg.mul(w, x)).backward();
    });
    for (const x of [[1], [2, 3], [4], [5, 6]]) {
      step(x);
      expect(await values(w.grad!)).toEqual([x.reduce((sum, n) => sum + n)]);
    }
  });

  test('a gradient to which the step adds may be cleared or replaced', async () => {
    const w = leaf([5]);
    const step = tg.compileStep(device, (x) => void tg.sum(tg.mul(w, x)).backward());
    tg.sum(w).backward();
    step([2]);
    step([3]);
    expect(await values(w.grad!)).toEqual([6]);
    w.grad = tg.tensor(device, [10], [1]);
    step([4]);
    expect(await values(w.grad!)).toEqual([14]);
    w.clearGrad();
    expect(() => step([4])).toThrow(/^compileStep: the gradient of a tensor of shape \[1\] stays after the step/);
    expect(w.grad).toBeNull();
  });

  test('throws for a new gradient that a plain loop would have added to', () => {
    const w = leaf([5]);
    const optimizer = new tg.SGD({ parameters: [w], learningRate: 1 });
    const step = tg.compileStep(device, (x) => {
      tg.sum(tg.mul(w, x)).backward();
      optimizer.step();
      optimizer.clearGrad();
    });
    step([1]);
    tg.sum(w).backward();
    expect(() => step([1])).toThrow(/^compileStep: the gradient of a tensor of shape \[1\] was there before the step/);
    optimizer.clearGrad();
    step([1]);
    expect(optimizer.iterations).toBe(2);
  });

  test('inputs that are returned stay valid, in place and exchanged', async () => {
    const step = tg.compileStep(device, (x, y) => [y, x, tg.sub(x, y)] as const);
    let [a, b, difference] = step([5, 6], [1, 2]);
    expect(await values(difference)).toEqual([4, 4]);
    [a, b, difference] = step(b, a);
    expect(await values(difference)).toEqual([4, 4]);
    [a, b, difference] = step(a, b);
    expect(await values(difference)).toEqual([-4, -4]);
    expect([await values(a), await values(b)]).toEqual([
      [5, 6],
      [1, 2],
    ]);
  });
});
