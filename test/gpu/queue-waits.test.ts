import { expect, test } from 'vitest';
import { QueueWaits } from '../../src/gpu/queue-waits.ts';
import { atTicks, type Lateness, late, SimulatedQueue } from '../support/simulated-queue.ts';

const firefox: Lateness = { ...atTicks(103.4), looksAtSubmit: true };

/** Runs `body` with measured waits on a simulated queue. */
async function withWaits(lateness: Lateness, body: (gpu: SimulatedQueue, waits: QueueWaits) => Promise<void>) {
  const gpu = new SimulatedQueue(lateness);
  gpu.compute(37); // a timer began some time before
  const waits = new QueueWaits(gpu.queue, null, gpu.timers);
  await gpu.run(async () => {
    await waits.measure();
    gpu.counts.emptySubmits = 0;
    await body(gpu, waits);
  });
}

/** Milliseconds that waiting for `ms` milliseconds of work takes. */
async function waitFor(gpu: SimulatedQueue, waits: QueueWaits, ms: number): Promise<number> {
  const start = gpu.clock;
  gpu.encode(ms);
  gpu.queue.submit([]);
  await waits.until(waits.fence());
  return gpu.clock - start;
}

test.each<[string, Lateness, number]>([
  ['prompt', late(0.05), 0.05],
  ['0.5 ms late', late(0.5), 0.5],
  ['10 ms late', late(10), 10],
  ['at ticks', atTicks(103.4), 103.4],
  ['10 ms late after blocking', { ...late(10), blocks: true }, 10],
])('the latency of waits that end %s is measured, and no submit is made if it would not help', async (_, l, ms) => {
  await withWaits(l, async (gpu, waits) => {
    expect(waits.latencyMs).toBeCloseTo(ms, 6);
    await waitFor(gpu, waits, 50);
    expect(gpu.counts.emptySubmits).toBe(0);
  });
});

test('waits: are shortened by submits if the implementation checks at submits, which end with the last wait', async () => {
  await withWaits(firefox, async (gpu, waits) => {
    expect(waits.latencyMs).toBeLessThan(5);
    for (const ms of [0.1, 3, 30, 77]) expect(await waitFor(gpu, waits, ms)).toBeLessThan(ms + 5);
    const { emptySubmits } = gpu.counts;
    expect(emptySubmits).toBeLessThanOrEqual(4 + (0.1 + 3 + 30 + 77) / 4);
    await gpu.sleep(500);
    expect(gpu.counts.emptySubmits).toBe(emptySubmits);
  });
});

test('waits: several share the submits, which continue until the longest ends', async () => {
  await withWaits(firefox, async (gpu, waits) => {
    const ends = await Promise.all(
      [10, 20, 30].map(async (ms) => {
        await waitFor(gpu, waits, ms);
        return gpu.clock;
      }),
    );
    const start = gpu.busyUntil - 60;
    for (const [i, ms] of [10, 30, 60].entries()) expect(ends[i]! - start).toBeLessThan(ms + 5);
    expect(gpu.counts.emptySubmits).toBeLessThanOrEqual(60 / 4 + 2);
  });
});

test('waits: if a promise rejects, the submits end, and the wait rejects', async () => {
  await withWaits(firefox, async (gpu, waits) => {
    const failing = gpu.sleep(20).then(() => Promise.reject(new Error('lost')));
    await expect(waits.until(failing)).rejects.toThrow('lost');
    const { emptySubmits } = gpu.counts;
    expect(emptySubmits).toBeGreaterThan(2);
    await gpu.sleep(100);
    expect(gpu.counts.emptySubmits).toBe(emptySubmits);
  });
});

test('waits: with a custom wait, nothing is measured or submitted', async () => {
  const gpu = new SimulatedQueue(firefox);
  let waited = 0;
  const wait = <T>(promise: Promise<T>) => {
    waited++;
    return promise;
  };
  const waits = new QueueWaits(gpu.queue, wait, gpu.timers);
  await gpu.run(async () => {
    await waits.measure();
    expect(waits.latencyMs).toBe(0);
    expect(gpu.counts).toEqual({ submits: 0, emptySubmits: 0, fences: 0 });
    await waits.until(waits.fence());
    await waits.until(waits.fence(), true);
  });
  expect(waited).toBe(1); // not for the one awake
  expect(gpu.counts.emptySubmits).toBe(0);
});

test('fence: may be rejected without an unhandled rejection if it is not awaited', async () => {
  const queue = {
    submit: () => undefined,
    onSubmittedWorkDone: () => Promise.reject(new Error('lost')),
  };
  const waits = new QueueWaits(queue);
  const fence = waits.fence();
  await new Promise((resolve) => setTimeout(resolve, 5)); // an unhandled rejection would fail the test
  await expect(waits.until(fence)).rejects.toThrow('lost');
});
