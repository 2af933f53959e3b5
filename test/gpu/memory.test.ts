import { expect, test, vi } from 'vitest';
import {
  Adam,
  ArgumentError,
  Conv2D,
  Dense,
  type Device,
  Flatten,
  ImageLoader,
  openDevice,
  pad,
  relu,
  Sequential,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

const MIB = 2 ** 20;

/** f32 zeros, made on the GPU. */
function zeros(device: Device, mib: number): Tensor {
  using one = tensor(device, [0], [1]);
  return pad(one, [[0, (mib * MIB) / 4 - 1]]);
}

describeOnDevice('memory of disposed tensors', () => {
  test('memory: a sweep over sizes holds at most the largest size and the buffers kept for reuse', async () => {
    using device = await openDevice();
    for (let mib = 40; mib < 80; mib += 2) {
      using x = zeros(device, mib);
      relu(x).dispose();
    }
    expect(device.counters.bytesAllocated).toBeLessThan((2 * 80 + 256) * MIB);
    await device.sync();
  });

  test('memory: many buffers held at once are destroyed after all of them are disposed', async () => {
    using device = await openDevice();
    const all: Tensor[] = [];
    for (let i = 0; i < 12; i++) all.push(zeros(device, 48));
    expect(device.counters.bytesAllocated).toBeGreaterThanOrEqual(12 * 48 * MIB);
    for (const x of all) x.dispose();
    await device.sync();
    expect(device.counters.bytesAllocated).toBeLessThanOrEqual(256 * MIB);
  });
});

describeOnDevice('keepBytes', () => {
  test('freeBytes: is the number of bytes kept for reuse', async () => {
    using device = await openDevice({ keepBytes: 4096 });
    const all = [1000, 1500, 100].map((n) => tensor(device, new Float32Array(n), [n]));
    for (const x of all) x.dispose();
    await device.sync();
    expect(device.freeBytes).toBe(512);
    expect(device.counters.bytesAllocated).toBe(512);
  });

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null])('throws for %s', async (keepBytes) => {
    const opened = openDevice({ keepBytes: keepBytes as number });
    await expect(opened).rejects.toThrow(ArgumentError);
    await expect(opened).rejects.toThrow(/^openDevice: keepBytes must be a number of bytes from 0 up, but is /);
  });
});

describeOnDevice('memory of an idle device', () => {
  test('trim: destroys all buffers kept for reuse', async () => {
    using device = await openDevice();
    using kept = zeros(device, 1);
    relu(kept).dispose();
    expect(device.freeBytes).toBeGreaterThanOrEqual(MIB);
    device.trim();
    expect(device.freeBytes).toBe(0);
    expect(device.counters.bytesAllocated).toBe(MIB);
    using again = relu(kept);
    expect([...(await again.data()).subarray(0, 2)]).toEqual([0, 0]);
  });

  test('buffers unused for 30 seconds are destroyed when a wait ends, staging buffers as well; others stay', async () => {
    using device = await openDevice();
    using kept = zeros(device, 1);
    await kept.data();
    relu(kept).dispose();
    await device.sync();
    expect(device.freeBytes).toBeGreaterThanOrEqual(MIB);
    const now = performance.now.bind(performance);
    const destroy = vi.spyOn(GPUBuffer.prototype, 'destroy');
    const later = (seconds: number) => vi.spyOn(performance, 'now').mockImplementation(() => now() + 1000 * seconds);
    try {
      later(20);
      await device.sync();
      expect(destroy).not.toHaveBeenCalled();
      expect(device.freeBytes).toBeGreaterThanOrEqual(MIB);
      later(60);
      await device.sync();
      expect(device.freeBytes).toBe(0);
      const labels = destroy.mock.instances.map((buffer) => (buffer as GPUBuffer).label);
      expect(labels).toEqual(expect.arrayContaining(['staging', 'tensor']));
      // A loop creates nothing in the meantime, because its buffers were just released.
      for (let i = 0; i < 3; i++) relu(kept).dispose();
      const { buffersCreated } = device.counters;
      for (let i = 1; i < 5; i++) {
        later(60 + 20 * i);
        relu(kept).dispose();
        await device.sync();
      }
      expect(device.counters.buffersCreated).toBe(buffersCreated);
      expect([...(await kept.data()).subarray(0, 2)]).toEqual([0, 0]);
    } finally {
      vi.restoreAllMocks();
    }
  });

  test('trim: disposes the programs of models; the next evaluation has the same results', async () => {
    using device = await openDevice();
    using loader = new ImageLoader(device, drawImages(40, { shape: [16, 16, 1], classes: 3 }));
    using model = new Sequential([
      new Conv2D({ filters: 16, kernelSize: 3, inputShape: [16, 16, 1] }),
      new Flatten(),
      new Dense({ units: 3, activation: 'softmax' }),
    ]);
    model.build(device).compile({ optimizer: new Adam(), loss: 'sparseCategoricalCrossentropy' });
    const before = device.counters.bytesAllocated - device.freeBytes;
    const metrics = await model.evaluate(loader, { batchSize: 40 });
    await model.predict(loader, { batchSize: 40 });
    expect(device.counters.bytesAllocated - device.freeBytes).toBeGreaterThan(before + 40 * 14 * 14 * 16 * 4);
    device.trim();
    expect(device.counters.bytesAllocated).toBe(before);
    expect(await model.evaluate(loader, { batchSize: 40 })).toEqual(metrics);
  });
});

describeOnDevice('little memory', () => {
  const program = bundleBeforeTests('test/support/exhaust-memory.ts');

  // Deno reserves more addresses at its start than the limit below allows, and exits.
  const testInNode = test.skipIf(process.versions.deno !== undefined);

  testInNode(
    'what was disposed serves what comes; when all is held, OutOfMemoryError, and the device stays of use',
    async () => {
      // Only a shell can lower the limit for a child; it is the address space, in KiB, of which Node and the driver take 1.5 GB.
      const limited = ['-c', 'ulimit -v 3000000; exec "$0" "$1"', process.execPath, program];
      const { code, signal, out, err } = await runToEnd(limited, { command: 'sh' });
      expect({ out, code, signal }, err).toEqual({
        out: 'swept\nOutOfMemoryError, true\n2\n2\n',
        code: 0,
        signal: null,
      });
    },
  );
});
