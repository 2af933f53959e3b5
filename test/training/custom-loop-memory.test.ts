import { expect, test } from 'vitest';
import type { Device, Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

/** Objects and memory of a device. On a busy machine, buffers that are unused for 30 seconds are destroyed. */
const memoryOf = (device: Device) => {
  const { buffersCreated, bytesAllocated, pipelinesCreated } = device.counters;
  return { buffersCreated, pipelinesCreated, inUse: bytesAllocated - device.freeBytes };
};
const LONG = process.env.LONG === '1';
const numbers = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i));

/** Loops that do not manage memory: no scope, nothing disposed. */
const loops: Record<string, (device: Device) => () => Tensor> = {
  'tensors, operators and an optimizer'(device) {
    const x = tg.tensor(device, numbers(32), [8, 4]);
    const y = tg.tensor(device, numbers(8), [8, 1]);
    const w = tg.tensor(device, numbers(4), [4, 1], { requiresGrad: true });
    const b = tg.tensor(device, [0], [1], { requiresGrad: true });
    const optimizer = new tg.Adam({ parameters: [w, b] });
    return () => {
      const hidden = tg.tanh(tg.linear(x, w, b));
      const loss = tg.add(
        tg.mul(tg.mean(tg.square(tg.sub(tg.mul(hidden, 2), y))), 0.5),
        tg.mul(tg.sum(tg.abs(w)), 0.01),
      );
      loss.backward();
      optimizer.step();
      optimizer.clearGrad();
      return loss;
    };
  },
  'three lines, without clearGrad'(device) {
    const x = tg.tensor(device, numbers(32), [8, 4]);
    const w = tg.tensor(device, numbers(4), [4, 1], { requiresGrad: true });
    const optimizer = new tg.SGD({ parameters: [w], learningRate: 1e-6 });
    return () => {
      const loss = tg.mean(tg.square(tg.linear(x, w, null)));
      loss.backward();
      optimizer.step();
      return loss;
    };
  },
  'a model with batch normalization, dropout and a penalty, a composed loss, clipping'(device) {
    const model = new tg.Sequential([
      new tg.Rescaling({ scale: 2, inputShape: [4] }),
      new tg.Dense({ units: 8, kernelRegularizer: 'l2' }),
      new tg.BatchNormalization(),
      new tg.Activation('tanh'),
      new tg.Dropout(0.5),
      new tg.Dense({ units: 3, activation: 'softmax' }),
    ]).build(device);
    const x = tg.tensor(device, numbers(32), [8, 4]);
    const y = tg.tensor(
      device,
      Array.from({ length: 24 }, (_, i) => Number(i % 3 === 0)),
      [8, 3],
    );
    const optimizer = new tg.RMSprop({ parameters: model.parameters, clipNorm: 1 });
    return () => {
      const loss = tg.categoricalCrossentropy(model.call(x, { training: true }), y, { labelSmoothing: 0.1 });
      loss.backward();
      optimizer.step();
      optimizer.clearGrad();
      return loss;
    };
  },
  'updates by hand, in a scope'(device) {
    const x = tg.tensor(device, numbers(32), [8, 4]);
    const w = tg.tensor(device, numbers(4), [4, 1], { requiresGrad: true });
    return () => {
      const loss = tg.mean(tg.square(tg.linear(x, w, null)));
      loss.backward();
      tg.scope(device, () => tg.noGrad(() => void w.assign(tg.sub(w, tg.mul(w.grad!, 0.1)))));
      w.clearGrad();
      return loss;
    };
  },
  'two losses of one graph'(device) {
    const x = tg.tensor(device, numbers(32), [8, 4]);
    const [v, w] = [1, 2].map((s) =>
      tg.tensor(
        device,
        numbers(4).map((n) => n * s),
        [4, 1],
        { requiresGrad: true },
      ),
    );
    const [first, second] = [v, w].map((one) => new tg.Adam({ parameters: [one!] }));
    return () => {
      const shared = tg.mul(tg.linear(x, v!, null), tg.linear(x, w!, null));
      const loss = tg.mean(tg.square(shared));
      loss.backward(undefined, { retainGraph: true });
      const other = tg.mean(tg.abs(shared));
      other.backward();
      first!.step();
      second!.step();
      first!.clearGrad();
      second!.clearGrad();
      return other;
    };
  },
  'a compiled step, of numbers'(device) {
    const model = new tg.Sequential([new tg.Dense({ units: 3, inputShape: [4] })]).build(device);
    const optimizer = new tg.Adam({ parameters: model.parameters });
    const step = tg.compileStep(device, (x, y) => {
      const loss = tg.softmaxCrossEntropy(model.call(x, { training: true }), y);
      loss.backward();
      optimizer.step();
      optimizer.clearGrad();
      return loss;
    });
    const x = { shape: [8, 4], data: numbers(32) };
    const y = Uint32Array.from({ length: 8 }, (_, i) => i % 3);
    return () => step(x, y);
  },
};

describeOnDevice('memory of a custom training loop', () => {
  test.each(Object.keys(loops))('%s: is the same after 10, 300 and 2,000 steps', async (name) => {
    using device = await tg.openDevice();
    const step = loops[name]!(device);
    let loss = step();
    for (let i = 1; i < 10; i++) loss = step();
    expect(Number.isFinite(await loss.item())).toBe(true);
    const early = memoryOf(device);
    const steps = LONG || name.includes('optimizer') || name.includes('compiled') ? 2000 : 300;
    for (let i = 10; i < steps; i++) {
      loss = step();
      // The host must not run ahead of the adapter without a limit.
      if (i % 10 === 0) await device.sync();
    }
    await device.sync();
    expect(memoryOf(device)).toEqual(early);
    // The pool's buffers alternate, which gives a few hundred pairs of kernels and buffers; one for each dispatch would be over 10,000.
    expect(device.counters.bindGroupsCreated).toBeLessThan(4000);
    expect(Number.isFinite(await loss.item())).toBe(true);
  });

  test('a compiled step creates nothing and is one submit', async () => {
    using device = await tg.openDevice();
    const step = loops['a compiled step, of numbers']!(device);
    await step().item();
    const before = { ...device.counters };
    for (let i = 0; i < 5; i++) step();
    const { submits, buffersCreated, bindGroupsCreated, bytesAllocated, pipelinesCreated, readBacks } = device.counters;
    expect({ submits, buffersCreated, bindGroupsCreated, bytesAllocated, pipelinesCreated, readBacks }).toEqual({
      submits: before.submits + 5,
      buffersCreated: before.buffersCreated,
      bindGroupsCreated: before.bindGroupsCreated,
      bytesAllocated: before.bytesAllocated,
      pipelinesCreated: before.pipelinesCreated,
      readBacks: before.readBacks,
    });
  });
});
