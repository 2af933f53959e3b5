/** Milliseconds that a wait polls before it sleeps, so that short waits end at once. */
const POLL_MS = 1;
/** Milliseconds of one sleep: the most by which a longer wait may end late. */
const SLEEP_MS = 1;

const cell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Waits for a promise of WebGPU in Node. While one is pending, Dawn's binding polls in every turn of the event loop, which
 * uses a processor core; a software adapter needs that core for its computations. After the first millisecond, each turn
 * of the event loop therefore sleeps 1 ms. Timers, signals and input are served, at most 1 ms late.
 */
export async function waitSleeping<T>(promise: Promise<T>): Promise<T> {
  let pending = true;
  const end = () => {
    pending = false;
  };
  promise.then(end, end);
  const begun = performance.now();
  while (pending) {
    await new Promise((resolve) => setImmediate(resolve));
    if (pending && performance.now() - begun > POLL_MS) Atomics.wait(cell, 0, 0, SLEEP_MS);
  }
  return promise;
}
