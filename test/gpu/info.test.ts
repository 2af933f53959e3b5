import { expect, test } from 'vitest';
import { describeAdapter } from '../../src/gpu/info.ts';

const describeInfo = (info: object) =>
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
    what: 'a browser that reports only the architecture',
    info: { vendor: 'apple', architecture: 'metal-3' },
    expected: { name: 'apple metal-3', driver: '', isSoftware: false },
  },
  { what: 'nothing at all', info: {}, expected: { name: 'unnamed adapter', driver: '', isSoftware: false } },
  {
    what: 'a fallback adapter of any name',
    info: { vendor: 'someone', isFallbackAdapter: true },
    expected: { name: 'someone', driver: '', isSoftware: true },
  },
])('describeAdapter: describes $what', ({ info, expected }) => {
  expect(describeInfo(info)).toMatchObject(expected);
  expect(describeInfo(info)).toMatchObject({ features: ['shader-f16', 'subgroups'], limits: { maxBufferSize: 1024 } });
});

test.each([
  ['4318', 'nvidia'],
  ['4098', 'amd'],
  ['32902', 'intel'],
  ['5045', 'arm'],
  ['20803', 'qualcomm'],
  ['4203', 'apple'],
  ['0x10de', 'nvidia'],
  ['65541', 'mesa'],
  ['12345', ''],
])('describeAdapter: vendor %s of wgpu is %j; a numeric device id is not a name', (vendor, expected) => {
  const info = describeInfo({ vendor, device: '0' });
  expect([info.vendor, info.name]).toEqual([expected, expected || 'unnamed adapter']);
  const named = describeInfo({ vendor, device: '8709', description: 'NVIDIA H200' });
  expect(named).toMatchObject({ name: 'NVIDIA H200', driver: '', isSoftware: false });
});

test('describeAdapter: lavapipe as wgpu describes it', () => {
  const info = { vendor: '65541', device: '0', description: 'llvmpipe (LLVM 15.0.6, 256 bits)' };
  expect(describeInfo(info)).toMatchObject({
    ...{ name: 'llvmpipe', vendor: 'mesa', driver: 'LLVM 15.0.6, 256 bits', isSoftware: true },
  });
});

test('describeAdapter: an adapter without a description', () => {
  const adapter = { features: new Set(), limits: {} } as unknown as GPUAdapter;
  const nothing = { name: 'unnamed adapter', vendor: '', architecture: '', driver: '', isSoftware: false };
  expect(describeAdapter(adapter)).toEqual({ ...nothing, features: [], limits: {} });
  expect(describeAdapter({ ...adapter, info: {} } as unknown as GPUAdapter)).toMatchObject(nothing);
});
