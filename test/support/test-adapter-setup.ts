import { parentPort } from 'node:worker_threads';
import { vi } from 'vitest';
import type * as dawn from '../../src/gpu/dawn.ts';
import { parseTraits, testGpu } from './test-adapters.ts';

// A setup file of vitest: `openDevice` of the tests opens the adapter that TILEGRAD_TEST_ADAPTER describes, and in Deno the
// adapter of wgpu. Used where vitest.config.ts says so; elsewhere `openDevice` opens Dawn.

const traits = parseTraits(process.env.TILEGRAD_TEST_ADAPTER ?? '');

vi.mock('../../src/gpu/dawn.ts', async (importOriginal) => {
  const original = await importOriginal<typeof dawn>();
  /** Options that are refused, or that name an implementation, go to `openDevice` as they are. */
  const leavesAdapterOpen = (options: object): boolean =>
    Object.prototype.toString.call(options) === '[object Object]' &&
    ['gpu', 'flags', 'fineTimestamps'].every((name) => !Object.hasOwn(options, name));
  const openDevice: typeof dawn.openDevice = async (options = {}) => {
    if (!leavesAdapterOpen(options)) return original.openDevice(options);
    const device = await original.openDevice({ ...options, gpu: await testGpu(traits) });
    // It still compiles on the CPU. conv2d-gemm-tiled.test.ts runs the unrolled kernels.
    if (traits.includes('card')) device.unrollsLoops = false;
    return device;
  };
  return { ...original, openDevice };
});

// Deno's port throws "Not implemented" here, which vitest calls when a file is done.
if (parentPort && process.versions.deno) parentPort.removeAllListeners = () => parentPort!;
