import { afterEach, expect, test, vi } from 'vitest';
import { TrialWatcher } from '../../src/search/trial-watcher.ts';

afterEach(() => vi.restoreAllMocks());

test('TrialWatcher: a resumed trial counts its time before the interruption, and not the pause', async () => {
  const now = vi.spyOn(performance, 'now');
  const setSeconds = (seconds: number) => now.mockReturnValue(seconds * 1000);
  const description = { objective: { name: 'loss', direction: 'min' }, epochs: 9, executions: 1 } as const;
  setSeconds(10);
  const first = new TrialWatcher(description);
  setSeconds(15);
  first.onSafePoint({ after: 'step' });
  setSeconds(18);
  const kept = await first.state();
  setSeconds(1000);
  const second = new TrialWatcher(description);
  second.restore(kept);
  setSeconds(1002);
  second.onSafePoint({ after: 'step' });
  setSeconds(1003);
  expect([second.setUp, second.seconds]).toEqual([5, 8 + 3]);
  const { secondsBefore: _, setUp: __, ...older } = kept; // of a backup that lacks them
  const third = new TrialWatcher(description);
  third.restore(older);
  setSeconds(1004);
  expect([third.setUp, third.seconds]).toEqual([null, 1]);
});
