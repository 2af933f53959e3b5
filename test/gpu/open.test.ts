import { afterEach, expect, test } from 'vitest';
import { AdapterError } from '../../src/base/errors.ts';
import { waitSleeping } from '../../src/gpu/wait.ts';
import { Device, matmul, tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

type Changes<T> = { [K in keyof T]?: T[K] | undefined };

/** A WebGPU object with some members changed. */
function withMembers<T extends object>(object: T, changes: Changes<T>): T {
  return new Proxy(object, {
    get(target, key) {
      if (key in changes) return changes[key as keyof T];
      const value = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

type Request = Required<Pick<GPUDeviceDescriptor, 'requiredFeatures' | 'requiredLimits'>>;

/** The implementation of WebGPU, independent of the adapter of the tests: that of the runtime, as in Deno, else Dawn. */
const gpuHere = async (): Promise<GPU> =>
  (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu ?? (await import('webgpu')).create([]);

/** The GPU object with changed adapters, and the requests for devices with the number of the adapter. */
function changedGpu(change: (adapter: GPUAdapter, number: number) => Changes<GPUAdapter> = () => ({})) {
  const here = gpuHere();
  const asked: (Request & { adapter: number })[] = [];
  let count = 0;
  const requestAdapter = async (options?: GPURequestAdapterOptions) => {
    const adapter = (await (await here).requestAdapter(options))!;
    const number = count++;
    const changes = change(adapter, number);
    const request = changes.requestDevice ?? adapter.requestDevice.bind(adapter);
    const requestDevice = (descriptor?: GPUDeviceDescriptor) => {
      asked.push({ ...(descriptor as Request), adapter: number });
      return request(descriptor);
    };
    return withMembers(adapter, { ...changes, requestDevice });
  };
  return { gpu: { requestAdapter } as unknown as GPU, asked };
}

const hasFeatures = ({ requiredFeatures = [] }: GPUDeviceDescriptor) => [...requiredFeatures].length > 0;
const hasLimits = ({ requiredLimits = {} }: GPUDeviceDescriptor) => Object.keys(requiredLimits).length > 0;

/** Adapters that return a device unless `isRefused`. */
const refusing = (isRefused: (request: GPUDeviceDescriptor) => boolean) =>
  changedGpu((adapter) => ({
    requestDevice: (request = {}) =>
      isRefused(request)
        ? Promise.reject(new TypeError(`no: ${JSON.stringify(Object.keys(request.requiredLimits ?? {}))}`))
        : adapter.requestDevice(request),
  }));

/** Devices that were returned but may be unusable. */
const granted: GPUDevice[] = [];
afterEach(() => {
  for (const device of granted.splice(0)) device.destroy();
});

/** Adapters whose devices are changed. */
const withDevices = (change: (device: GPUDevice, adapter: number) => Changes<GPUDevice>) =>
  changedGpu((adapter, number) => ({
    requestDevice: async (request) => {
      const device = await adapter.requestDevice(request);
      granted.push(device);
      return withMembers(device, change(device, number));
    },
  }));

const opened: Device[] = [];
async function open(gpu: GPU): Promise<Device> {
  const device = await Device.open(gpu, { wait: waitSleeping });
  opened.push(device);
  return device;
}
afterEach(() => {
  for (const device of opened.splice(0)) device.dispose();
});

/** A device of an unchanged adapter. */
const usual = () => open(changedGpu().gpu);

/** A product on the device, to check that kernels run on it and that no error is pending. */
async function product(device: Device): Promise<number[]> {
  const [a, b] = [tensor(device, [1, 2, 3, 4], [2, 2]), tensor(device, [5, 6, 7, 8], [2, 2])];
  const values = [...(await matmul(a, b).data())];
  await device.sync();
  return values;
}
const PRODUCT = [19, 22, 43, 50];

async function refusal(gpu: GPU): Promise<AdapterError> {
  const error = await open(gpu).then(
    () => null,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(AdapterError);
  return error as AdapterError;
}

describeOnDevice('an adapter', () => {
  test('is requested with only the features and limits that are used', async () => {
    const { gpu, asked } = changedGpu();
    const { info } = await open(gpu);
    expect(asked).toHaveLength(1);
    const { requiredFeatures, requiredLimits } = asked[0]!;
    const offered = ['timestamp-query', 'subgroups'].filter((feature) => info.features.includes(feature));
    expect(requiredFeatures).toEqual(offered);
    expect(Object.keys(requiredLimits)).toEqual(['maxBufferSize', 'maxStorageBufferBindingSize']);
    expect(requiredLimits.maxBufferSize).toBe(info.limits.maxBufferSize);
  });

  test('that refuses features is opened without them, with large buffers and a note', async () => {
    const { gpu, asked } = refusing(hasFeatures);
    const device = await open(gpu);
    expect(asked.map(hasFeatures)).toEqual([true, false]);
    expect(asked.map(({ adapter }) => adapter)).toEqual([0, 1]); // an adapter returns one device
    expect(device.limits.maxBufferSize).toBe(device.info.limits.maxBufferSize);
    expect(device.gpu.features.has('subgroups')).toBe(false);
    expect(device.subgroupLanes).toBe(null);
    expect(device.probe).toMatchObject({ lanes: 'unused', shuffles: 'unused', division: 'ok' });
    expect(device.probe.notes).toEqual([
      expect.stringMatching(/^asked for the features timestamp-query.*, it said "no: /),
    ]);
    expect(await product(device)).toEqual(PRODUCT);
  });

  test('that refuses limits is opened with the defaults', async () => {
    const { gpu, asked } = refusing(hasLimits);
    const device = await open(gpu);
    expect(asked.map((request) => [hasFeatures(request), hasLimits(request)])).toEqual([
      [true, true],
      [false, true],
      [false, false],
    ]);
    expect(device.limits.maxBufferSize).toBe(2 ** 28);
    expect(device.largestArray).toBe(2 ** 27);
    expect(device.probe.notes).toHaveLength(2);
    expect(await product(device)).toEqual(PRODUCT);
  });

  test('that refuses everything: AdapterError with the requests, the refusals and the next step', async () => {
    const { gpu, asked } = refusing(() => true);
    const { message, cause } = await refusal(gpu);
    const { info } = await usual();
    expect(asked.map(({ adapter }) => adapter)).toEqual([0, 1, 2]);
    const parts = [
      `the adapter ${info.name} gave no device: asked for the features `,
      `and the limits maxBufferSize ${info.limits.maxBufferSize}, maxStorageBufferBindingSize `,
      'it said "no: ["maxBufferSize","maxStorageBufferBindingSize"]"',
      'asked for default limits and no features, it said "no: []"',
      'Close other programs and browser tabs that use the GPU, update its driver',
    ];
    for (const part of parts) expect(message).toContain(part);
    expect(cause).toBeInstanceOf(TypeError);
  });

  test('is not sent the same request twice', async () => {
    const { gpu, asked } = changedGpu(() => ({
      ...{ features: new Set() as unknown as GPUSupportedFeatures, limits: {} as GPUSupportedLimits },
      requestDevice: () => Promise.reject(new Error('no')),
    }));
    await refusal(gpu);
    expect(asked).toEqual([{ requiredFeatures: [], requiredLimits: {}, adapter: 0 }]);
  });

  test('that cannot be requested: AdapterError with the reason', async () => {
    const requestAdapter = () => Promise.reject(new Error('the GPU process is gone'));
    const { message } = await refusal({ requestAdapter } as unknown as GPU);
    expect(message).toBe('no WebGPU adapter was given: the GPU process is gone');
  });

  test('that is missing at the second request: AdapterError with the first refusal', async () => {
    const { gpu } = refusing(() => true);
    let count = 0;
    const once = { requestAdapter: async () => (count++ === 0 ? gpu.requestAdapter() : null) } as unknown as GPU;
    expect((await refusal(once)).message).toContain('it said "no: ["maxBufferSize"');
  });

  test.each<[string, () => { gpu: GPU }]>([
    ['an adapter without features', () => changedGpu(() => ({ features: undefined }))],
    ['an adapter without limits', () => changedGpu(() => ({ limits: undefined }))],
    ['no device', () => changedGpu(() => ({ requestDevice: (async () => null) as never }))],
    ['a device without features', () => withDevices(() => ({ features: undefined }))],
    ['a device without events', () => withDevices(() => ({ addEventListener: undefined }))],
    ['a device that cannot be lost', () => withDevices(() => ({ lost: undefined }))],
  ])('that supports only a part of WebGPU: AdapterError with the cause: %s', async (_, make) => {
    const error = await refusal(make().gpu);
    expect(error.message).toContain('could not be opened');
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  test('that reports nothing is opened without subgroups', async () => {
    const { gpu } = changedGpu((adapter) => ({
      info: undefined,
      requestDevice: async (request) => withMembers(await adapter.requestDevice(request), { adapterInfo: undefined }),
    }));
    const device = await open(gpu);
    expect(device.info).toMatchObject({ name: 'unnamed adapter', vendor: '', driver: '', isSoftware: false });
    expect(device.subgroupLanes).toBe(null);
    expect(device.probe).toMatchObject({ lanes: 'unused', nanInRelu: 'ok' });
    expect(await product(device)).toEqual(PRODUCT);
  });

  test('whose device has no adapterInfo: the probe finds the lanes', async () => {
    const { gpu } = withDevices(() => ({ adapterInfo: undefined }));
    expect((await open(gpu)).subgroupLanes).toBe((await usual()).subgroupLanes);
  });
});

describeOnDevice('a probe', (shared) => {
  const hasLanes = shared?.subgroupLanes != null;
  const withLanes = (name: string, body: () => Promise<void>) =>
    test(name, ({ skip }) => {
      skip(!hasLanes, 'this adapter has no subgroups that could be switched off');
      return body();
    });

  withLanes('whose subgroups do not compile: they are off, and the device is of use', async () => {
    const { gpu } = withDevices((device) => ({
      createComputePipeline: (descriptor) => {
        const entryPoint = descriptor.label === 'probe_lanes' ? 'nowhere' : 'main';
        return device.createComputePipeline({ ...descriptor, compute: { ...descriptor.compute, entryPoint } });
      },
    }));
    const device = await open(gpu);
    expect(device.subgroupLanes).toBe(null);
    expect(device.probe).toMatchObject({ lanes: 'unknown', shuffles: 'unknown', nanInRelu: 'ok', division: 'ok' });
    expect(device.probe.notes).toEqual([expect.stringMatching(/^subgroups were not checked: .*nowhere/)]);
    expect(await product(device)).toEqual(PRODUCT);
  });

  withLanes('that finds other lanes: subgroups are off', async () => {
    // Lanes as if the workgroup began with its second invocation.
    const shift = (code: string) => code.replace('out[local] =', 'out[(local + 1u) % SIZE] =');
    const { gpu } = withDevices((device) => ({
      createShaderModule: (descriptor) => device.createShaderModule({ ...descriptor, code: shift(descriptor.code) }),
    }));
    const device = await open(gpu);
    expect(device.probe).toMatchObject({ lanes: 'wrong', shuffles: 'wrong', division: 'ok' });
    expect(device.probe.notes).toEqual([expect.stringMatching(/^invocation 0 of a workgroup of 32 has lane [1-9]/)]);
    expect(device.subgroupLanes).toBe(null);
    expect(await product(device)).toEqual(PRODUCT);
  });

  test('that does not compile: findings about numbers are unknown, and no error is thrown later', async () => {
    const { gpu } = withDevices((device) => ({
      createShaderModule: (descriptor) =>
        device.createShaderModule({
          ...descriptor,
          code: descriptor.label === 'probe_numbers' ? 'fn main( {' : descriptor.code,
        }),
    }));
    const device = await open(gpu);
    expect(device.probe).toMatchObject({ nanInRelu: 'unknown', division: 'unknown', denormals: 'unknown' });
    expect(device.probe.notes).toEqual([expect.stringMatching(/^numbers were not checked: \S/)]);
    expect(device.subgroupLanes).toBe((await usual()).subgroupLanes);
    expect(await product(device)).toEqual(PRODUCT);
  });

  test("that the driver does not compile: all findings are unknown, with the driver's reason", async () => {
    const scopes: GPUErrorFilter[] = [];
    const { gpu } = withDevices((device) => ({
      pushErrorScope: (filter) => {
        scopes.push(filter);
        device.pushErrorScope(filter);
      },
      popErrorScope: async () => {
        const filter = scopes.pop()!;
        await device.popErrorScope();
        const message = filter === 'internal' ? 'out of registers' : '[Invalid ComputePipeline] is invalid';
        return isOpen ? null : ({ message } as GPUError);
      },
    }));
    let isOpen = false;
    const device = await open(gpu);
    isOpen = true;
    expect(device.probe).toMatchObject({ nanInRelu: 'unknown', division: 'unknown' });
    expect(device.probe.notes).toContain('numbers were not checked: out of registers');
    expect(device.subgroupLanes).toBe(null);
    expect(await product(device)).toEqual(PRODUCT);
  });

  test('whose commands are refused: all findings are unknown, and later errors are thrown', async () => {
    const { gpu } = withDevices((device) => ({
      createCommandEncoder: (descriptor) => {
        if (descriptor?.label?.startsWith('probe')) throw new Error('no more encoders');
        return device.createCommandEncoder(descriptor);
      },
    }));
    const device = await open(gpu);
    expect(device.probe).toMatchObject({ nanInRelu: 'unknown', division: 'unknown' });
    expect(device.subgroupLanes).toBe(null);
    expect(await product(device)).toEqual(PRODUCT);
    device.gpu.createBuffer({ size: 16, usage: 0x8000 }); // no scope of the probe is left to catch it
    await expect(device.sync()).rejects.toThrow(/usage/i);
  });

  test('that loses the device: another device is opened without features, and not probed', async () => {
    const { gpu, asked } = withDevices((device, adapter) => ({
      createComputePipeline: (descriptor) => {
        if (adapter === 0) device.destroy();
        return device.createComputePipeline(descriptor);
      },
    }));
    const device = await open(gpu);
    expect(asked.map(hasFeatures)).toEqual([true, false]);
    expect(device.subgroupLanes).toBe(null);
    expect(device.probe).toMatchObject({ lanes: 'unknown', division: 'unknown' });
    expect(device.probe.notes).toEqual([expect.stringMatching(/^the probe lost the device .*: another was opened/)]);
    expect(await product(device)).toEqual(PRODUCT);
  });
});
