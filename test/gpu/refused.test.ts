import { expect, test, vi } from 'vitest';
import {
  type Device,
  GpuError,
  mul,
  neg,
  OutOfMemoryError,
  openDevice,
  relu,
  ShaderError,
  sum,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import {
  DRIVER_SAYS,
  failure,
  type Refuser,
  refuseBuffers,
  refusePipelines,
  withMessage,
} from '../support/adapter-refusals.ts';
import { describeOnDevice } from '../support/device.ts';

const values = async (x: Tensor) => [...(await x.data())];

/** The result of `body` if all its pipelines are refused. */
function whileRefused<T>(device: Device, refuser: Refuser, body: () => T): T {
  using _ = refusePipelines(device, refuser);
  return body();
}

const SAYS: Record<Refuser, string> = { validation: 'nonesuch', internal: DRIVER_SAYS };

const mistake = (says: string) => withMessage(new GPUValidationError(says), says);

const refusers: Refuser[] = ['validation', 'internal'];

describeOnDevice('a pipeline that the adapter refuses', () => {
  test.each(refusers)(
    'the cause is thrown once, and again by each use of the kernel; other kernels work (%s error)',
    async (refuser) => {
      using device = await openDevice();
      using x = tensor(device, [1, -2], [2]);
      const y = whileRefused(device, refuser, () => relu(x));
      const error = await failure(() => device.sync());
      expect(error).toBeInstanceOf(ShaderError);
      expect(error.message).toMatch(/^shader \w+\.wgsl/);
      expect(error.message).toContain(SAYS[refuser]);
      using z = neg(x);
      expect(await values(z)).toEqual([-1, 2]);
      expect(await failure(() => relu(x))).toBe(error);
      expect(await failure(() => values(y))).toBe(error);
      expect(await values(x)).toEqual([1, -2]);
      await device.sync();
    },
  );

  test('results that depend on it throw until the adapter has answered; earlier and later ones do not', async () => {
    using device = await openDevice();
    using x = tensor(device, [1, -2], [2]);
    using before = neg(x);
    device.flush();
    const y = whileRefused(device, 'validation', () => relu(x));
    device.flush();
    const z = neg(y);
    const error = await failure(() => values(z));
    expect(error).toBeInstanceOf(ShaderError);
    for (const lost of [y, z]) expect(await failure(() => values(lost))).toBe(error);
    expect(await failure(() => mul(before, z))).toBe(error);
    expect(await values(before)).toEqual([-1, 2]);
    using after = mul(before, before);
    expect(await values(after)).toEqual([1, 4]);
  });

  // The whole submit is dropped with both reads, but the cause can be thrown by only one of them.
  test('two concurrent reads both throw if the contents were not computed', async () => {
    using device = await openDevice();
    using x = tensor(device, [1, -2], [2]);
    await device.sync();
    using other = neg(x);
    const y = whileRefused(device, 'validation', () => relu(x));
    const [first, second, third] = await Promise.allSettled([values(y), values(other), values(x)]);
    expect(first).toMatchObject({ status: 'rejected', reason: expect.any(ShaderError) });
    expect(second).toMatchObject({ status: 'rejected', reason: expect.any(ShaderError) });
    expect(third.status === 'rejected' || `${third.value}` === '1,-2').toBe(true);
    expect(await values(x)).toEqual([1, -2]);
  });

  test.each(refusers)(
    'a program with it throws the cause in every run; other programs do not (%s error)',
    async (refuser) => {
      using device = await openDevice();
      using x = tensor(device, [1, -2], [2]);
      const program = whileRefused(device, refuser, () => device.record(() => void relu(x)));
      program.run(); // the adapter has not answered yet
      const error = await failure(() => device.sync());
      expect(error).toBeInstanceOf(ShaderError);
      expect(error.message).toContain(SAYS[refuser]);
      for (const run of [() => program.run(), () => program.encode(), () => program.runOnly(0)]) {
        expect(await failure(run)).toBe(error);
      }
      program.dispose();
      let y: Tensor | undefined;
      const other = device.record(() => {
        y = neg(x);
      });
      other.run();
      expect(await values(y!)).toEqual([-1, 2]);
      other.dispose();
    },
  );

  test('a program whose first run shared a submit with it computes its arrays in the next run', async () => {
    using device = await openDevice();
    using x = tensor(device, [1, -2], [2]);
    let y: Tensor | undefined;
    const program = device.record(() => {
      y = neg(x);
    });
    await device.sync();
    program.encode();
    whileRefused(device, 'validation', () => relu(x));
    const error = await failure(() => values(y!));
    expect(error).toBeInstanceOf(ShaderError);
    expect(await failure(() => values(y!))).toBe(error);
    program.run();
    expect(await values(y!)).toEqual([-1, 2]);
    program.dispose();
  });

  test('errors that follow from it do not hide the cause, with the messages of other implementations', async () => {
    using device = await openDevice();
    using x = tensor(device, [1, -2], [2]);
    whileRefused(device, 'internal', () => relu(x));
    const error = mistake("BindGroupLayout with '' label is invalid"); // wgpu
    device.gpu.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error }));
    expect(await failure(() => device.sync())).toBeInstanceOf(ShaderError);
    await device.sync();
  });

  test('errors that follow from it and are reported later do not replace the cause', async () => {
    using device = await openDevice();
    const { gpu } = device;
    using x = tensor(device, [1, -2], [2]);
    await device.sync();
    const answered = vi.spyOn(gpu, 'popErrorScope').mockImplementation(async () => {
      const answer = await GPUDevice.prototype.popErrorScope.call(gpu);
      const error = mistake("BindGroupLayout with '' label is invalid");
      // As wgpu does in Deno.
      setTimeout(() => gpu.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error })));
      return answer;
    });
    device.pipeline({ name: 'broken', code: 'fn main( {' });
    expect(await failure(() => device.sync())).toBeInstanceOf(ShaderError);
    answered.mockRestore();
    await device.sync();
    using y = neg(x);
    expect(await values(y)).toEqual([-1, 2]);
  });

  test('a validation error that comes later, or without a refusal, is thrown as its own error', async () => {
    using device = await openDevice();
    using x = tensor(device, [1, -2], [2]);
    whileRefused(device, 'validation', () => relu(x));
    expect(await failure(() => device.sync())).toBeInstanceOf(ShaderError);
    await device.sync();
    using y = neg(x);
    const { pipeline } = device.record(() => neg(x).dispose()).commands[0]!;
    device.dispatch(pipeline, [y.array.storage], [1, 1, 1]);
    const error = await failure(() => device.sync());
    expect(error).toBeInstanceOf(GpuError);
    expect(error).not.toBeInstanceOf(OutOfMemoryError);
    expect(await failure(() => device.allocate(16))).toBe(error);
  });
});

/** Number of elements for 2 MiB, for which a driver allocates a separate block. */
const LARGE = 2 ** 19;

describeOnDevice('a buffer that the adapter refuses', () => {
  test('the error is thrown once; a small tensor works afterwards', async () => {
    using device = await openDevice();
    const lost = (() => {
      using _ = refuseBuffers(device);
      return tensor(device, new Float32Array(LARGE).fill(1), [LARGE]);
    })();
    relu(lost);
    const error = await failure(() => device.sync());
    expect(error).toBeInstanceOf(OutOfMemoryError);
    using small = tensor(device, [1, -2], [2]);
    using y = relu(small);
    expect(await values(y)).toEqual([1, 0]);
    expect(await failure(() => values(lost))).toBeInstanceOf(OutOfMemoryError);
    expect(await failure(() => relu(lost))).toBeInstanceOf(OutOfMemoryError);
    await device.sync();
  });

  test('results that depend on it throw', async () => {
    using device = await openDevice();
    using large = tensor(device, new Float32Array(LARGE).fill(-1), [LARGE]);
    using small = tensor(device, [1, -2], [2]);
    const y = (() => {
      using _ = refuseBuffers(device);
      return relu(large);
    })();
    const z = sum(y);
    const [first, second, third] = await Promise.allSettled([values(z), values(y), values(small)]);
    for (const one of [first, second]) {
      expect(one).toMatchObject({ status: 'rejected', reason: expect.any(OutOfMemoryError) });
    }
    expect(third.status === 'rejected' || `${third.value}` === '1,-2').toBe(true);
    for (const lost of [y, z]) expect(await failure(() => values(lost))).toBeInstanceOf(OutOfMemoryError);
    expect(await values(small)).toEqual([1, -2]);
  });
});

describeOnDevice('an error that no call threw', () => {
  const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
  /** Arguments of `console.error` when the device is disposed after `body`. */
  const printedAfter = async (body: (device: Device) => unknown) => {
    printed.mockClear();
    const device = await openDevice();
    await body(device);
    device.dispose();
    device.dispose();
    return printed.mock.calls.map(String);
  };
  const report = (device: Device, error: GPUError) =>
    device.gpu.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error }));

  test('is printed once when the device is disposed', async () => {
    const refuse = async (device: Device) => {
      using x = tensor(device, [1], [1]);
      whileRefused(device, 'validation', () => relu(x));
      await device.idle();
      await new Promise((resolve) => setTimeout(resolve, 20));
    };
    const says = /^tilegrad: the device was disposed before a call could throw ShaderError: shader \w+\.wgsl/;
    expect(await printedAfter(refuse)).toEqual([expect.stringMatching(says)]);
    const thrown = await printedAfter(async (device) => {
      await refuse(device);
      expect(await failure(() => device.sync())).toBeInstanceOf(ShaderError);
    });
    expect(thrown).toEqual([]);
    const uncaptured = await printedAfter((device) => report(device, mistake('mistake')));
    expect(uncaptured).toEqual([expect.stringContaining('GpuError: mistake')]);
    const known = await printedAfter(async (device) => {
      report(device, mistake('mistake'));
      await failure(() => device.sync());
    });
    expect(known).toEqual([]);
    expect(await printedAfter((device) => device.gpu.destroy())).toEqual([]);
  });
});

describeOnDevice('error scopes of new pipelines and buffers', () => {
  test('are not opened by a recorded step', async () => {
    using device = await openDevice();
    using x = tensor(device, [1, -2], [2]);
    let y: Tensor | undefined;
    const program = device.record(() => {
      y = neg(relu(x));
    });
    program.run();
    await y!.data();
    const spies = [vi.spyOn(device.gpu, 'pushErrorScope'), vi.spyOn(device.gpu, 'popErrorScope')];
    for (let i = 0; i < 3; i++) program.run();
    await device.sync();
    expect(await values(y!)).toEqual([-1, -0]);
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
    program.dispose();
  });
});
