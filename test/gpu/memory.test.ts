import { expect, test } from 'vitest';
import { ArgumentError, type Device, openDevice, pad, relu, type Tensor, tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { bundled, runToEnd } from '../support/process.ts';

const MIB = 2 ** 20;

/** f32 zeros, made on the GPU. */
function zeros(device: Device, mib: number): Tensor {
  using one = tensor(device, [0], [1]);
  return pad(one, [[0, (mib * MIB) / 4 - 1]]);
}

describeOnDevice('memory of what was disposed', () => {
  test('a sweep over sizes holds no more than the largest and what is kept for reuse', async () => {
    using device = await openDevice();
    for (let mib = 40; mib < 80; mib += 2) {
      using x = zeros(device, mib);
      relu(x).dispose();
    }
    expect(device.counters.bytesAllocated).toBeLessThan((2 * 80 + 256) * MIB);
    await device.sync();
  });

  test('much that was held at once is given back when all of it is disposed', async () => {
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
  test('says how much is kept for reuse', async () => {
    using device = await openDevice({ keepBytes: 4096 });
    const all = [1000, 1500, 100].map((n) => tensor(device, new Float32Array(n), [n]));
    for (const x of all) x.dispose();
    await device.sync();
    expect(device.freeBytes).toBe(512);
    expect(device.counters.bytesAllocated).toBe(512);
  });

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null])('%s is refused', async (keepBytes) => {
    const opened = openDevice({ keepBytes: keepBytes as number });
    await expect(opened).rejects.toThrow(ArgumentError);
    await expect(opened).rejects.toThrow(/^openDevice: keepBytes must be a number of bytes from 0 up, but is /);
  });
});

describeOnDevice('little memory', () => {
  const program = bundled('test/support/exhaust-memory.ts');

  test('what was disposed serves what comes; when all is held, OutOfMemoryError, and the device stays of use', async () => {
    // Only a shell can lower the limit for a child; it is the address space, in KiB, of which Node and the driver take 1.5 GB.
    const limited = ['-c', 'ulimit -v 3000000; exec "$0" "$1"', process.execPath, program];
    const { code, signal, out, err } = await runToEnd(limited, { command: 'sh' });
    expect({ out, code, signal }, err).toEqual({ out: 'swept\nOutOfMemoryError, true\n2\n2\n', code: 0, signal: null });
  });
});
