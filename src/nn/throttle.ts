import type { Device } from '../gpu/device.ts';

/** Milliseconds of work that a burst of steps should hold: enough that the pause between bursts does not count. */
const BURST_MS = 200;
/** Steps a burst may have at most, however short they are. */
const BURST_STEPS = 256;
/**
 * Where a step's kernels take less than this on average, it is waited for awake: they are so small that a software adapter's threads
 * wait for each other most of the time, and wake up faster on a machine that is not asleep. Larger ones want the core for themselves.
 */
const AWAKE_BELOW_MS = 0.15;
/** Steps shorter than this share a submit, which is long enough for the GPU not to wait and the host to keep ahead. */
const SUBMIT_MS = 2;

/** What the throttle waits by; a test puts its own in place. */
export interface Waiting {
  now(): number;
  /** Kernel runs so far. */
  dispatches(): number;
  /** Submits what was encoded. */
  submit(): void;
  /** Resolves when the GPU has done all that was submitted. */
  done(awake: boolean): Promise<unknown>;
}

const waitingFor = (device: Device): Waiting => ({
  now: () => performance.now(),
  dispatches: () => device.counters.dispatches,
  submit: () => device.flush(),
  done: (awake) => device.idle(awake),
});

/**
 * Keeps the host from running far ahead of the GPU, and gives the event loop its turn (Ctrl-C, progress) as it waits. Steps run in
 * bursts of about 200 ms, short ones several to a submit.
 */
export class Throttle {
  private steps = 0;
  private begun = 0;
  private dispatches = 0;
  /** Kernel runs of the last step. */
  private kernels = 1;
  private burst = 1;
  /** Times a step took, of the last bursts; that of the first, in which kernels are compiled, is not among them. */
  private readonly stepMs: number[] = [];
  private first = true;
  private readonly waiting: Waiting;

  constructor(device: Device, waiting: Waiting = waitingFor(device)) {
    this.waiting = waiting;
  }

  /** To be awaited after each step that was encoded. @returns whether the GPU has nothing left to do */
  async afterStep(): Promise<boolean> {
    const { now, submit, done } = this.waiting;
    const dispatches = this.waiting.dispatches();
    this.kernels = Math.max(1, dispatches - this.dispatches);
    this.dispatches = dispatches;
    if (this.steps === 0) this.begun = now();
    this.steps++;
    const { known } = this;
    const together = known === null ? 1 : Math.max(1, Math.floor(SUBMIT_MS / known));
    if (this.steps >= this.burst || this.steps % together === 0) submit();
    if (this.steps < this.burst) return false;
    await done(this.awake);
    this.note((now() - this.begun) / this.steps);
    this.steps = 0;
    return true;
  }

  /** To be awaited after the last step of a pass: what is left of a burst is waited for as bursts are. */
  async afterPass(): Promise<void> {
    if (this.steps === 0) return;
    this.steps = 0;
    this.waiting.submit();
    await this.waiting.done(this.awake);
  }

  /** Milliseconds a step took at least, of the last bursts. */
  private get known(): number | null {
    return this.stepMs.length > 0 ? Math.min(...this.stepMs) : null;
  }

  private get awake(): boolean {
    return this.known !== null && this.known / this.kernels < AWAKE_BELOW_MS;
  }

  private note(stepMs: number): void {
    if (this.first) {
      this.first = false;
      return;
    }
    this.stepMs.push(stepMs);
    if (this.stepMs.length > 4) this.stepMs.shift();
    const wanted = Math.floor(BURST_MS / Math.max(stepMs, 1e-3));
    // Four times as many at most: one quick step must not promise too much.
    this.burst = Math.max(1, Math.min(wanted, 4 * this.burst, BURST_STEPS));
  }
}
