import { expect, test } from 'vitest';
import { QueueWaits } from '../../src/gpu/queue-waits.ts';
import type { Device } from '../../src/node.ts';
import { Throttle, type ThrottleDevice } from '../../src/training/throttle.ts';
import { atTicks, type Lateness, late, SimulatedQueue } from '../support/simulated-queue.ts';

const PROMPT = late(0.01);
/** Firefox, which checks for finished work at empty submits (bug 1870699). */
const LOOKS_AT_SUBMIT: Lateness = { ...atTicks(103.4), looksAtSubmit: true };
/** Deno 2.9, which blocks until the GPU is done, and reports it 10 ms later. */
const BLOCKS: Lateness = { ...late(10), blocks: true };

/** A throttle with a simulated GPU, which takes the given time for each step. */
class Machine {
  readonly gpu: SimulatedQueue;
  readonly log = { awake: 0, asleep: 0, waits: 0, mostQueued: 0, longestAhead: 0 };
  readonly rates: number[] = [];
  steps = 0;
  private queued = 0;
  private readonly waits: QueueWaits;
  private throttle!: Throttle;

  constructor(
    private readonly stepMs: (step: number) => number,
    private readonly options: { lateness?: Lateness; kernels?: number; encodeMs?: number } = {},
  ) {
    this.gpu = new SimulatedQueue(options.lateness ?? PROMPT);
    this.waits = new QueueWaits(this.gpu.queue, null, this.gpu.timers);
  }

  /** Opens the device, and then runs `body`. */
  run(body: () => Promise<void>): Promise<void> {
    return this.gpu.run(async () => {
      await this.waits.measure();
      this.throttle = new Throttle({} as Device, this.waiting());
      await body();
    });
  }

  /** Encodes steps. @returns after how many steps it waited, and how many could be unfinished then */
  async train(
    steps: number,
    report: (step: number) => boolean = () => false,
  ): Promise<{ waited: number; left: number }[]> {
    const found: { waited: number; left: number }[] = [];
    const { gpu, log } = this;
    for (let i = 0; i < steps; i++) {
      gpu.compute(this.options.encodeMs ?? 0.05);
      gpu.encode(this.stepMs(this.steps++));
      this.queued++;
      log.mostQueued = Math.max(log.mostQueued, this.queued);
      if (!(await this.throttle.afterStep(report(i)))) continue;
      this.queued = this.throttle.pendingSteps;
      found.push({ waited: this.steps, left: this.queued });
    }
    return found;
  }

  async endPass(): Promise<void> {
    await this.throttle.afterPass();
    this.queued = 0;
  }

  /** Milliseconds for each step, from an idle GPU to an idle GPU. */
  async measure(steps: number): Promise<number> {
    const { gpu } = this;
    await this.endPass();
    const start = Math.max(gpu.clock, gpu.busyUntil);
    await this.train(steps);
    await this.endPass();
    return (Math.max(gpu.clock, gpu.busyUntil) - start) / steps;
  }

  private waiting(): ThrottleDevice {
    const { gpu, log, waits, options } = this;
    return {
      ...gpu.timers,
      dispatches: () => this.steps * (options.kernels ?? 20),
      submit: () => gpu.hasEncoded && gpu.queue.submit([]),
      fence: () => {
        expect(gpu.hasEncoded).toBe(false); // otherwise it would not be awaited
        return waits.fence();
      },
      wait: async (fence, awake) => {
        const start = gpu.clock;
        log.longestAhead = Math.max(log.longestAhead, gpu.busyUntil - start);
        await waits.until(fence, awake);
        log[awake ? 'awake' : 'asleep'] += gpu.clock - start;
        log.waits++;
      },
      latency: () => waits.latencyMs,
      measureLatency: () => waits.measure(),
      submittedCost: () => 1000 * gpu.worked,
      noteRate: (cost, milliseconds) => this.rates.push(cost / milliseconds),
    };
  }
}

test('busy wait: for steps of small kernels', async () => {
  const machine = new Machine(() => 3, { kernels: 25 });
  await machine.run(async () => void (await machine.train(500)));
  expect(machine.log.asleep).toBeLessThan(10); // until the time of a step is known
  expect(machine.log.awake).toBeGreaterThan(1000);
  expect(machine.log.mostQueued).toBeGreaterThan(10);
});

test('busy wait: not for short steps of few large kernels', async () => {
  const machine = new Machine(() => 3, { kernels: 10 });
  await machine.run(async () => void (await machine.train(500)));
  expect(machine.log.awake).toBe(0);
});

test('the end of a pass is awaited in the same way', async () => {
  const machine = new Machine(() => 3, { kernels: 25 });
  const { gpu, log } = machine;
  await machine.run(async () => {
    await machine.train(503);
    const before = { ...log };
    expect(gpu.busyUntil).toBeGreaterThan(gpu.clock);
    await machine.endPass();
    expect(gpu.busyUntil).toBeLessThanOrEqual(gpu.clock);
    expect(log.asleep).toBe(before.asleep);
    expect(log.awake).toBeGreaterThan(before.awake);
    const { waits } = log;
    await machine.endPass();
    expect(log.waits).toBe(waits);
  });
});

test.each([
  [0.3, 6],
  [0.9, 2],
  [1.9, 1],
  [50, 1],
])('steps of %f ms: about %i in a submit', async (ms, together) => {
  const machine = new Machine(() => ms);
  await machine.run(async () => {
    await machine.train(200); // until the time of a step is known
    const [steps, { submits }] = [machine.steps, { ...machine.gpu.counts }];
    await machine.train(1200);
    const each = (machine.steps - steps) / (machine.gpu.counts.submits - submits);
    expect(each).toBeGreaterThan(together - 0.5);
    expect(each).toBeLessThanOrEqual(together);
  });
});

test.each([
  ['steps of a small convolutional network', 12],
  ['steps of LeNet', 50],
  ['steps longer than a burst', 900],
])('%s: waits asleep, and the GPU is hardly ever idle', async (_what, ms) => {
  const machine = new Machine((step) => (step === 0 ? 2000 + ms : ms)); // the first step compiles
  await machine.run(async () => {
    await machine.train(20);
    expect(await machine.measure(2000)).toBeLessThan(1.01 * ms);
  });
  expect(machine.log.awake).toBe(0);
  expect(machine.log.mostQueued).toBeLessThanOrEqual(256);
});

test.each([0.01, 0.2, 5, 90, 5000])('steps of %f ms: the host is never far ahead', async (ms) => {
  const machine = new Machine(() => ms, { encodeMs: 0.001 });
  await machine.run(async () => void (await machine.train(3000)));
  expect(machine.log.mostQueued).toBeLessThanOrEqual(256);
  // At most two bursts; if a step is longer than a burst, only the current step, after which a training can be stopped.
  expect(machine.log.longestAhead).toBeLessThanOrEqual(Math.max(210, ms + 0.1));
});

test('one long step is awaited, and does not change how the next ones are', async () => {
  const machine = new Machine((step) => (step === 50 ? 5000 : 15));
  await machine.run(async () => {
    await machine.train(2000);
    await machine.endPass();
    expect(machine.gpu.clock).toBeLessThan(1.05 * (5000 + 1999 * 15) + 2000 * 0.05);
  });
  expect(machine.log.waits).toBeGreaterThan(20);
});

const STEPS = [0.5, 2, 10, 40];
const LATE: [string, Lateness][] = [
  ['0.5 ms late', late(0.5)],
  ['10 ms late', late(10)],
  ['at ticks of 103.4 ms', atTicks(103.4)],
];
const EVERY: [string, Lateness][] = [
  ...LATE,
  ['at ticks or submits', LOOKS_AT_SUBMIT],
  ['10 ms late, after the host was blocked', BLOCKS],
];

test.each(EVERY.flatMap(([seen, lateness]) => STEPS.map((ms) => [seen, ms, lateness] as const)))(
  'waits that end %s, steps of %f ms: a step takes at most 1.3 times as long',
  async (_seen, ms, lateness) => {
    const machine = new Machine(() => ms, { lateness });
    await machine.run(async () => {
      await machine.train(600);
      expect(await machine.measure(2000)).toBeLessThanOrEqual(1.3 * ms);
    });
  },
);

test.each(STEPS)(
  'waits that become late and prompt again, steps of %f ms: after a while, a step takes at most 1.3 times as long',
  async (ms) => {
    const machine = new Machine(() => ms);
    await machine.run(async () => {
      await machine.train(1000);
      for (const lateness of [atTicks(103.4), PROMPT, late(10), LOOKS_AT_SUBMIT, late(0.5)]) {
        machine.gpu.lateness = lateness;
        await machine.train(Math.ceil(8000 / ms)); // 8 s: the throttle needs several bursts, which become shorter without taking less time
        expect(await machine.measure(Math.ceil(4000 / ms))).toBeLessThanOrEqual(1.3 * ms);
      }
    });
  },
);

test('a page in the background, with longer ticks: after a while, a step takes at most 1.3 times as long', async () => {
  const machine = new Machine(() => 10, { lateness: LOOKS_AT_SUBMIT });
  await machine.run(async () => {
    await machine.train(1000);
    machine.gpu.lateness = atTicks(1000);
    await machine.train(6000);
    expect(await machine.measure(6000)).toBeLessThanOrEqual(13);
  });
});

test.each(EVERY.flatMap(([seen, lateness]) => STEPS.map((ms) => [seen, ms, lateness] as const)))(
  'waits that end %s, steps of %f ms: reported rates are those of the GPU',
  async (seen, ms, lateness) => {
    const machine = new Machine((step) => (step === 0 ? 500 : ms), { lateness });
    await machine.run(async () => void (await machine.train(Math.ceil(6000 / ms))));
    expect(machine.rates.length).toBeGreaterThan(3);
    const tolerance = seen.includes('ticks') ? 0.3 : 0.1; // a rate is measured over at least four latencies
    for (const rate of machine.rates) expect(Math.abs(rate / 1000 - 1)).toBeLessThan(tolerance);
  },
);

test('no rate is reported if the GPU waits for the host', async () => {
  const machine = new Machine(() => 1, { encodeMs: 3 });
  await machine.run(async () => void (await machine.train(2000)));
  // The first two steps are awaited one by one.
  expect(machine.rates.length).toBeLessThanOrEqual(1);
});

test('before a report, a prompt wait leaves no step unfinished, and a late one does not let the GPU idle', async () => {
  const due = (step: number) => step % 40 > 35;
  const prompt = new Machine(() => 10);
  await prompt.run(async () => {
    await prompt.train(100);
    const waits = await prompt.train(400, due);
    expect(waits.some(({ left }) => left > 0)).toBe(true);
    expect(waits.filter(({ waited }) => due((waited - 101) % 400)).every(({ left }) => left === 0)).toBe(true);
  });
  const slow = new Machine(() => 10, { lateness: atTicks(103.4) });
  await slow.run(async () => {
    await slow.train(100);
    const waits = await slow.train(400, due);
    expect(waits.every(({ left }) => left > 0)).toBe(true);
  });
});
