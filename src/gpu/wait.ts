/** Milliseconds that a wait may poll before it naps: what is about to be done is not missed. */
const POLL_MS = 1;
/** Milliseconds of a nap: what it may miss, in waits that are much longer. */
const SLEEP_MS = 1;

const cell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Waits for a promise of WebGPU in Node. While one is pending, Dawn's binding polls without pause, once for each turn of the event
 * loop, which takes a processor core: of a software adapter, the one it computes with. So the loop is made to turn once a
 * millisecond: timers, signals and input have their turn as before.
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
