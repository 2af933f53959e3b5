import { DeviceLostError } from '../base/errors.ts';

/** Milliseconds between empty submits during a wait; browsers run timers no more often. */
const SUBMIT_EVERY_MS = 4;
/** Milliseconds that a wait on an idle queue must take for empty submits to be tried. */
const LATE_MS = 8;
/** Number of measured waits on an idle queue; the shortest is the latency, as the machine may be busy during the others. */
const TRIES = 2;

/** Clock and timer of the host; tests replace them. */
export interface Timers {
  now(): number;
  /** Calls `action` every `ms` milliseconds. @returns a function that stops it */
  every(ms: number, action: () => void): () => void;
}

const hostTimers: Timers = {
  now: () => performance.now(),
  every(ms, action) {
    const timer = setInterval(action, ms);
    return () => clearInterval(timer);
  },
};

/**
 * Waits for promises of a WebGPU queue: finished work and mapped buffers.
 *
 * Implementations take different times to resolve such a promise: Chrome 0.1 ms, Deno 10 ms. Firefox checks for finished work
 * in a timer of 100 ms, and at each submit (bug 1870699). So the latency is measured, and if empty submits
 * make it shorter, they are sent during waits.
 */
export class QueueWaits {
  /** Last measured duration of a wait on an idle queue, in milliseconds. */
  latencyMs = 0;
  private submitsHelp = false;
  private waits = 0;
  private stopSubmits = () => {};
  /** Functions that reject the current waits, and the error that ended all waits when the device was lost. */
  private readonly endings = new Set<(error: Error) => void>();
  private ended: Error | null = null;

  /** @param wait waits for a promise instead, if an implementation needs a special way; null to measure the latency */
  constructor(
    private readonly queue: Pick<GPUQueue, 'submit' | 'onSubmittedWorkDone'>,
    private readonly wait: (<T>(promise: Promise<T>) => Promise<T>) | null = null,
    private readonly timers: Timers = hostTimers,
  ) {}

  /**
   * A promise, for `until`, that resolves when the GPU has finished all work submitted so far. It need not be awaited. It is rejected with
   * a DeviceLostError if the implementation aborts the wait.
   */
  fence(): Promise<unknown> {
    const done = this.done();
    done.catch(() => {}); // a lost device is reported where the device is used
    return done;
  }

  private async done(): Promise<unknown> {
    try {
      return await this.queue.onSubmittedWorkDone();
    } catch (cause) {
      const says = cause instanceof Error ? cause.message : String(cause);
      throw new DeviceLostError(
        `device: the implementation aborted a wait for the GPU, as if the device was lost: ${says}`,
        {
          cause,
        },
      );
    }
  }

  /** Rejects all current and future waits with this error; not every implementation does so when a device is lost. */
  end(error: Error): void {
    this.ended = error;
    for (const end of this.endings) end(error);
  }

  /**
   * Waits for a promise of WebGPU.
   * @param busyWait whether to poll without sleeping: uses a processor core, but returns at once; default false
   * @throws the promise's rejection, or the error given to `end`
   */
  async until<T>(promise: Promise<T>, busyWait = false): Promise<T> {
    let end = (_: Error) => {};
    const ended = new Promise<never>((_, reject) => {
      end = reject;
    });
    if (this.ended) end(this.ended);
    this.endings.add(end);
    try {
      return await this.waitSubmitting(Promise.race([promise, ended]), busyWait);
    } finally {
      this.endings.delete(end);
    }
  }

  private async waitSubmitting<T>(promise: Promise<T>, busyWait: boolean): Promise<T> {
    if (this.wait) return busyWait ? promise : this.wait(promise);
    if (!this.submitsHelp) return promise;
    if (this.waits++ === 0) this.stopSubmits = this.timers.every(SUBMIT_EVERY_MS, () => this.queue.submit([]));
    try {
      return await promise;
    } finally {
      if (--this.waits === 0) this.stopSubmits();
    }
  }

  /** Measures `latencyMs`, and whether empty submits shorten it. The queue must be unused meanwhile. @returns the latency */
  async measure(): Promise<number> {
    if (this.wait) return 0;
    this.latencyMs = await this.shortestWait();
    if (this.latencyMs > LATE_MS && !this.submitsHelp) {
      this.submitsHelp = true;
      const latency = await this.shortestWait();
      this.submitsHelp = latency < this.latencyMs / 2;
      if (this.submitsHelp) this.latencyMs = latency;
    }
    return this.latencyMs;
  }

  private async shortestWait(): Promise<number> {
    const { queue, timers } = this;
    await this.until(this.fence()); // aligns the measurement with the timer: this wait may end anywhere in its period
    let shortest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TRIES; i++) {
      const begun = timers.now();
      queue.submit([]); // some implementations resolve at once if nothing was submitted
      await this.until(this.fence());
      shortest = Math.min(shortest, timers.now() - begun);
    }
    return shortest;
  }
}
