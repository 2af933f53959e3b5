import { expect, test } from 'vitest';
import { waitSleeping } from '../../src/gpu/wait.ts';

const after = <T>(ms: number, value: T) => new Promise<T>((resolve) => setTimeout(resolve, ms, value));

test('waitSleeping: resolves or rejects like the promise', async () => {
  expect(await waitSleeping(Promise.resolve(3))).toBe(3);
  expect(await waitSleeping(after(5, 'later'))).toBe('later');
  await expect(waitSleeping(Promise.reject(new Error('lost')))).rejects.toThrow('lost');
});

test('waitSleeping: the event loop keeps turning, but rarely', async () => {
  let [turns, ticks, waiting] = [0, 0, true];
  const turn = () => {
    turns++;
    if (waiting) setImmediate(turn);
  };
  const timer = setInterval(() => ticks++, 10);
  setImmediate(turn);
  await waitSleeping(after(300, null));
  waiting = false;
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(3);
  // Without sleeping there would be many thousands.
  expect(turns).toBeLessThan(3000);
});

test('waitSleeping: several concurrent waits all end', async () => {
  expect(await Promise.all([30, 10, 20].map((ms) => waitSleeping(after(ms, ms))))).toEqual([30, 10, 20]);
});
