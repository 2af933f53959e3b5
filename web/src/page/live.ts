import type { Snapshot } from '../snapshot.ts';

/** Errors of calls that came too late: the network was closed meanwhile, or its device lost. The page says so, and opens another one. */
const GONE = ['DisposedError', 'DeviceLostError'];

/** Waits for a call of the worker that may come too late. */
export async function unlessGone(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!GONE.includes((error as Error).name)) throw error;
  }
}

/**
 * A function for snapshots that calls `refresh` where the weights have changed: with the newest snapshot, one call at a time, and after
 * each a rest, so that what panels ask for takes a small part of the adapter's time.
 * @param rest how many times as long as a call the rest is
 */
export function live(refresh: (snapshot: Snapshot) => Promise<void>, rest: number): (snapshot: Snapshot) => void {
  let next: Snapshot | null = null;
  let shown = '';
  let isBusy = false;
  async function run(): Promise<void> {
    for (let snapshot = next; snapshot; snapshot = next) {
      next = null;
      const key = `${snapshot.network} ${snapshot.step}`;
      if (key === shown) continue;
      shown = key;
      const begun = performance.now();
      await unlessGone(refresh(snapshot));
      const ms = rest * (performance.now() - begun);
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
    isBusy = false;
  }
  return (snapshot) => {
    if (snapshot.state !== 'paused' && snapshot.state !== 'training') return;
    next = snapshot;
    if (isBusy) return;
    isBusy = true;
    void run();
  };
}
