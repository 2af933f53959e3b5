import { expect, test } from 'vitest';
import { waitSleeping } from '../../src/gpu/wait.ts';

const after = <T>(ms: number, value: T) => new Promise<T>((resolve) => setTimeout(resolve, ms, value));

test('gives what the promise gives, or throws what it throws', async () => {
  expect(await waitSleeping(Promise.resolve(3))).toBe(3);
  expect(await waitSleeping(after(5, 'later'))).toBe('later');
  await expect(waitSleeping(Promise.reject(new Error('lost')))).rejects.toThrow('lost');
});

test('the event loop turns on while it waits, but seldom', async () => {
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
  // Without naps there would be many thousands.
  expect(turns).toBeLessThan(3000);
});

test('several waits at a time all end', async () => {
  expect(await Promise.all([30, 10, 20].map((ms) => waitSleeping(after(ms, ms))))).toEqual([30, 10, 20]);
});
