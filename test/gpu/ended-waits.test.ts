import { afterEach, expect, test, vi } from 'vitest';
import { Device, DeviceLostError, DisposedError, openDevice, tensor } from '../../src/node.ts';
import { failure } from '../support/adapter-refusals.ts';
import { describeOnDevice } from '../support/device.ts';
import { testGpu } from '../support/test-adapters.ts';

// Node's wait, and the wait for unknown implementations.
const openings: [string, () => Promise<Device>][] = [
  ['openDevice', () => openDevice()],
  ['Device.open', async () => Device.open(await testGpu([]))],
];

/** The result or error of a call, unless it waits for two seconds. */
const ends = (call: () => unknown): Promise<Error> =>
  Promise.race([
    failure(call),
    new Promise<Error>((resolve) => setTimeout(resolve, 2000, new Error('it waits still'))),
  ]);

describeOnDevice('on an implementation that never ends its waits', () => {
  afterEach(() => void vi.restoreAllMocks());

  const never = () => new Promise<never>(() => {});

  /** A device whose waits do not end, and calls that wait: for a fence in two ways, for a read-back, for new objects. */
  async function waiting(open: () => Promise<Device>): Promise<[Device, (() => unknown)[]]> {
    const device = await open();
    vi.spyOn(device.gpu.queue, 'onSubmittedWorkDone').mockImplementation(never);
    vi.spyOn(GPUBuffer.prototype, 'mapAsync').mockImplementation(never);
    const x = tensor(device, [1], [1]);
    vi.spyOn(device.gpu, 'popErrorScope').mockImplementation(never);
    device.createBuffer({ size: 2 ** 21, usage: GPUBufferUsage.STORAGE });
    return [device, [() => device.sync(), () => device.idle(true), () => x.data(), () => device.ready()]];
  }

  test.each(openings)('all waits and later calls end if the device is lost: %s', async (_, open) => {
    const [device, calls] = await waiting(open);
    const waits = calls.map(ends);
    device.gpu.destroy(); // as a driver reset does
    for (const [i, wait] of waits.entries()) expect(await wait, `wait ${i}`).toBeInstanceOf(DeviceLostError);
    for (const [i, call] of calls.entries()) expect(await ends(call), `wait ${i}`).toBeInstanceOf(DeviceLostError);
    device.dispose();
  });

  test.each(openings)('all waits and later calls end on dispose(): %s', async (_, open) => {
    const [device, calls] = await waiting(open);
    const waits = calls.map(ends);
    device.dispose();
    for (const [i, wait] of waits.entries()) expect(await wait, `wait ${i}`).toBeInstanceOf(DisposedError);
  });
});

describeOnDevice('a fence', () => {
  test('throws a typed error if the implementation rejects with its own', async () => {
    using device = await openDevice();
    const spy = vi.spyOn(device.gpu.queue, 'onSubmittedWorkDone');
    const cause = new DOMException('the wait was given up', 'OperationError');
    const throwing = () => {
      throw cause;
    };
    for (const fail of [() => Promise.reject(cause), throwing]) {
      spy.mockImplementation(fail);
      const error = await failure(() => device.sync());
      expect(error).toMatchObject({ name: 'DeviceLostError', cause });
      expect(error.message).toContain('the wait was given up');
    }
    spy.mockRestore();
    await device.sync();
  });
});
