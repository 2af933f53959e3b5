import { vi } from 'vitest';
import type { Device } from '../../src/node.ts';

/** Kind of refusal: by WebGPU's rules (validation), or by the driver's compiler (internal). */
export type Refuser = 'validation' | 'internal';

/** Message of an internal error. */
export const DRIVER_SAYS = 'vkCreateComputePipelines failed with VK_ERROR_UNKNOWN';

/** A WebGPU error with this text; Deno's constructors ignore it. */
export const withMessage = <T extends GPUError>(error: T, message: string): T =>
  Object.defineProperty(error, 'message', { value: message });

/** Refuses pipelines with this label until it is disposed. */
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
      const error = withMessage(new GPUInternalError(DRIVER_SAYS), DRIVER_SAYS);
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

/** Requests 2^40 bytes in place of the requested buffer size until it is disposed, so that the buffer is refused. */
export function refuseBuffers({ gpu }: Device): Disposable {
  const make = gpu.createBuffer.bind(gpu);
  const spy = vi.spyOn(gpu, 'createBuffer').mockImplementation((descriptor) => {
    if (/^(params|uniforms)$/.test(descriptor.label ?? '')) return make(descriptor);
    const buffer = make({ ...descriptor, size: 2 ** 40 });
    return Object.defineProperty(buffer, 'size', { value: descriptor.size });
  });
  return { [Symbol.dispose]: () => spy.mockRestore() };
}

/** The error of a call, synchronous or asynchronous. */
export async function failure(attempt: () => unknown): Promise<Error> {
  try {
    await attempt();
  } catch (error) {
    return error as Error;
  }
  return new Error('nothing was thrown');
}
