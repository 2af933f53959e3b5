import type { Snapshot } from '../snapshot.ts';

/** Errors of calls that came too late: the network was closed meanwhile, or its device lost. The page says so, and opens another one. */
const GONE = ['DisposedError', 'DeviceLostError'];

/** Waits for a call of the worker that may come too late. @returns whether it did not */
export async function unlessGone(call: Promise<void>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (!GONE.includes((error as Error).name)) throw error;
    return false;
  }
}

/** Milliseconds that a rest lasts at most. */
const MAX_REST_MS = 4000;

/**
 * A function for snapshots that calls `refresh` where the weights have changed: with the newest snapshot, one call at a time. While the
 * network trains, a rest follows each call, so that what panels ask for takes a small part of the adapter's time.
 * @param rest how many times as long as a call the rest is, up to 4 seconds
 * @param fail told of what a call throws; the next change is shown all the same. Default: the page says what nobody catches
 */
export function live(
  refresh: (snapshot: Snapshot) => Promise<void>,
  rest: number,
  fail: (error: unknown) => void = (error) => void Promise.reject(error),
): (snapshot: Snapshot) => void {
  let next: Snapshot | null = null;
  let lastKey = '';
  let isBusy = false;
  let wake = () => {};
  async function run(): Promise<void> {
    for (let snapshot = next; snapshot; snapshot = next) {
      next = null;
      const key = `${snapshot.network} ${snapshot.step}`;
      if (key === lastKey) continue;
      lastKey = key;
      const begun = performance.now();
      try {
        if (!(await unlessGone(refresh(snapshot)))) lastKey = '';
      } catch (error) {
        fail(error);
      }
      const ms = Math.min(MAX_REST_MS, rest * (performance.now() - begun));
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, ms);
      });
    }
    isBusy = false;
  }
  return (snapshot) => {
    if (snapshot.state !== 'paused' && snapshot.state !== 'training') return;
    next = snapshot;
    if (snapshot.state === 'paused') wake();
    if (isBusy) return;
    isBusy = true;
    void run();
  };
}
