import { DeviceLostError } from '../base/errors.ts';

/** Milliseconds between empty submits while something is waited for; browsers run no timer more often. */
const SUBMIT_EVERY_MS = 4;
/** Waits that take longer than this on an idle queue are worth the empty submits. */
const LATE_MS = 8;
/** Waits on an idle queue of which the shortest is its latency: the machine may have been busy during the others. */
const TRIES = 2;

/** Clock and timer of the host; a test puts its own in place. */
export interface Timers {
  now(): number;
  /** Calls `action` every `ms` milliseconds. @returns what ends that */
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
 * Waits for what WebGPU promises of a queue: work that is done, buffers that are mapped.
 *
 * Implementations differ in how soon they resolve such a promise: Chrome takes 0.1 ms, Deno 10 ms. Firefox looks for finished work
 * from a timer of 100 ms, and whenever something is submitted (bug 1870699). So the latency is measured, and where empty submits make
 * it shorter, they are sent while something is waited for.
 */
export class QueueWaits {
  /** Milliseconds that a wait takes on an idle queue, as last measured. */
  latencyMs = 0;
  private submitsHelp = false;
  private waits = 0;
  private stopSubmits = () => {};
  /** What ends each wait under way, and the error that it ended with once the device is gone. */
  private readonly endings = new Set<(error: Error) => void>();
  private ended: Error | null = null;

  /** @param wait how promises are waited for instead, where something better is known of the implementation: it counts as prompt */
  constructor(
    private readonly queue: Pick<GPUQueue, 'submit' | 'onSubmittedWorkDone'>,
    private readonly wait: (<T>(promise: Promise<T>) => Promise<T>) | null = null,
    private readonly timers: Timers = hostTimers,
  ) {}

  /**
   * A promise that the GPU has done all that was submitted so far, for `until`. Nobody needs to wait for it. It is rejected with a
   * DeviceLostError where the implementation gives the wait up.
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
      throw new DeviceLostError(`device: a wait for the GPU was given up, as if the device went away: ${says}`, {
        cause,
      });
    }
  }

  /** Ends all waits, and those to come, with this error: not every implementation does so when a device is lost. */
  end(error: Error): void {
    this.ended = error;
    for (const end of this.endings) end(error);
  }

  /**
   * Waits for a promise of WebGPU.
   * @param busyWait whether the wait polls all the time, which takes a processor core and returns at once
   * @throws what the promise is rejected with, or what `end` was given
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

  /** Measures `latencyMs`, and whether empty submits help. Nothing else may use the queue meanwhile. @returns the latency */
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
    await this.until(this.fence()); // of a timer's period it may see any part
    let shortest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TRIES; i++) {
      const begun = timers.now();
      queue.submit([]); // some implementations resolve at once where nothing was submitted
      await this.until(this.fence());
      shortest = Math.min(shortest, timers.now() - begun);
    }
    return shortest;
  }
}
