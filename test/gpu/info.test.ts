import { expect, test } from 'vitest';
import { describeAdapter } from '../../src/gpu/info.ts';

const described = (info: object) =>
  describeAdapter({
    info: { vendor: '', architecture: '', device: '', description: '', isFallbackAdapter: false, ...info },
    features: new Set(['subgroups', 'shader-f16']),
    limits: { maxBufferSize: 1024 },
  } as unknown as GPUAdapter);

test.each([
  {
    what: 'a software renderer',
    info: {
      vendor: 'mesa',
      device: 'llvmpipe-llvm-15-0-6-256-bits-',
      description: 'llvmpipe: Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1',
    },
    expected: { name: 'llvmpipe', driver: 'Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1', isSoftware: true },
  },
  {
    what: 'a card',
    info: { vendor: 'nvidia', device: 'nvidia-h200', description: 'NVIDIA: 550.54.15 550.54.15.0' },
    expected: { name: 'nvidia-h200', driver: 'NVIDIA: 550.54.15 550.54.15.0', isSoftware: false },
  },
  {
    what: 'a browser that tells only the family',
    info: { vendor: 'apple', architecture: 'metal-3' },
    expected: { name: 'apple metal-3', driver: '', isSoftware: false },
  },
  { what: 'nothing at all', info: {}, expected: { name: 'unnamed adapter', driver: '', isSoftware: false } },
  {
    what: 'a fallback adapter of any name',
    info: { vendor: 'someone', isFallbackAdapter: true },
    expected: { name: 'someone', driver: '', isSoftware: true },
  },
])('the description of $what', ({ info, expected }) => {
  expect(described(info)).toMatchObject(expected);
  expect(described(info)).toMatchObject({ features: ['shader-f16', 'subgroups'], limits: { maxBufferSize: 1024 } });
});
