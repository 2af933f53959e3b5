/** When an implementation of WebGPU reports finished work, on a simulated clock in milliseconds. */
export interface Lateness {
  /** Time at which it is seen that work was done which the GPU ended at `ended`, asked for at `asked`. */
  seenAt(ended: number, asked: number): number;
  /** Whether a submit makes the implementation look at once. Default false. */
  looksAtSubmit?: boolean;
  /** Whether asking for the end blocks the host until then, as in Deno. Default false. */
  blocks?: boolean;
}

/** Reports each end `ms` later. */
export const late = (ms: number): Lateness => ({ seenAt: (ended, asked) => Math.max(ended, asked) + ms });

/** Reports ends only at multiples of `ms`, as from a timer. */
export const atTicks = (ms: number): Lateness => ({
  seenAt: (ended, asked) => (Math.floor(Math.max(ended, asked) / ms) + 1) * ms,
});

interface Fence {
  ended: number;
  resolve(): void;
}

/** Milliseconds that the host's messages to the GPU process and back take. */
const MESSAGE_MS = 0.1;

/** A queue of the GPU and a clock: time passes while the host computes (`compute`) and while everything waits (`run`). */
export class SimulatedQueue {
  clock = 0;
  /** Time at which the GPU has finished all submitted work. */
  busyUntil = 0;
  /** Milliseconds that the GPU has worked. */
  worked = 0;
  readonly counts = { submits: 0, emptySubmits: 0, fences: 0 };
  lateness: Lateness;
  private encoded = 0;
  private events: { at: number; run(): void }[] = [];
  private fences = new Set<Fence>();

  constructor(lateness: Lateness) {
    this.lateness = lateness;
  }

  /** The part of `GPUDevice.queue` that `QueueWaits` uses. */
  readonly queue = {
    submit: (_commands: Iterable<unknown>): undefined => {
      if (this.encoded > 0) this.counts.submits++;
      else this.counts.emptySubmits++;
      this.busyUntil = Math.max(this.busyUntil, this.clock) + this.encoded;
      this.worked += this.encoded;
      this.encoded = 0;
      if (!this.lateness.looksAtSubmit) return;
      const waiting = [...this.fences]; // fences requested later are not resolved by it
      this.at(this.clock + MESSAGE_MS, () => this.look(waiting));
    },
    onSubmittedWorkDone: (): Promise<undefined> => {
      this.counts.fences++;
      const ended = this.busyUntil;
      const { lateness, clock } = this;
      if (lateness.blocks) this.clock = Math.max(clock, ended);
      return new Promise((resolve) => {
        const fence: Fence = { ended, resolve: () => resolve(undefined) };
        this.fences.add(fence);
        this.at(lateness.seenAt(ended, clock), () => this.see(fence));
      });
    },
  };

  /** The clock for `QueueWaits`. */
  readonly timers = {
    now: () => this.clock,
    every: (ms: number, action: () => void) => {
      let stopped = false;
      const tick = () => {
        if (stopped) return;
        action();
        this.at(this.clock + ms, tick);
      };
      this.at(this.clock + ms, tick);
      return () => {
        stopped = true;
      };
    },
  };

  /** Lets the host compute for `ms` milliseconds. */
  compute(ms: number): void {
    this.clock += ms;
  }

  /** Adds work to the next submit. */
  encode(ms: number): void {
    this.encoded += ms;
  }

  get hasEncoded(): boolean {
    return this.encoded > 0;
  }

  /** Resolves `ms` later. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.clock + ms, resolve));
  }

  /** Runs `body` while time passes. */
  async run<T>(body: () => Promise<T>): Promise<T> {
    let over = false;
    const end = () => {
      over = true;
    };
    const result = body();
    result.then(end, end);
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve)); // until nothing but the clock is waited for
      if (over) return result;
      let next = 0;
      for (const [i, { at }] of this.events.entries()) if (at < this.events[next]!.at) next = i;
      const [event] = this.events.splice(next, 1);
      if (!event) throw new Error('the simulated clock: everything waits, and nothing will happen');
      this.clock = Math.max(this.clock, event.at);
      event.run();
    }
  }

  private at(time: number, run: () => void): void {
    this.events.push({ at: time, run });
  }

  private see(fence: Fence): void {
    if (this.fences.delete(fence)) fence.resolve();
  }

  /** Reports all finished work, as some implementations do at a submit. */
  private look(asked: readonly Fence[]): void {
    for (const fence of asked) if (fence.ended <= this.clock) this.see(fence);
  }
}
