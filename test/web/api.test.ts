import { afterEach, expect, test } from 'vitest';
import { type Device, OutOfMemoryError } from '../../src/node.ts';
import { addressOf, type Settings } from '../../web/src/settings.ts';
import type { Snapshot } from '../../web/src/snapshot.ts';
import { Api } from '../../web/src/worker/api.ts';
import { type Checkpoint, Checkpoints, type Store } from '../../web/src/worker/checkpoints.ts';
import { describeOnDevice } from '../support/device.ts';
import { tellLimits } from '../support/limits.ts';
import { SMALL, samples } from './images.ts';

/** A store in memory, as IndexedDB keeps things. */
function memoryStore(): Store & { value: unknown } {
  const store = {
    value: undefined as unknown,
    get: async () => structuredClone(store.value),
    set: async (value: Checkpoint) => {
      store.value = structuredClone(value);
    },
    remove: async () => {
      store.value = undefined;
    },
  };
  return store;
}

/** WebGPU of Dawn, which the device that tests share is opened on too. */
async function gpuOfDawn(): Promise<GPU> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  return create([]);
}

const opened: Api[] = [];
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});

async function connect(store: Store, gpu: GPU | undefined) {
  const notices: string[] = [];
  const failures: { message: string; missing: string | null }[] = [];
  const snapshots: Snapshot[] = [];
  const waits: { isReached: (snapshot: Snapshot) => boolean; resolve: () => void }[] = [];
  const checkpoints = new Checkpoints(store, (message) => notices.push(message));
  const api = new Api(gpu, checkpoints, async () => samples);
  opened.push(api);
  api.connect(
    (snapshot) => {
      snapshots.push(structuredClone(snapshot));
      for (const { isReached, resolve } of waits) if (isReached(snapshot)) resolve();
    },
    (message) => notices.push(message),
    (message, missing) => failures.push({ message, missing }),
  );
  const until = (isReached: (snapshot: Snapshot) => boolean) =>
    new Promise<void>((resolve) => waits.push({ isReached, resolve }));
  return { api, notices, failures, snapshots, until };
}

const open = async (settings: Settings, store: Store = memoryStore()) => {
  const connected = await connect(store, await gpuOfDawn());
  await connected.api.configure(settings);
  return connected;
};

describeOnDevice('the worker', () => {
  test('configure: opens a network, paused at its first step, and says so', async () => {
    const { snapshots, failures } = await open(SMALL);
    expect(snapshots[0]).toMatchObject({ state: 'opening', settings: SMALL });
    expect(snapshots.at(-1)).toMatchObject({
      state: 'paused',
      step: 0,
      stepsPerEpoch: 5,
      parameters: 784 * 8 + 8 + 90,
    });
    expect(failures).toEqual([]);
  });

  test('play, pause, step: snapshots tell of each', async () => {
    const { api, snapshots, until } = await open(SMALL);
    api.play();
    expect(snapshots.at(-1)!.state).toBe('training');
    await until(({ step }) => step > 5);
    await api.pause();
    await until(({ state }) => state === 'paused');
    const { step } = snapshots.at(-1)!;
    await api.step();
    await until((snapshot) => snapshot.step === step + 1 && snapshot.state === 'paused');
  });

  test('configure: another network takes the place of the one that trains', async () => {
    const { api, snapshots, notices, until } = await open(SMALL);
    api.play();
    await until(({ step }) => step > 2);
    await api.pause();
    await api.configure({ ...SMALL, seed: 2 });
    expect(snapshots.at(-1)).toMatchObject({ state: 'paused', step: 0, network: 2 });
    expect(notices).toEqual([]); // of the checkpoint of the network before
  });

  test('configure: goes on from the checkpoint that an earlier page left', async () => {
    const store = memoryStore();
    const first = await open(SMALL, store);
    for (let i = 0; i < 3; i++) await first.api.step();
    const second = await open(SMALL, store);
    expect(await second.api.lastAddress()).toBe(addressOf(SMALL));
    expect(second.snapshots.at(-1)).toMatchObject({ state: 'paused', step: 3 });
    expect(second.snapshots.at(-1)!.curves.train).toHaveLength(3);
    expect(second.notices).toEqual([]);
    await first.api.step();
    await second.api.step();
    expect(await second.api.current.model.getWeights()).toEqual(await first.api.current.model.getWeights());
  });

  test('configure with anew: begins at the first step, and forgets the checkpoint', async () => {
    const store = memoryStore();
    const { api, snapshots } = await open(SMALL, store);
    await api.step();
    await api.configure(SMALL, { anew: true });
    expect(snapshots.at(-1)).toMatchObject({ state: 'paused', step: 0 });
    expect(store.value).toBeUndefined();
  });

  test('a checkpoint of another network is told of, and not used', async () => {
    const store = memoryStore();
    await (await open({ ...SMALL, layers: [9] }, store)).api.step();
    const { snapshots, notices } = await open(SMALL, store);
    expect(snapshots.at(-1)).toMatchObject({ state: 'paused', step: 0 });
    expect(notices).toEqual([expect.stringMatching(/of another network \(.*layers=9.*\) and is not used/)]);
  });

  test('a checkpoint that says it is of this network and is not is told of, and not used', async () => {
    const store = memoryStore();
    await (await open({ ...SMALL, layers: [9] }, store)).api.step();
    (store.value as Checkpoint).address = addressOf(SMALL);
    const { api, snapshots, notices, failures } = await open(SMALL, store);
    expect(notices).toEqual([expect.stringMatching(/cannot be used: the checkpoint is of another training/)]);
    expect(snapshots.at(-1)).toMatchObject({ state: 'paused', step: 0 });
    await api.step();
    expect(api.current.step).toBe(1);
    expect(failures).toEqual([]);
  });

  test('a lost device is opened again, and training goes on from the last checkpoint', async () => {
    const { api, snapshots, notices, until } = await open(SMALL);
    await api.step();
    await api.step();
    const weights = await api.current.model.getWeights();
    const again = until(({ state, network }) => state === 'paused' && network === 2);
    api.device!.gpu.destroy();
    await again;
    expect(snapshots.at(-1)!.step).toBe(2);
    expect(await api.current.model.getWeights()).toEqual(weights);
    await api.idle();
    expect(notices).toEqual([expect.stringMatching(/device was lost .* at step 2.* continues from step 2/)]);
    await api.step();
    expect(api.current.step).toBe(3);
  });

  test('a lost device is opened again while training, and training goes on by itself', async () => {
    const { api, failures, until } = await open(SMALL);
    api.play();
    await until(({ step }) => step > 3);
    const again = until(({ state, network, step }) => state === 'training' && network === 2 && step > 3);
    api.device!.gpu.destroy();
    await again;
    expect(failures).toEqual([]);
  });

  test('a device that is lost again and again without a step is given up', async () => {
    const { api, failures, until } = await open(SMALL);
    for (let losses = 1; losses <= 4; losses++) {
      const next = until(({ state, network }) => state === 'failed' || (state === 'paused' && network === losses + 1));
      api.device!.gpu.destroy();
      await next;
      await api.idle();
    }
    expect(failures).toEqual([{ message: expect.stringContaining('lost 4 times in a row'), missing: null }]);
  });

  test('a network that the adapter has no room for: says so, and another one can be opened', async () => {
    const { api, snapshots, failures } = await open(SMALL);
    const limits = tellLimits(api.device as Device, { maxStorageBufferBindingSize: 2 ** 20, maxBufferSize: 2 ** 20 });
    await api.configure({ ...SMALL, layers: [1024] });
    expect(snapshots.at(-1)!.state).toBe('failed');
    expect(failures).toEqual([{ message: expect.stringMatching(/binds at most 1048576/), missing: null }]);
    limits[Symbol.dispose]();
    await api.configure(SMALL);
    expect(snapshots.at(-1)!.state).toBe('paused');
  });
});

test('without WebGPU: says what is missing', async () => {
  const { api, snapshots, failures } = await connect(memoryStore(), undefined);
  await api.configure(SMALL);
  expect(failures).toEqual([
    { message: expect.stringContaining('navigator.gpu, which is undefined'), missing: 'webgpu' },
  ]);
  expect(snapshots.at(-1)!.state).toBe('failed');
});

test('without an adapter: says what is missing', async () => {
  const { api, failures } = await connect(memoryStore(), { requestAdapter: async () => null } as unknown as GPU);
  await api.configure(SMALL);
  expect(failures).toEqual([{ message: expect.stringContaining('no WebGPU adapter'), missing: 'adapter' }]);
});

test('images that cannot be fetched: says so', async () => {
  const failures: string[] = [];
  const gpu = await gpuOfDawn();
  const api = new Api(gpu, new Checkpoints(memoryStore(), () => {}), async () => {
    throw new OutOfMemoryError('no images');
  });
  opened.push(api);
  api.connect(
    () => {},
    () => {},
    (message) => failures.push(message),
  );
  await api.configure(SMALL);
  expect(failures).toEqual(['no images']);
});
