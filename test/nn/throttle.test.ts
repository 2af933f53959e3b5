import { expect, test } from 'vitest';
import { Throttle, type Waiting } from '../../src/nn/throttle.ts';
import type { Device } from '../../src/node.ts';

/** A GPU that takes a while for each step, and a clock that only waiting moves. */
function machine(stepMs: (step: number) => number, kernels = 20) {
  const log = { awake: 0, asleep: 0, drained: 0, mostQueued: 0, steps: 0, submits: 0 };
  let [clock, busyUntil, queued, encoded] = [0, 0, 0, 0];
  const waiting: Waiting = {
    now: () => clock,
    dispatches: () => log.steps * kernels,
    submit: () => {
      busyUntil = Math.max(busyUntil, clock) + encoded;
      if (encoded > 0) log.submits++;
      encoded = 0;
    },
    done: async (awake) => {
      expect(encoded).toBe(0); // or it would wait for ever
      log[awake ? 'awake' : 'asleep'] += Math.max(0, busyUntil - clock);
      clock = Math.max(clock, busyUntil) + 0.01;
      queued = 0;
      log.drained++;
    },
  };
  const throttle = new Throttle({} as Device, waiting);
  return {
    log,
    end: () => throttle.afterPass(),
    async run(steps: number) {
      for (let i = 0; i < steps; i++) {
        clock += 0.05; // to encode it
        encoded += stepMs(log.steps++);
        queued++;
        log.mostQueued = Math.max(log.mostQueued, queued);
        const idle = await throttle.afterStep();
        expect(idle).toBe(queued === 0);
      }
      return clock;
    },
  };
}

test('steps of small kernels are waited for awake', async () => {
  const { log, run } = machine(() => 3, 25);
  await run(500);
  expect(log.asleep).toBeLessThan(10); // until they are known
  expect(log.awake).toBeGreaterThan(1000);
  expect(log.mostQueued).toBeGreaterThan(10);
});

test('as short ones of few large kernels are not', async () => {
  const { log, run } = machine(() => 3, 10);
  await run(500);
  expect(log.awake).toBe(0);
});

test('what is left of a burst at the end of a pass is waited for in the same way', async () => {
  const { log, run, end } = machine(() => 3, 25);
  await run(503);
  const { awake, asleep, drained } = log;
  await end();
  expect(log.drained).toBe(drained + 1);
  expect(log.asleep).toBe(asleep);
  expect(log.awake).toBeGreaterThan(awake);
  await end();
  expect(log.drained).toBe(drained + 1);
});

test.each([
  [0.3, 6],
  [0.9, 2],
  [1.9, 1],
  [50, 1],
])('steps of %f ms: about %i a submit', async (ms, together) => {
  const { log, run } = machine(() => ms);
  await run(200); // until it knows
  const before = { ...log };
  await run(1200);
  const each = (log.steps - before.steps) / (log.submits - before.submits);
  expect(each).toBeGreaterThan(together - 0.5);
  expect(each).toBeLessThanOrEqual(together);
});

test.each([
  ['steps of a small convolutional network', 12],
  ['steps of LeNet', 50],
  ['steps longer than a burst', 900],
])('%s: waited for asleep, in bursts long enough that the pause between them does not count', async (_what, ms) => {
  const { log, run } = machine((step) => (step === 0 ? 2000 + ms : ms)); // the first compiles
  await run(20);
  const before = { ...log };
  await run(2000);
  expect(log.awake).toBe(0);
  expect(log.drained - before.drained).toBeLessThanOrEqual(2000 / Math.max(1, Math.floor(200 / (ms + 1))) + 1);
  expect(log.mostQueued).toBeLessThanOrEqual(256);
});

test('one long step is waited for, not promised to be the rule', async () => {
  const { log, run } = machine((step) => (step === 50 ? 5000 : 15));
  const total = await run(2000);
  expect(total).toBeLessThan(1.05 * (5000 + 1999 * 15) + 2000 * 0.05);
  expect(log.drained).toBeGreaterThan(20);
});
