import type { Device } from '../gpu/device.ts';

/** Milliseconds of work that a burst of steps should hold: enough that the pause between bursts does not count. */
const BURST_MS = 200;
/** Steps a burst may have at most, however short they are. */
const BURST_STEPS = 256;
/**
 * Steps shorter than this are polled for all the same: their kernels are so small that a software adapter's threads wait for each
 * other most of the time, and wake up faster on a machine that is not asleep.
 */
const SLEEP_FROM_MS = 10;
/** Steps shorter than this share a submit, which is long enough for the GPU not to wait and the host to keep ahead. */
const SUBMIT_MS = 2;
/** Share of a burst's shortest known time that is slept through at first. */
const SLEEP_SHARE = 0.9;

/** What the throttle waits by; a test puts its own in place. */
export interface Waiting {
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Submits what was encoded. */
  submit(): void;
  /** Resolves when the GPU has done all that was submitted. */
  done(): Promise<unknown>;
}

const waitingFor = (device: Device): Waiting => ({
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  submit: () => device.flush(),
  done: () => device.gpu.queue.onSubmittedWorkDone(),
});

/**
 * Keeps the host from running far ahead of the GPU, and gives the event loop its turn (Ctrl-C, progress) as it waits. Steps are
 * submitted in bursts. While a promise of WebGPU is pending, Dawn's Node binding polls without pause, which takes a processor core
 * from a software adapter; so most of a burst of long steps is slept through, by what the last bursts took, and only its end is
 * waited for.
 */
export class Throttle {
  private steps = 0;
  private begun = 0;
  private burst = 1;
  /** Times a step took, of the last bursts; that of the first, in which kernels are compiled, is not among them. */
  private readonly stepMs: number[] = [];
  private first = true;
  private share = SLEEP_SHARE;
  private readonly waiting: Waiting;

  constructor(device: Device, waiting: Waiting = waitingFor(device)) {
    this.waiting = waiting;
  }

  /** To be awaited after each step that was submitted. @returns whether the GPU has nothing left to do */
  async afterStep(): Promise<boolean> {
    const { now, sleep, submit, done } = this.waiting;
    if (this.steps === 0) this.begun = now();
    this.steps++;
    const known = this.stepMs.length > 0 ? Math.min(...this.stepMs) : 0;
    const together = known > 0 ? Math.floor(SUBMIT_MS / known) : 1;
    if (this.steps >= this.burst || this.steps % Math.max(1, together) === 0) submit();
    if (this.steps < this.burst) return false;
    const pause = known < SLEEP_FROM_MS ? 0 : this.share * known * this.steps - (now() - this.begun);
    if (pause > 2) await sleep(pause); // timers count in milliseconds
    const woken = now();
    await done();
    const end = now();
    if (pause > 2) this.adapt((end - woken) / (end - this.begun));
    this.note((end - this.begun) / this.steps);
    this.steps = 0;
    return true;
  }

  /** Slept too long where nothing was left to wait for; not long enough where much was. */
  private adapt(waited: number): void {
    if (waited < 0.01) this.share *= 0.9;
    else if (waited > 0.1) this.share = Math.min(SLEEP_SHARE, this.share * 1.05);
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
