import type { Device } from '../gpu/device.ts';

/** Milliseconds of work in a burst of steps. */
const BURST_MS = 100;
/** Most steps of a burst of `BURST_MS`; longer bursts may have proportionally more. */
const BURST_STEPS = 128;
/** A wait whose latency is above this, in milliseconds, is skipped if a read-back follows, which waits for the same work. */
const HIGH_LATENCY_MS = 2;
/** Steps longer than this many latencies are awaited one by one: the GPU is then idle for only a small share of the time. */
const LATENCIES_OF_LONG_STEP = 10;
/** Shortest time of a rate measurement in latencies: each end may be wrong by one. */
const LATENCIES_OF_RATE = 4;
/** If creating a fence takes longer than this, in milliseconds, it blocked until the GPU was done, as in Deno. */
const BLOCKED_MS = 1;
/** Time between two measurements of the latency: milliseconds plus a number of latencies. */
const MEASURE_AFTER = { ms: 1000, latencies: 50 };
/**
 * If the dispatches of a step take less than this on average, the host waits busily. They are so short that the threads of a software
 * adapter wait for each other most of the time, and they wake up faster on a busy machine. Longer dispatches need the core.
 */
const BUSY_WAIT_BELOW_MS = 0.15;
/** Milliseconds of steps that share a submit: enough work that the GPU does not wait for the host. */
const SUBMIT_MS = 2;

/** What the throttle needs of a device; tests replace it. */
export interface ThrottleDevice {
  now(): number;
  /** Dispatches so far. */
  dispatches(): number;
  /** Submits everything that was encoded. */
  submit(): void;
  /** A promise, for `wait`, that the GPU has finished everything submitted so far. */
  fence(): Promise<unknown>;
  wait(fence: Promise<unknown>, busily: boolean): Promise<unknown>;
  /** Milliseconds that a wait takes if the GPU is idle. */
  latency(): number;
  /** Measures the latency again. The GPU must be idle. */
  measureLatency(): Promise<unknown>;
  /** Cost of everything submitted so far (see `Device.submittedCost`). */
  submittedCost(): number;
  /** Reports how many milliseconds the GPU took for submits of this cost. */
  noteRate(cost: number, milliseconds: number): void;
}

const throttleDeviceOf = (device: Device): ThrottleDevice => ({
  now: () => performance.now(),
  dispatches: () => device.counters.dispatches,
  submit: () => device.flush(),
  fence: () => device.waits.fence(),
  wait: (fence, busily) => device.waits.until(fence, busily),
  latency: () => device.waits.latencyMs,
  measureLatency: () => device.waits.measure(),
  submittedCost: () => device.submittedCost,
  noteRate: (cost, milliseconds) => device.noteRate(cost, milliseconds),
});

/** Steps that are submitted and awaited together. */
interface Burst {
  steps: number;
  cost: number;
  /** When its first step was encoded. */
  startTime: number;
  fence: Promise<unknown>;
  /** When it ended, if the host was blocked until then; else null. */
  endTime: number | null;
}

/**
 * Keeps the host at most two bursts of steps ahead of the GPU, and lets the event loop run (Ctrl-C, progress) while it waits. A burst is
 * about 100 ms of steps; short steps share a submit. The host awaits a burst after it has submitted the next one, so the GPU is not idle
 * while the host waits and encodes. A late wait costs nothing unless it is later than a burst is long.
 */
export class Throttle {
  /** Steps of the current burst so far. */
  private steps = 0;
  /** When the first step of the current burst was encoded. */
  private startTime = 0;
  /** Submitted cost at the end of the last burst. */
  private cost = 0;
  /** Dispatches at the end of the last step. */
  private dispatches = 0;
  private dispatchesPerStep = 1;
  /** Steps that a burst should have. */
  private burstSteps = 1;
  /** The previous burst, if it was not awaited yet. */
  private pending: Burst | null = null;
  /** Estimated end of the last burst that was awaited. */
  private lastEndTime = 0;
  /** Milliseconds a step took in each of the last bursts, except the first, in which kernels are compiled. */
  private readonly stepMs: number[] = [];
  private isFirstBurst = true;
  /** Cost and time since the last rate was reported. */
  private rate = { cost: 0, ms: 0 };
  /** Steps of the longest burst since the latency was measured. */
  private longestBurst = 1;
  /** When the latency was measured. */
  private measureTime = 0;
  private readonly device: ThrottleDevice;

  constructor(device: Device, throttleDevice: ThrottleDevice = throttleDeviceOf(device)) {
    this.device = throttleDevice;
    this.measureTime = throttleDevice.now();
    this.cost = throttleDevice.submittedCost();
  }

  /** Steps before the current burst that the GPU may not have finished. */
  get pendingSteps(): number {
    return this.pending?.steps ?? 0;
  }

  /**
   * Await it after each encoded step.
   * @param report whether a report is due: then all steps are awaited, unless the latency is high
   * @returns whether it waited: the GPU has finished all steps but `pendingSteps`, so a report costs little
   */
  async afterStep(report = false): Promise<boolean> {
    const { now, submit } = this.device;
    const dispatches = this.device.dispatches();
    this.dispatchesPerStep = Math.max(1, dispatches - this.dispatches);
    this.dispatches = dispatches;
    if (this.steps === 0) this.startTime = now();
    this.steps++;
    const { shortestStepMs } = this;
    const stepsPerSubmit = shortestStepMs === null ? 1 : Math.max(1, Math.floor(SUBMIT_MS / shortestStepMs));
    if (this.steps >= this.burstSteps || this.steps % stepsPerSubmit === 0) submit();
    if (this.steps < this.burstSteps) return false;
    const { pending, isLatencyDoubtful } = this;
    const burst = this.endBurst();
    if (this.canOverlap && !isLatencyDoubtful && !(report && !this.isLatencyHigh)) {
      this.pending = burst;
      if (pending) await this.waitFor(pending);
      return pending !== null;
    }
    this.pending = null;
    await this.waitFor(pending ? joinBursts(pending, burst) : burst);
    if (isLatencyDoubtful) await this.measureLatency();
    return true;
  }

  /** Await it after the last step of a pass, before its results are read: waits for the remaining steps. */
  async afterPass(): Promise<void> {
    const { pending, steps } = this;
    this.pending = null;
    this.steps = 0;
    if (steps > 0) this.device.submit();
    if (this.isLatencyHigh) return; // reading the results waits for the same
    const fence = steps > 0 ? this.device.fence() : null;
    if (pending) await this.waitFor(pending);
    if (fence) await this.device.wait(fence, this.waitsBusily);
  }

  private endBurst(): Burst {
    const { steps, startTime, device } = this;
    const cost = device.submittedCost();
    const before = device.now();
    const fence = device.fence();
    const after = device.now();
    const endTime = after - before > BLOCKED_MS ? after : null;
    const burst = { steps, startTime, cost: cost - this.cost, fence, endTime };
    this.cost = cost;
    this.steps = 0;
    return burst;
  }

  private async waitFor(burst: Burst): Promise<void> {
    const { now } = this.device;
    const waitStart = now();
    await this.device.wait(burst.fence, this.waitsBusily);
    const waitEnd = now();
    const endTime = burst.endTime ?? waitEnd - this.device.latency();
    const ms = Math.max(0, endTime - Math.max(burst.startTime, this.lastEndTime));
    this.lastEndTime = endTime;
    if (this.isFirstBurst) {
      this.isFirstBurst = false;
      return;
    }
    this.addStepTime(ms / burst.steps);
    // A short wait means that the GPU finished before the host: then the time is the host's.
    if (burst.endTime !== null || waitEnd - waitStart > 0.1 * ms) this.addRate(burst.cost, ms);
    else this.rate = { cost: 0, ms: 0 };
  }

  /** Shortest time of a step in the last bursts, in milliseconds; null before the first. */
  private get shortestStepMs(): number | null {
    return this.stepMs.length > 0 ? Math.min(...this.stepMs) : null;
  }

  private get waitsBusily(): boolean {
    return this.shortestStepMs !== null && this.shortestStepMs / this.dispatchesPerStep < BUSY_WAIT_BELOW_MS;
  }

  private get isLatencyHigh(): boolean {
    return this.device.latency() > HIGH_LATENCY_MS;
  }

  /** Milliseconds of work in a burst: more with a high latency, so that the GPU has work while a wait returns late. */
  private get burstMs(): number {
    return Math.max(BURST_MS, 2 * this.device.latency());
  }

  /** False for long steps: a second one in progress would only delay the end of training. */
  private get canOverlap(): boolean {
    const { shortestStepMs } = this;
    return (
      shortestStepMs !== null && shortestStepMs < Math.max(BURST_MS, LATENCIES_OF_LONG_STEP * this.device.latency())
    );
  }

  private addStepTime(stepMs: number): void {
    this.stepMs.push(stepMs);
    if (this.stepMs.length > 4) this.stepMs.shift();
    const { burstMs } = this;
    const fitting = Math.floor(burstMs / Math.max(stepMs, 1e-3));
    // At most four times as many steps as before: one quick step may be an exception.
    this.burstSteps = Math.max(
      1,
      Math.min(fitting, 4 * this.burstSteps, Math.floor((BURST_STEPS * burstMs) / BURST_MS)),
    );
    this.longestBurst = Math.max(this.longestBurst, this.burstSteps);
  }

  /**
   * Whether steps seem so much longer than before that the latency may have risen instead. Shorter bursts would then not help: every burst
   * seems to end when its wait returns.
   */
  private get isLatencyDoubtful(): boolean {
    const age = this.device.now() - this.measureTime;
    return (
      2 * this.burstSteps < this.longestBurst &&
      age > MEASURE_AFTER.ms + MEASURE_AFTER.latencies * this.device.latency()
    );
  }

  private async measureLatency(): Promise<void> {
    await this.device.measureLatency();
    this.measureTime = this.device.now();
    this.longestBurst = this.burstSteps;
  }

  private addRate(cost: number, ms: number): void {
    this.rate = { cost: this.rate.cost + cost, ms: this.rate.ms + ms };
    const { rate } = this;
    if (rate.ms < LATENCIES_OF_RATE * this.device.latency() || rate.ms === 0) return;
    if (rate.cost > 0) this.device.noteRate(rate.cost, rate.ms);
    this.rate = { cost: 0, ms: 0 };
  }
}

/** Joins two consecutive bursts. */
const joinBursts = (first: Burst, second: Burst): Burst => ({
  steps: first.steps + second.steps,
  cost: first.cost + second.cost,
  startTime: first.startTime,
  fence: second.fence,
  endTime: second.endTime,
});
