import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, test, vi } from 'vitest';
import { AdapterError, ArgumentError, Device, openDevice, tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

afterEach(() => {
  vi.doUnmock('webgpu');
  vi.resetModules();
});

/** The result or error of a call. */
const failure = (opening: Promise<unknown>): Promise<unknown> =>
  opening.then(
    () => null,
    (error: unknown) => error,
  );

/** Opens Dawn as a caller would. */
async function openDawn(): Promise<GPU> {
  const { create, globals } = await vi.importActual<typeof import('webgpu')>('webgpu');
  Object.assign(globalThis, globals);
  return create([]);
}

/** Collects garbage, in a turn of the event loop after the one in which a WeakRef was read. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    gc();
  }
}

const noGpu = { requestAdapter: async () => null } as unknown as GPU;

describeOnDevice('openDevice({ gpu })', () => {
  test('computes on the GPU object, and does not import webgpu', async () => {
    const dawn = await openDawn();
    const requestAdapter = vi.fn<GPU['requestAdapter']>((options) => dawn.requestAdapter(options));
    const gpu = { requestAdapter } as unknown as GPU;
    vi.resetModules();
    vi.doMock('webgpu', () => {
      throw new Error('there is no package webgpu here');
    });
    const fresh = await import('../../src/node.ts');
    expect(await failure(fresh.openDevice())).toMatchObject({ name: 'AdapterError' });
    using device = await fresh.openDevice({ gpu, powerPreference: 'low-power', keepBytes: 0 });
    expect(requestAdapter.mock.calls[0]).toEqual([{ powerPreference: 'low-power' }]);
    using x = fresh.tensor(device, [1, -2], [2]);
    using y = fresh.relu(x);
    expect([...(await y.data())]).toEqual([1, 0]);
  });

  test.each<[string, (gpu: GPU) => Promise<Device>]>([
    ['openDevice', (gpu) => openDevice({ gpu })],
    ['Device.open', (gpu) => Device.open(gpu)],
  ])('%s: keeps the GPU object while the device is open, and no longer', async (_, open) => {
    const dawn = await openDawn();
    let device: Device | null = null;
    const openAndDispose = async () => {
      const gpu = { requestAdapter: (options) => dawn.requestAdapter(options) } as GPU;
      device = await open(gpu);
      return new WeakRef(gpu);
    };
    const gpu = await openAndDispose();
    await collectGarbage();
    expect(gpu.deref()).toBeDefined();
    device!.dispose();
    await device!.gpu.lost;
    await collectGarbage();
    expect(gpu.deref()).toBeUndefined();
  });

  test('openDevice: disposing one of two devices of a GPU object leaves the other usable', async () => {
    const gpu = await openDawn();
    const first = await openDevice({ gpu });
    using second = await openDevice({ gpu });
    first.dispose();
    using x = tensor(second, [3], [1]);
    expect([...(await x.data())]).toEqual([3]);
  });
});

test.each([
  ['null', null],
  ['undefined, as navigator.gpu is if WebGPU is off', undefined],
  ['text', 'navigator.gpu'],
  ['an object without requestAdapter', {}],
  ['navigator instead of its gpu', { gpu: noGpu }],
  ['a function', () => noGpu],
  [
    'one that cannot be read',
    {
      get requestAdapter() {
        throw new Error('no');
      },
    },
  ],
])('openDevice: throws ArgumentError if gpu is %s', async (_what, gpu) => {
  const error = (await failure(openDevice({ gpu: gpu as unknown as GPU }))) as Error;
  expect(error).toBeInstanceOf(ArgumentError);
  expect(error.message).toMatch(/^openDevice: /);
});

test('openDevice: the message has the next step if gpu is undefined', async () => {
  const error = (await failure(openDevice({ gpu: undefined as unknown as GPU }))) as Error;
  expect(error.message).toMatch(/^openDevice: gpu must be .*navigator\.gpu.*but is undefined.*--unstable-webgpu/);
});

test.each([
  ['flags', { flags: ['adapter=llvmpipe'] }],
  ['flags', { flags: [] }],
  ['fineTimestamps', { fineTimestamps: true }],
])('openDevice: refuses %s with gpu, because it is an option of Dawn', async (name, options) => {
  const error = (await failure(openDevice({ gpu: noGpu, ...options }))) as Error;
  expect(error).toBeInstanceOf(ArgumentError);
  expect(error.message).toMatch(new RegExp(`^openDevice: ${name} .*Dawn.*gpu.*leave`));
});

test('openDevice: throws AdapterError if the GPU object has no adapter', async () => {
  expect(await failure(openDevice({ gpu: noGpu }))).toBeInstanceOf(AdapterError);
});

test('openDevice: throws AdapterError with the error of the GPU object as cause', async () => {
  const cause = new Error('the process that draws has crashed');
  const error = await failure(openDevice({ gpu: { requestAdapter: () => Promise.reject(cause) } as unknown as GPU }));
  expect(error).toBeInstanceOf(AdapterError);
  expect(error).toMatchObject({ cause, message: expect.stringContaining('has crashed') });
});
