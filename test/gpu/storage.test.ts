import { afterEach, expect, test, vi } from 'vitest';
import type { Counters } from '../../src/gpu/info.ts';
import { BufferPool, bucketBytes } from '../../src/gpu/storage.ts';

afterEach(() => vi.unstubAllGlobals());

test('buckets waste an eighth at most, and few sizes have one of their own', () => {
  const sizes = Array.from({ length: 4000 }, (_, i) => 4 * (i + 1) ** 2);
  for (const bytes of sizes) {
    const bucket = bucketBytes(bytes);
    expect(bucket).toBeGreaterThanOrEqual(bytes);
    expect(bucket).toBeLessThanOrEqual(Math.max(1.125 * bytes, bytes + 255));
    expect(bucketBytes(bucket)).toBe(bucket);
  }
  expect(new Set(sizes.map(bucketBytes)).size).toBeLessThan(200);
});

test('no bucket is larger than the largest buffer of the device', () => {
  vi.stubGlobal('GPUBufferUsage', { STORAGE: 128, COPY_SRC: 4, COPY_DST: 8 });
  const made: number[] = [];
  const gpu = {
    limits: { maxBufferSize: 1_000_000 },
    createBuffer({ size }: { size: number }) {
      made.push(size);
      return { size, destroy() {} };
    },
  };
  const pool = new BufferPool(gpu as unknown as GPUDevice, {} as Counters, 'test');
  pool.acquire(999_996).release();
  pool.acquire(1_000_000).release();
  expect(made).toEqual([1_000_000]);
  pool.dispose();
});
