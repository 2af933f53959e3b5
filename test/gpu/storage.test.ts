import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Answers } from '../../src/gpu/answers.ts';
import type { Counters } from '../../src/gpu/info.ts';
import { Memory } from '../../src/gpu/memory.ts';
import { BufferPool, bucketBytes, DEFAULT_KEEP_BYTES } from '../../src/gpu/storage.ts';

beforeEach(() => vi.stubGlobal('GPUBufferUsage', { STORAGE: 128, COPY_SRC: 4, COPY_DST: 8, MAP_READ: 1 }));
afterEach(() => vi.unstubAllGlobals());

const MIB = 2 ** 20;

/** A pool on a device that records its requests. */
function createPool({
  maxBufferSize = 2 ** 31,
  keepBytes,
  recorded = false,
}: {
  maxBufferSize?: number;
  keepBytes?: number;
  recorded?: boolean;
} = {}) {
  const made: number[] = [];
  const destroyed: number[] = [];
  const gpu = {
    pushErrorScope() {},
    popErrorScope: () => Promise.resolve(null),
    createBuffer({ size }: { size: number }) {
      made.push(size);
      return { size, destroy: () => void destroyed.push(size) };
    },
    queue: { submit() {}, onSubmittedWorkDone: () => Promise.resolve() },
  } as unknown as GPUDevice;
  const counters = { buffersCreated: 0, bytesAllocated: 0 } as Counters;
  const memory = new Memory(
    gpu,
    counters,
    null,
    () => {},
    { answers: new Answers(), refuse() {} },
    (promise) => promise,
  );
  const commands = {
    hasPending: false,
    flushes: 0,
    flush() {
      this.flushes++;
      this.hasPending = false;
      pool.trim();
    },
  };
  const options = { commands: recorded ? null : commands, counters, keepBytes };
  const pool = new BufferPool(memory, 'test', maxBufferSize, options);
  return { pool, made, destroyed, counters, commands };
}

test('bucketBytes: wastes at most an eighth, with few buckets', () => {
  const sizes = Array.from({ length: 4000 }, (_, i) => 4 * (i + 1) ** 2);
  for (const bytes of sizes) {
    const bucket = bucketBytes(bytes);
    expect(bucket).toBeGreaterThanOrEqual(bytes);
    expect(bucket).toBeLessThanOrEqual(Math.max(1.125 * bytes, bytes + 255));
    expect(bucketBytes(bucket)).toBe(bucket);
  }
  expect(new Set(sizes.map(bucketBytes)).size).toBeLessThan(200);
});

test('BufferPool: no buffer exceeds the limit of the device', () => {
  const { pool, made } = createPool({ maxBufferSize: 1_000_000 });
  pool.acquire(999_996).release();
  pool.acquire(1_000_000).release();
  expect(made).toEqual([1_000_000]);
  pool.dispose();
});

test('BufferPool of a recorded program: reuses the smallest free buffer of up to 8 times the size, another pool one of the exact size', () => {
  for (const recorded of [true, false]) {
    const { pool, made } = createPool({ recorded });
    const held = [4096, 16_384, 65_536].map((bytes) => pool.acquire(bytes));
    for (const storage of held) storage.release();
    const reused = pool.acquire(5000);
    const second = pool.acquire(5000);
    expect(reused.bytes).toBe(5000);
    expect(reused.buffer.size).toBe(recorded ? 16_384 : 5120);
    expect(second.buffer.size).toBe(5120); // 65,536 is more than 8 times as large
    expect(made).toEqual([4096, 16_384, 65_536, ...(recorded ? [5120] : [5120, 5120])]);
    reused.release();
    expect(pool.acquire(16_384).buffer.size).toBe(16_384);
    pool.dispose();
  }
});

test('BufferPool: evicts the least recently used sizes first', () => {
  const { pool, destroyed, counters } = createPool({ keepBytes: 10 * MIB });
  const all = [4, 3, 2, 5].map((mib) => pool.acquire(mib * MIB));
  for (const storage of all) storage.release();
  expect(destroyed).toEqual([4 * MIB]);
  pool.acquire(3 * MIB).release(); // now used last
  expect(pool.freeBytes).toBe(10 * MIB);
  pool.acquire(2.5 * MIB).release();
  expect(destroyed).toEqual([4 * MIB, 2 * MIB, 5 * MIB]);
  expect([pool.freeBytes, pool.bytes, counters.bytesAllocated]).toEqual([5.5 * MIB, 5.5 * MIB, 5.5 * MIB]);
  pool.dispose();
  expect([pool.freeBytes, pool.bytes, counters.bytesAllocated]).toEqual([0, 0, 0]);
});

test('BufferPool: destroys nothing while commands are pending', () => {
  const { pool, destroyed, commands } = createPool({ keepBytes: 4 * MIB });
  commands.hasPending = true;
  pool.acquire(8 * MIB).release();
  expect(destroyed).toEqual([]);
  pool.acquire(8 * MIB).release(); // it is still there
  expect(commands.flushes).toBe(0);
  pool.acquire(2 * MIB); // the free buffers exceed the limit, so some are destroyed before another is created
  expect(commands.flushes).toBe(1);
  expect(destroyed).toEqual([8 * MIB]);
});

test('BufferPool: a loop that needs more than the limit creates nothing after a few rounds', () => {
  const { pool, made } = createPool();
  const sizes = [100, 150, 200, 250].map((mib) => mib * MIB);
  const round = () => {
    for (const storage of sizes.map((size) => pool.acquire(size))) storage.release();
  };
  for (let i = 0; i < 4; i++) round();
  const before = made.length;
  for (let i = 0; i < 5; i++) round();
  expect(made.length).toBe(before);
  expect(pool.bytes).toBeLessThan(1.13 * 700 * MIB);
});

test('BufferPool: repeated sweeps over sizes hold at most the largest size and the limit', () => {
  const { pool } = createPool();
  let peak = 0;
  for (let round = 0; round < 5; round++) {
    for (let mib = 50; mib < 250; mib += 5) {
      const storage = pool.acquire(mib * MIB);
      peak = Math.max(peak, pool.bytes);
      storage.release();
    }
  }
  expect(peak).toBeLessThanOrEqual(256 * MIB + DEFAULT_KEEP_BYTES);
});

test('BufferPool: many buffers used at once are destroyed after all of them are released', () => {
  const { pool } = createPool();
  const all = Array.from({ length: 40 }, (_, i) => pool.acquire((200 + i) * MIB));
  expect(pool.bytes).toBeGreaterThan(8000 * MIB);
  for (const storage of all) storage.release();
  expect(pool.bytes).toBeLessThanOrEqual(DEFAULT_KEEP_BYTES);
  pool.drop();
  expect(pool.bytes).toBe(0);
});

test('trimUnused: destroys free buffers of sizes that were not released for a while, and does not raise the limit', () => {
  const { pool, made, destroyed } = createPool({ keepBytes: 100 * MIB });
  const now = vi.spyOn(performance, 'now');
  const releaseAt = (time: number, ...mib: number[]) => {
    now.mockReturnValue(time);
    for (const storage of mib.map((n) => pool.acquire(n * MIB))) storage.release();
  };
  releaseAt(1000, 1, 2, 2, 3);
  releaseAt(2000, 2);
  const held = pool.acquire(3 * MIB);
  pool.trimUnused(1000);
  expect(destroyed).toEqual([]);
  pool.trimUnused(1001);
  expect(destroyed).toEqual([MIB]);
  expect([pool.freeBytes, pool.bytes]).toEqual([4 * MIB, 7 * MIB]);
  releaseAt(3000, 1);
  pool.trimUnused(2001);
  expect(destroyed).toEqual([MIB, 2 * MIB, 2 * MIB]);
  held.release();
  expect(made.length).toBe(5);
  expect(pool.freeBytes).toBe(4 * MIB);
  now.mockRestore();
});
