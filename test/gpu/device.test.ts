import { inspect } from 'node:util';
import { expect, test, vi } from 'vitest';
import {
  type Device,
  DeviceLostError,
  DisposedError,
  GpuError,
  OutOfMemoryError,
  openDevice,
  relu,
  ShaderError,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { failure } from '../support/adapter-refusals.ts';
import { describeOnDevice } from '../support/device.ts';
import { replaceLimits } from '../support/limits.ts';

const STORE_ONE = `
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn main() { out[0] = 1u; }`;

/** Runs `body` while every new buffer of that label fails as on an adapter whose memory has run out. */
function failing<T>(device: Device, body: () => T, label?: string): T {
  const { gpu } = device;
  const make = gpu.createBuffer.bind(gpu);
  const failures = new Set<number>();
  let scopes = 0;
  const creating = vi.spyOn(gpu, 'createBuffer').mockImplementation((descriptor) => {
    if (label !== undefined && descriptor.label !== label) return make(descriptor);
    failures.add(scopes);
    gpu.pushErrorScope('validation'); // a buffer without memory is an invalid buffer
    const buffer = make({ ...descriptor, usage: descriptor.usage | 0x8000 });
    void GPUDevice.prototype.popErrorScope.call(gpu);
    return buffer;
  });
  const popping = vi.spyOn(gpu, 'popErrorScope').mockImplementation(async () => {
    const failed = failures.delete(scopes++);
    const error = await GPUDevice.prototype.popErrorScope.call(gpu);
    return failed ? new GPUOutOfMemoryError('not enough') : error;
  });
  try {
    return body();
  } finally {
    creating.mockRestore();
    popping.mockRestore();
  }
}

// A failure may make a device unusable, so each test opens its own.
describeOnDevice('failed requests to a device', (shared) => {
  const open = () => openDevice();

  test('ShaderError: has file, line and column; thrown by the next wait and by each use of the kernel', async () => {
    using device = await open();
    const lines = ['@compute @workgroup_size(1)', 'fn main() {', '  let x = y + 1;', '}'];
    const broken = { name: 'broken', code: lines.join('\n') };
    const pipeline = device.pipeline(broken);
    const error = await failure(() => device.sync());
    expect(error).toBeInstanceOf(ShaderError);
    const [where, line, caret] = error.message.split('\n');
    expect(where).toMatch(/^shader broken\.wgsl:3:11: .*['`]y['`]/);
    expect(line).toBe('    3 |   let x = y + 1;');
    expect(caret!.indexOf('^')).toBe(line!.indexOf('y'));
    device.allocate(16).release();
    expect(await failure(() => device.pipeline(broken))).toBe(error);
    expect(await failure(() => device.dispatch(pipeline, [], [1, 1, 1]))).toBe(error);
    await device.sync();
  });

  test('read: throws ShaderError too', async () => {
    using device = await open();
    const x = tensor(device, [1], [1]);
    device.pipeline({ name: 'broken', code: 'fn main( {' });
    const error = await failure(() => x.data());
    expect(error).toBeInstanceOf(ShaderError);
    expect(error.message).toContain('    1 | fn main( {');
  });

  test.each([
    ['an override that the shader lacks', STORE_ONE, { MISSING: 1 }, '"MISSING"'],
    ['an override without a value', `override SIZE: u32;\n${STORE_ONE.replace('1u', 'SIZE')}`, {}, 'SIZE'],
    ['a workgroup beyond the limits', STORE_ONE.replace('size(1)', 'size(1, 1, 4096)'), {}, '4096'],
    ['no entry point', '// nothing', {}, 'main'],
  ])('pipeline that cannot be created: %s', async (_what, code, constants, says) => {
    using device = await open();
    device.pipeline({ name: 'refused', code, constants });
    const error = await failure(() => device.sync());
    expect(error).toBeInstanceOf(ShaderError);
    expect(error.message).toContain('refused.wgsl');
    expect(error.message).toContain(says);
  });

  test('sync: throws GpuError if the bindings of a dispatch do not match the kernel', async () => {
    using device = await open();
    device.dispatch(device.pipeline({ name: 'store', code: STORE_ONE }), [], [1, 1, 1]);
    expect(await failure(() => device.sync())).toBeInstanceOf(GpuError);
  });

  test('allocate: throws at once if the adapter cannot bind the buffer, and the device stays usable', async () => {
    const { maxBufferSize, maxStorageBufferBindingSize } = shared.limits;
    const limit = 16 * Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / 16);
    const error = await failure(() => shared.allocate(limit + 4));
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error.message).toContain(`${limit + 4} bytes`);
    expect(error.message).toContain(`${limit};`);
    using x = tensor(shared, [1, 2], [2]);
    expect([...(await x.data())]).toEqual([1, 2]);
  });

  test.each([2 ** 31 - 1, 2 ** 32 - 1])(
    'the largest array is a whole number of vec4s, as bindings are, if the limit is %i bytes',
    (limit) => {
      using _ = replaceLimits(shared, { maxBufferSize: limit, maxStorageBufferBindingSize: limit });
      expect(shared.largestArray).toBe(limit - 15);
      expect(() => shared.allocate(limit - 14)).toThrow(OutOfMemoryError);
      expect(() => shared.allocate(limit - 14)).toThrow(
        `${limit - 14} bytes was requested, but this adapter binds at most ${limit - 15};`,
      );
    },
  );

  test('allocate: throws if the array is within the limit, but its binding, rounded up to 16 bytes, is not', async () => {
    using _ = replaceLimits(shared, { maxStorageBufferBindingSize: 1012 });
    const bind = vi.spyOn(shared.gpu, 'createBindGroup');
    const store = (bytes: number) => {
      const storage = shared.allocate(bytes);
      shared.dispatch(shared.pipeline({ name: 'store', code: STORE_ONE }), [storage], [1, 1, 1]);
      storage.release();
      shared.trim(); // so that each creates a separate bind group
    };
    try {
      expect(() => store(1012)).toThrow(OutOfMemoryError);
      for (const bytes of [1008, 1004, 996]) store(bytes);
      const sizes = bind.mock.calls.flatMap(([{ entries }]) => [...entries].map(({ resource }) => resource));
      expect(sizes).toEqual([1008, 1008, 1008].map((size) => expect.objectContaining({ size })));
      await shared.sync();
    } finally {
      bind.mockRestore();
    }
  });

  test('console.log: prints the device on one line', async () => {
    const device = await open();
    const x = tensor(device, [1, 2], [2]);
    expect(inspect(device)).toMatch(/^Device \S.*, 256 bytes in use$/);
    x.dispose();
    device.dispose();
    expect(inspect({ device })).toMatch(/^\{\s+device: Device .*, disposed\s+\}$/);
  });

  test('sync: throws OutOfMemoryError if memory ran out', async () => {
    using device = await open();
    // The error is simulated as Dawn reports it, because tests must not fill the memory of the machine.
    const error = new GPUOutOfMemoryError('allocation failed');
    device.gpu.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error }));
    const thrown = await failure(() => device.allocate(16));
    expect(thrown).toBeInstanceOf(OutOfMemoryError);
    expect(thrown.message).toContain('smaller batch');
    expect(thrown.message).toContain('allocation failed');
  });

  test('dispatch: throws OutOfMemoryError once if adapter memory runs out, and the device stays usable', async () => {
    using device = await open();
    using x = tensor(device, new Array(100).fill(-1), [100]);
    relu(x).dispose();
    expect(device.freeBytes).toBeGreaterThan(0);
    using lost = failing(device, () => tensor(device, new Array(1000).fill(1), [1000]));
    const consequence = await failure(() => relu(lost)); // the adapter has not answered yet
    expect(consequence.message).toBe('nothing was thrown');
    const error = await failure(() => device.sync());
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error.message).toMatch(/^device: the adapter ran out of memory.*smaller batch.*not enough/);
    expect(device.freeBytes).toBe(0);
    // A tensor without memory stays unusable; other tensors work, also of that size.
    expect(await failure(() => relu(lost))).toBeInstanceOf(OutOfMemoryError);
    expect(await failure(() => lost.data())).toBeInstanceOf(OutOfMemoryError);
    lost.dispose();
    using again = tensor(device, new Array(1000).fill(3), [1000]);
    using y = relu(again);
    expect([...(await y.data())].slice(0, 2)).toEqual([3, 3]);
  });

  test('a program whose memory ran out throws, and another one runs', async () => {
    using device = await open();
    using x = tensor(device, [1, -1], [2]);
    const program = failing(device, () => device.record(() => void relu(x)));
    expect(await failure(() => device.sync())).toBeInstanceOf(OutOfMemoryError);
    for (const run of [() => program.run(), () => program.encode(), () => program.runOnly(0)]) {
      expect(await failure(run)).toBeInstanceOf(OutOfMemoryError);
    }
    program.dispose();
    let y: Tensor | undefined;
    const other = device.record(() => {
      y = relu(x);
    });
    other.run();
    expect([...(await y!.data())]).toEqual([1, 0]);
    other.dispose();
  });

  test('a uniform that there was no memory for is created again', async () => {
    using device = await open();
    using x = tensor(device, [1, -1], [2]);
    const y = failing(device, () => relu(x), 'uniforms');
    expect(await failure(() => device.sync())).toBeInstanceOf(OutOfMemoryError);
    y.dispose();
    using z = relu(x);
    expect([...(await z.data())]).toEqual([1, 0]);
  });

  test('dispatch: throws GpuError for more workgroups than a dimension can have', async () => {
    const limit = shared.limits.maxComputeWorkgroupsPerDimension;
    const pipeline = shared.pipeline({ name: 'store', code: STORE_ONE });
    const error = await failure(() => shared.dispatch(pipeline, [], [1, limit + 1, 1]));
    expect(error).toBeInstanceOf(GpuError);
    expect(error.message).toBe(`store: 1 x ${limit + 1} x 1 workgroups, but a dimension holds at most ${limit}`);
  });
});

describeOnDevice('a disposed or lost device', () => {
  test('dispose: afterwards every call throws DisposedError; disposing again does nothing', async () => {
    const device = await openDevice();
    const x = tensor(device, [1], [1]);
    const program = device.record(() => relu(x));
    const reading = failure(() => x.data());
    device.dispose();
    device.dispose();
    expect(await reading).toBeInstanceOf(DisposedError);
    const attempts = [
      () => x.data(),
      () => device.sync(),
      () => relu(x),
      () => tensor(device, [1], [1]),
      () => device.pipeline({ name: 'store', code: STORE_ONE }),
      () => device.uniform(Uint32Array.of(1)),
      () => device.record(() => {}),
      () => device.flush(),
    ];
    for (const attempt of attempts) expect(await failure(attempt)).toBeInstanceOf(DisposedError);
    program.dispose();
    x.dispose();
  });

  test('a lost device: all waits and all later calls throw DeviceLostError', async () => {
    using device = await openDevice();
    const x = tensor(device, [1], [1]);
    const reading = failure(() => x.data());
    const waiting = failure(() => device.sync());
    device.gpu.destroy(); // as a driver reset does
    expect(await reading).toBeInstanceOf(DeviceLostError);
    expect(await waiting).toBeInstanceOf(DeviceLostError);
    for (const attempt of [() => x.data(), () => device.sync(), () => relu(x), () => tensor(device, [1], [1])]) {
      expect(await failure(attempt)).toBeInstanceOf(DeviceLostError);
    }
  });
});

describeOnDevice('recording', (device) => {
  const read = async (x: Tensor) => [...(await x.data())];

  test('a program runs the recorded dispatches on the current contents of its inputs', async () => {
    using x = tensor(device, [-1, 2], [2]);
    let y: Tensor | undefined;
    const program = device.record(() => {
      y = relu(x);
    });
    expect(program.dispatches).toBe(1);
    program.run();
    expect(await read(y!)).toEqual([0, 2]);
    device.upload(x.array.storage, Float32Array.of(3, -4));
    program.run();
    expect(await read(y!)).toEqual([3, 0]);
    program.dispose();
    program.dispose();
    expect(() => program.run()).toThrow(DisposedError);
  });

  test('a program throws if its arrays were disposed, because their buffers may be reused', async () => {
    const whole = tensor(device, [1, 2], [2]);
    const part = whole.array.storage.view(0, 4);
    const program = device.record(() => relu(whole).dispose());
    program.run();
    expect(part.released).toBe(false);
    whole.dispose();
    expect(part.released).toBe(true);
    expect(() => program.run()).toThrow(DisposedError);
    expect(() => program.run()).toThrow(/an array that it reads or writes was disposed/);
    program.dispose();
  });

  test('read-backs, uploads and programs throw inside a program; a new recording can start afterwards', async () => {
    using x = tensor(device, [1], [1]);
    const before = device.counters.bytesAllocated;
    expect(() => device.record(() => void x.data())).toThrow(GpuError);
    // Also if the error was caught, as in a promise.
    let reading: Promise<Error> | undefined;
    const caught = () => {
      reading = failure(() => x.data());
    };
    expect(() => device.record(caught)).toThrow(GpuError);
    expect(await reading).toBeInstanceOf(GpuError);
    expect(() => device.record(() => tensor(device, [1], [1]))).toThrow(GpuError);
    expect(() => device.record(() => device.record(() => {}))).toThrow(/nest/);
    expect(device.counters.bytesAllocated).toBe(before);
    using y = relu(x);
    expect(await read(y)).toEqual([1]);
  });

  test('buffers are shared within a program, and released with it', async () => {
    using x = tensor(device, new Array(1000).fill(1), [1000]);
    const before = device.counters.bytesAllocated;
    const program = device.record(() => {
      for (let k = 0; k < 10; k++) relu(x).dispose();
    });
    expect(program.bytes).toBe(4096);
    expect(device.counters.bytesAllocated).toBe(before + 4096);
    program.dispose();
    expect(device.counters.bytesAllocated).toBe(before);
  });

  test('a released buffer is reused by the next tensor of a similar size; releasing it twice throws', () => {
    const first = device.allocate(3000);
    const { buffer } = first;
    first.release();
    expect(() => first.release()).toThrow(DisposedError);
    expect(() => first.retain()).toThrow(DisposedError);
    const { buffersCreated } = device.counters;
    const second = device.allocate(2900);
    expect(second.buffer).toBe(buffer);
    expect(device.counters.buffersCreated).toBe(buffersCreated);
    second.release();
  });
});
