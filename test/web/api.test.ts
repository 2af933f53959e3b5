import { afterEach, expect, test } from 'vitest';
import { type Callback, type Device, encodeWeights, ImageLoader, OutOfMemoryError } from '../../src/node.ts';
import { createModel } from '../../web/src/network.ts';
import { addressOf, type Settings } from '../../web/src/settings.ts';
import type { Snapshot } from '../../web/src/snapshot.ts';
import { Api } from '../../web/src/worker/api.ts';
import { type Checkpoint, Checkpoints, type Store } from '../../web/src/worker/checkpoints.ts';
import { describeOnDevice } from '../support/device.ts';
import { replaceLimits } from '../support/limits.ts';
import { SMALL, samples } from './images.ts';

/** A store in memory that copies values like IndexedDB. */
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

let dawn: GPU | null = null;

/** WebGPU of Dawn, one for all tests: if one is collected while it has events to process, Dawn crashes, or waits for a lock forever. */
async function gpuOfDawn(): Promise<GPU> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  dawn ??= create([]);
  return dawn;
}

const opened: Api[] = [];
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});

async function connect(store: Store, gpu: GPU | undefined, fetchSamples = async () => samples) {
  const notices: string[] = [];
  const failures: { message: string; missing: string | null }[] = [];
  const snapshots: Snapshot[] = [];
  const waits: { isReached: (snapshot: Snapshot) => boolean; resolve: () => void }[] = [];
  const checkpoints = new Checkpoints(store, (message) => notices.push(message));
  const api = new Api(gpu, checkpoints, fetchSamples);
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

/** Loses the device. @returns the report of the worker once it has opened another device, or has given up */
async function lose(api: Api, until: (isReached: (snapshot: Snapshot) => boolean) => Promise<void>): Promise<Snapshot> {
  let reached: Snapshot | null = null;
  const { device } = api;
  const again = until((snapshot) => {
    if (api.device !== device && (snapshot.state === 'paused' || snapshot.state === 'failed')) reached = snapshot;
    return reached !== null;
  });
  device!.gpu.destroy();
  await again;
  await api.idle();
  return reached!;
}

/** A promise that is resolved from outside. */
function deferred() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describeOnDevice('worker API', () => {
  test('configure: opens a network, paused at its first step, and reports it', async () => {
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

  test('play, pause, step: report snapshots', async () => {
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

  test('configure: another network replaces the one that trains', async () => {
    const { api, snapshots, notices, until } = await open(SMALL);
    api.play();
    await until(({ step }) => step > 2);
    await api.pause();
    await api.configure({ ...SMALL, seed: 2 });
    expect(snapshots.at(-1)).toMatchObject({ state: 'paused', step: 0, network: 2 });
    expect(notices).toEqual([]); // the checkpoint of the previous network
  });

  test('configure: continues from the checkpoint of an earlier page', async () => {
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

  test('configure with restart: starts at the first step, and deletes the checkpoint', async () => {
    const store = memoryStore();
    const { api, snapshots } = await open(SMALL, store);
    await api.step();
    await api.configure(SMALL, { restart: true });
    expect(snapshots.at(-1)).toMatchObject({ state: 'paused', step: 0 });
    expect(store.value).toBeUndefined();
  });

  test('a checkpoint of another network is reported, and not used', async () => {
    const store = memoryStore();
    await (await open({ ...SMALL, layers: [9] }, store)).api.step();
    const { snapshots, notices } = await open(SMALL, store);
    expect(snapshots.at(-1)).toMatchObject({ state: 'paused', step: 0 });
    expect(notices).toEqual([expect.stringMatching(/of another network \(.*layers=9.*\) and is not used/)]);
  });

  test("a checkpoint with this network's address but from another network is reported, and not used", async () => {
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

  test.each([
    ['no history', ({ state }: Checkpoint) => Reflect.deleteProperty(state, 'history')],
    ['no seconds', ({ state }: Checkpoint) => Reflect.deleteProperty(state, 'seconds')],
    ['no curves', ({ state }: Checkpoint) => Object.assign(state, { callbacks: [{}] })],
    ['curves of another form', ({ state }: Checkpoint) => Object.assign(state.callbacks[0]!, { curves: { train: 7 } })],
    ['no hashes', ({ state }: Checkpoint) => Reflect.deleteProperty(state.callbacks[0]!, 'hashes')],
    [
      'a position behind the end',
      ({ state }: Checkpoint) => Object.assign(state.position, { epoch: 1, step: 10 ** 9 }),
    ],
  ])('a checkpoint with %s is reported, and not used', async (_, damage) => {
    const store = memoryStore();
    await (await open(SMALL, store)).api.step();
    damage(store.value as Checkpoint);
    expect(await new Checkpoints(store, () => {}).load()).not.toBeNull(); // looks like a checkpoint
    const { api, snapshots, notices, failures } = await open(SMALL, store);
    expect(failures).toEqual([]);
    expect(notices).toEqual([expect.stringMatching(/checkpoint in this browser cannot be used/)]);
    expect(snapshots.at(-1)).toMatchObject({ state: 'paused', step: 0 });
    await api.step();
    expect(api.current.step).toBe(1);
  });

  test('a device lost while the network is opened: it trains as requested, and no error is reported', async () => {
    const connected = await connect(memoryStore(), await gpuOfDawn(), async () => {
      if (connected.snapshots.at(-1)!.network === 0) {
        while (!connected.api.device) await new Promise((resolve) => setTimeout(resolve, 5));
        const { gpu } = connected.api.device;
        gpu.destroy();
        await gpu.lost;
      }
      return samples;
    });
    const { api, failures, until } = connected;
    const trains = until(({ state, step }) => state === 'failed' || (state === 'training' && step > 3));
    await api.configure(SMALL, { play: true });
    await trains;
    expect(failures).toEqual([]);
    expect(api.current.isPlaying).toBe(true);
  });

  test('a device lost as soon as it is opened: reported', async () => {
    const gpu = await gpuOfDawn();
    const requestAdapter = async (options?: GPURequestAdapterOptions) => {
      const adapter = (await gpu.requestAdapter(options))!;
      const requestDevice = adapter.requestDevice.bind(adapter);
      adapter.requestDevice = async (wishes) => {
        const device = await requestDevice(wishes);
        device.destroy();
        return device;
      };
      return adapter;
    };
    const { api, snapshots, failures } = await connect(memoryStore(), { requestAdapter } as unknown as GPU);
    await api.configure(SMALL);
    await api.idle();
    expect(snapshots.at(-1)!.state).toBe('failed');
    expect(failures.at(-1)!.message).toMatch(/lost/);
  });

  test('a device lost now and then, with a step between, is opened again each time', async () => {
    const { api, failures, until } = await open(SMALL);
    for (let losses = 1; losses <= 4; losses++) {
      if (losses > 1) await api.configure({ ...SMALL, seed: losses });
      await api.step();
      const { network } = await lose(api, until);
      expect([losses, network]).toEqual([losses, 2 * losses]);
    }
    expect(failures).toEqual([]);
  });

  test('play while a kernel is compared: it starts afterwards, and the comparison has the same weights', async () => {
    const { api, until } = await open({ ...SMALL, layers: [64], batch: 32 });
    await api.step();
    const { forward } = (await api.measureKernels()).layers.find(({ layer }) => layer?.startsWith('dense'))!;
    const choice = forward.find(({ choices, isReference }) => choices.length > 0 && !isReference)!.choices[0]!;
    const compared = api.compareWithReference(choice);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const trains = until(({ state, step }) => state === 'training' && step > 1);
    api.play();
    expect((await compared).isEqual).toBe(true);
    await trains;
  });

  test('weights downloaded while it trains are those of the step in their name', async () => {
    const settings: Settings = { ...SMALL, layers: [256], batch: 1 };
    const { api, until } = await open(settings);
    api.play();
    await until(({ step }) => step > 2);
    const files = new Map<number, Uint8Array>();
    const { curves } = api.current;
    const add = curves.addTraining.bind(curves);
    const requests: Promise<unknown>[] = [];
    // While a step is read, it is finished but not counted yet.
    curves.addTraining = (...reading) => {
      add(...reading);
      if (requests.length < 4) requests.push(api.weightsFile().then(({ bytes, step }) => files.set(step, bytes)));
    };
    await until(() => requests.length === 4);
    await Promise.all(requests);
    expect(api.current.isPlaying).toBe(true);
    await api.pause();
    const { device } = api.current;
    using model = createModel(settings).build(device, { seed: settings.seed });
    using train = new ImageLoader(device, samples.train);
    const abort = new AbortController();
    let step = 0;
    const right: number[] = [];
    const onSafePoint: Callback['onSafePoint'] = async ({ after }) => {
      if (after !== 'step') return;
      const bytes = files.get(++step);
      if (!bytes) return;
      if (Buffer.from(await encodeWeights(model)).equals(bytes)) right.push(step);
      files.delete(step);
      if (files.size === 0) abort.abort();
    };
    const steps = [...files.keys()];
    await model.fit(train, {
      epochs: 1000,
      batchSize: 1,
      seed: settings.seed,
      callbacks: [{ onSafePoint }],
      signal: abort.signal,
    });
    expect(right).toEqual(steps);
  });

  test('a lost device is opened again, and training continues from the last checkpoint', async () => {
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

  test('a device lost in training is opened again, and training continues by itself', async () => {
    const { api, failures, until } = await open(SMALL);
    api.play();
    await until(({ step }) => step > 3);
    const again = until(({ state, network, step }) => state === 'training' && network === 2 && step > 3);
    api.device!.gpu.destroy();
    await again;
    expect(failures).toEqual([]);
  });

  test('a device lost while a checkpoint is written: training continues by itself', async () => {
    const store = memoryStore();
    const { api, failures, until } = await open(SMALL, store);
    const { set } = store;
    const writing = deferred();
    const lost = deferred();
    store.set = async (value) => {
      writing.resolve();
      await lost.promise; // the training waits
      await set(value);
    };
    api.checkpointSoon();
    api.play();
    await writing.promise;
    const again = until(({ state, network, step }) => state === 'failed' || (network === 2 && step > 3));
    const { gpu } = api.device!;
    gpu.destroy();
    await gpu.lost;
    await new Promise((resolve) => setTimeout(resolve, 20));
    lost.resolve();
    await again;
    expect(failures).toEqual([]);
    expect(api.current.isPlaying).toBe(true);
  });

  test('a loss that is NaN or infinite: reported once, and training stops if no replica has a finite one', async () => {
    const wild = { ...SMALL, optimizer: 'sgd', rate: 10, penalty: 'l2', strength: 1 } as const;
    const { api, notices, until } = await open({ ...wild, replicas: 2 });
    const stopped = until(({ state, step }) => state === 'paused' && step > 0);
    api.play();
    await stopped;
    expect(notices).toEqual([
      expect.stringMatching(
        /^The loss of all networks is no longer a number after \d+ steps, so training stopped: .*lower/,
      ),
    ]);
    await api.step(); // training can continue
    expect(notices).toHaveLength(1);
    await api.configure(wild);
    for (let i = 0; i < 40 && notices.length === 1; i++) await api.step();
    expect(notices[1]).toMatch(/^The loss is no longer a number after \d+ steps: choose a lower/);
  });

  test('a device lost while kernels are measured: training continues by itself', async () => {
    const { api, failures, until } = await open(SMALL);
    api.play();
    await until(({ step }) => step > 1);
    const again = until(({ state, network, step }) => state === 'failed' || (network === 2 && step > 3));
    const measured = api.measureKernels();
    await new Promise((resolve) => setTimeout(resolve, 50));
    api.device!.gpu.destroy();
    await expect(measured).rejects.toThrow(/lost|dispose/);
    await again;
    expect([failures, api.current.isPlaying]).toEqual([[], true]);
  });

  test('pause and step while kernels are measured: take effect afterwards', async () => {
    const { api, snapshots, until } = await open(SMALL);
    api.play();
    await until(({ step }) => step > 1);
    const first = api.measureKernels();
    const second = api.measureKernels(); // after the first
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(snapshots.at(-1)!.state).toBe('training'); // it continues afterwards, so that the page offers to pause
    const rests = until(({ state }) => state === 'paused');
    await api.pause();
    await rests;
    await Promise.all([first, second]);
    expect(api.current.isPlaying).toBe(false);
    const { step } = api.current;
    const third = api.measureKernels();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const stepped = api.step();
    await third;
    await stepped;
    expect([api.current.step, api.current.isPlaying]).toEqual([step + 1, false]);
  });

  test('a full store is reported for each network, whose notices replace the previous ones', async () => {
    const store = memoryStore();
    const fail = () => Promise.reject(new DOMException('no room', 'QuotaExceededError'));
    Object.assign(store, { get: fail, set: fail });
    const { api, notices } = await connect(store, await gpuOfDawn());
    await api.lastAddress();
    await api.configure(SMALL);
    await api.step();
    await api.step();
    expect(notices).toEqual([expect.stringMatching(/storage of this browser is full/)]);
    await api.configure({ ...SMALL, seed: 2 });
    await api.step();
    expect(notices).toHaveLength(2);
    expect(notices[1]).toBe(notices[0]);
  });

  test('a device lost repeatedly without a step is given up', async () => {
    const { api, failures, until } = await open(SMALL);
    for (let losses = 1; losses <= 4; losses++) {
      const next = until(({ state, network }) => state === 'failed' || (state === 'paused' && network === losses + 1));
      api.device!.gpu.destroy();
      await next;
      await api.idle();
    }
    expect(failures).toEqual([{ message: expect.stringContaining('lost 4 times in a row'), missing: null }]);
  });

  test('a network too large for the adapter: reported, and another one can be opened', async () => {
    const { api, snapshots, failures } = await open(SMALL);
    const limits = replaceLimits(api.device as Device, {
      maxStorageBufferBindingSize: 2 ** 20,
      maxBufferSize: 2 ** 20,
    });
    await api.configure({ ...SMALL, layers: [1024] });
    expect(snapshots.at(-1)!.state).toBe('failed');
    expect(failures).toEqual([{ message: expect.stringMatching(/binds at most 1048576/), missing: null }]);
    limits[Symbol.dispose]();
    await api.configure(SMALL);
    expect(snapshots.at(-1)!.state).toBe('paused');
  });
});

test('without WebGPU: reports what is missing', async () => {
  const { api, snapshots, failures } = await connect(memoryStore(), undefined);
  await api.configure(SMALL);
  expect(failures).toEqual([
    { message: expect.stringContaining('navigator.gpu, which is undefined'), missing: 'webgpu' },
  ]);
  expect(snapshots.at(-1)!.state).toBe('failed');
});

test('without an adapter: reports what is missing', async () => {
  const { api, failures } = await connect(memoryStore(), { requestAdapter: async () => null } as unknown as GPU);
  await api.configure(SMALL);
  expect(failures).toEqual([{ message: expect.stringContaining('no WebGPU adapter'), missing: 'adapter' }]);
});

test('images that cannot be fetched: reported', async () => {
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
