import type { Snapshot } from '../snapshot.ts';

/** Errors of calls that came too late: the network was closed, or its device lost. The page reports that and opens another one. */
const GONE = ['DisposedError', 'DeviceLostError'];

/** Awaits a call of the worker that may come too late. @returns false if it did */
export async function unlessGone(call: Promise<void>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (!GONE.includes((error as Error).name)) throw error;
    return false;
  }
}

/** Longest rest in milliseconds. */
const MAX_REST_MS = 4000;

/**
 * Returns a function for snapshots that calls `refresh` with the newest snapshot if the weights have changed, one call at a time. While the
 * network trains, a rest follows each call, so that panels use only a small part of the adapter's time.
 * @param rest length of the rest as a multiple of the call, up to 4 seconds
 * @param fail called with the error of a call; later changes are still shown. Default: an unhandled rejection, which the page shows
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
