import { vi } from 'vitest';
import type { Device } from '../../src/node.ts';

/** Who refuses a pipeline: WebGPU's own rules, or the driver's compiler, which is an internal error. */
export type Refuser = 'validation' | 'internal';

/** What an internal error says here. */
export const DRIVER_SAYS = 'vkCreateComputePipelines failed with VK_ERROR_UNKNOWN';

/** An error of WebGPU with that text, which Deno's constructors do not take. */
export const saying = <T extends GPUError>(error: T, message: string): T =>
  Object.defineProperty(error, 'message', { value: message });

/** Refuses pipelines with such a label, until it is disposed. */
export function refusePipelines(
  { gpu }: Device,
  refuser: Refuser,
  isRefused: (label: string) => boolean = () => true,
): Disposable {
  const { pushErrorScope, popErrorScope } = GPUDevice.prototype;
  const make = gpu.createComputePipeline.bind(gpu);
  const scopes: { filter: string; error: GPUError | null }[] = [];
  const invalid = (descriptor: GPUComputePipelineDescriptor) =>
    make({ ...descriptor, compute: { ...descriptor.compute, entryPoint: 'nonesuch' } });
  const spies = [
    vi.spyOn(gpu, 'pushErrorScope').mockImplementation((filter) => {
      scopes.push({ filter, error: null });
      pushErrorScope.call(gpu, filter);
    }),
    vi.spyOn(gpu, 'popErrorScope').mockImplementation(async () => {
      const scope = scopes.pop();
      const error = await popErrorScope.call(gpu);
      return scope?.error ?? error;
    }),
    vi.spyOn(gpu, 'createComputePipeline').mockImplementation((descriptor) => {
      if (!isRefused(descriptor.label ?? '')) return make(descriptor);
      if (refuser === 'validation') return invalid(descriptor);
      pushErrorScope.call(gpu, 'validation');
      const pipeline = invalid(descriptor);
      void popErrorScope.call(gpu);
      const error = saying(new GPUInternalError(DRIVER_SAYS), DRIVER_SAYS);
      const scope = scopes.findLast(({ filter }) => filter === 'internal');
      if (scope) scope.error ??= error;
      else gpu.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error }));
      return pipeline;
    }),
  ];
  return {
    [Symbol.dispose]() {
      for (const spy of spies) spy.mockRestore();
    },
  };
}

/** Asks for 2^40 bytes instead of what is asked for, of which the caller hears nothing but the refusal, until it is disposed. */
export function refuseBuffers({ gpu }: Device): Disposable {
  const make = gpu.createBuffer.bind(gpu);
  const spy = vi.spyOn(gpu, 'createBuffer').mockImplementation((descriptor) => {
    if (/^(params|uniforms)$/.test(descriptor.label ?? '')) return make(descriptor);
    const buffer = make({ ...descriptor, size: 2 ** 40 });
    return Object.defineProperty(buffer, 'size', { value: descriptor.size });
  });
  return { [Symbol.dispose]: () => spy.mockRestore() };
}

/** What a call ends with, now or later. */
export async function failure(attempt: () => unknown): Promise<Error> {
  try {
    await attempt();
  } catch (error) {
    return error as Error;
  }
  return new Error('nothing was thrown');
}
