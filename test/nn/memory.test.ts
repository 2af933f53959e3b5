import { expect, test } from 'vitest';
import { Dense, type Device, openDevice, Sequential } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

function build(device: Device, units: number, inputs = 2): Sequential {
  const kernelInitializer = 'zeros'; // drawing millions of weights takes seconds
  const hidden = new Dense({ units, activation: 'relu', inputShape: [inputs], kernelInitializer });
  const layers = [hidden, new Dense({ units: 1 })];
  return new Sequential(layers).build(device).compile({ optimizer: 'adam', loss: 'meanSquaredError' });
}

describeOnDevice('memory of models', () => {
  test('trainOnBatch and testOnBatch with ever other batch sizes keep a few programs', async () => {
    using device = await openDevice();
    using model = build(device, 512);
    const held: number[] = [];
    for (let n = 100; n < 130; n++) {
      const x = Array.from({ length: n }, () => [1, 2]);
      const y = x.map(() => [3]);
      await model.trainOnBatch(x, y);
      await model.testOnBatch(x, y);
      held.push(device.counters.bytesAllocated);
    }
    // Programs of the same buckets take the same memory, those of larger batches a little more.
    expect(held[29]! / held[9]!).toBeLessThan(1.25);
    // A size that was used lately is recorded still, one of long ago again.
    const { pipelinesCreated, bindGroupsCreated } = device.counters;
    await model.trainOnBatch(new Float32Array(2 * 125), new Float32Array(125));
    expect(device.counters.bindGroupsCreated).toBe(bindGroupsCreated);
    const again = await model.testOnBatch(new Float32Array(2 * 100), new Float32Array(100));
    expect(again.loss).toBeGreaterThanOrEqual(0);
    expect(device.counters.bindGroupsCreated).toBeGreaterThan(bindGroupsCreated);
    expect(device.counters.pipelinesCreated).toBe(pipelinesCreated);
  });

  test('models of many sizes, each trained and disposed, hold no more than the largest and what is kept for reuse', async () => {
    using device = await openDevice();
    const largest: number[] = [];
    for (let i = 0; i < 12; i++) {
      const before = device.counters.bytesAllocated - device.freeBytes;
      const model = build(device, 1024 + 128 * i, 2000); // four flat buffers of 8 MB and more
      await model.trainOnBatch(new Float32Array(2000), [1]);
      largest.push(device.counters.bytesAllocated - device.freeBytes);
      model.dispose();
      expect(device.counters.bytesAllocated - device.freeBytes).toBe(before);
    }
    await device.sync();
    expect(largest.reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(600 * 2 ** 20);
    expect(device.counters.bytesAllocated).toBeLessThanOrEqual(256 * 2 ** 20);
  });
});
