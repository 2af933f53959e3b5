import type { Device } from '../gpu/device.ts';

/** Milliseconds of work that a burst of steps should hold, while another one is under way. */
const BURST_MS = 100;
/** Steps a burst may have at most, however short they are; more where bursts are longer. */
const BURST_STEPS = 128;
/** Waits with a latency above this, in milliseconds, are left out where what follows waits for the same. */
const LATE_MS = 2;
/** Steps of so many latencies are waited for one by one: that the GPU rests meanwhile does not count. */
const LATENCIES_OF_LONG_STEP = 10;
/** A measured rate covers so many latencies, each end of which may be wrong by one. */
const LATENCIES_OF_RATE = 4;
/** Some implementations, such as Deno's, block for this many milliseconds or more where a fence is made, until the GPU is done. */
const BLOCKED_MS = 1;
/** Milliseconds, and latencies, between two measurements of the latency. */
const MEASURE_AFTER = { ms: 1000, latencies: 50 };
/**
 * Where a step's kernels take less than this on average, it is waited for awake: they are so small that a software adapter's threads
 * wait for each other most of the time, and wake up faster on a machine that is not asleep. Larger ones want the core for themselves.
 */
const AWAKE_BELOW_MS = 0.15;
/** Steps shorter than this share a submit, which is long enough for the GPU not to wait and the host to keep ahead. */
const SUBMIT_MS = 2;

/** What the throttle waits by; a test puts its own in place. */
export interface ThrottleDevice {
  now(): number;
  /** Kernel runs so far. */
  dispatches(): number;
  /** Submits what was encoded. */
  submit(): void;
  /** A promise, for `wait`, that the GPU has done all that was submitted so far. */
  fence(): Promise<unknown>;
  wait(fence: Promise<unknown>, awake: boolean): Promise<unknown>;
  /** Milliseconds that a wait takes where the GPU has nothing to do. */
  latency(): number;
  /** Measures the latency anew, while the GPU has nothing to do. */
  measureLatency(): Promise<unknown>;
  /** Cost of all that was submitted so far (see `Device.submittedCost`). */
  submittedCost(): number;
  /** Told that the GPU took so long for submits of that cost. */
  noteRate(cost: number, milliseconds: number): void;
}

const waitingFor = (device: Device): ThrottleDevice => ({
  now: () => performance.now(),
  dispatches: () => device.counters.dispatches,
  submit: () => device.flush(),
  fence: () => device.waits.fence(),
  wait: (fence, awake) => device.waits.until(fence, awake),
  latency: () => device.waits.latencyMs,
  measureLatency: () => device.waits.measure(),
  submittedCost: () => device.submittedCost,
  noteRate: (cost, milliseconds) => device.noteRate(cost, milliseconds),
});

/** Steps that were submitted and are waited for together. */
interface Burst {
  steps: number;
  cost: number;
  /** When its first step was encoded. */
  begun: number;
  fence: Promise<unknown>;
  /** When it ended, where the host was blocked until then. */
  ended: number | null;
}

/**
 * Keeps the host from running far ahead of the GPU, and gives the event loop its turn (Ctrl-C, progress) as it waits. Steps run in
 * bursts of about 100 ms, short ones several to a submit. A burst is waited for when the next one is submitted, so that the GPU does
 * not rest while the host waits and encodes; a wait that returns late costs nothing, unless it is later than a burst is long.
 */
export class Throttle {
  private steps = 0;
  private begun = 0;
  private cost = 0;
  private dispatches = 0;
  /** Kernel runs of the last step. */
  private kernels = 1;
  private burst = 1;
  /** The burst before this one, unless it was waited for. */
  private underWay: Burst | null = null;
  /** When the last burst that was waited for ended, by what is known. */
  private ended = 0;
  /** Times a step took, of the last bursts; that of the first, in which kernels are compiled, is not among them. */
  private readonly stepMs: number[] = [];
  private first = true;
  /** Cost and time of the bursts that the next reported rate is of. */
  private rate = { cost: 0, ms: 0 };
  /** Steps of the longest burst since the latency was measured, and when that was. */
  private longest = 1;
  private measured = 0;
  private readonly waiting: ThrottleDevice;

  constructor(device: Device, waiting: ThrottleDevice = waitingFor(device)) {
    this.waiting = waiting;
    this.measured = waiting.now();
    this.cost = waiting.submittedCost();
  }

  /** Steps before the present burst that the GPU may not have done yet. */
  get pendingSteps(): number {
    return this.underWay?.steps ?? 0;
  }

  /**
   * To be awaited after each step that was encoded.
   * @param report whether something is to be reported soon: then all steps are waited for, unless waits are late
   * @returns whether it waited: of the steps so far the GPU has done all but `stepsUnderWay`, and a report costs little
   */
  async afterStep(report = false): Promise<boolean> {
    const { now, submit } = this.waiting;
    const dispatches = this.waiting.dispatches();
    this.kernels = Math.max(1, dispatches - this.dispatches);
    this.dispatches = dispatches;
    if (this.steps === 0) this.begun = now();
    this.steps++;
    const { known } = this;
    const together = known === null ? 1 : Math.max(1, Math.floor(SUBMIT_MS / known));
    if (this.steps >= this.burst || this.steps % together === 0) submit();
    if (this.steps < this.burst) return false;
    const { underWay, latencyIsDoubtful } = this;
    const burst = this.endBurst();
    if (this.mayOverlap && !latencyIsDoubtful && !(report && !this.isLate)) {
      this.underWay = burst;
      if (underWay) await this.waitFor(underWay);
      return underWay !== null;
    }
    this.underWay = null;
    await this.waitFor(underWay ? joined(underWay, burst) : burst);
    if (latencyIsDoubtful) await this.measureLatency();
    return true;
  }

  /** To be awaited after the last step of a pass, before its results are read: what is left is waited for as bursts are. */
  async afterPass(): Promise<void> {
    const { underWay, steps } = this;
    this.underWay = null;
    this.steps = 0;
    if (steps > 0) this.waiting.submit();
    if (this.isLate) return; // who reads the results waits for the same
    const rest = steps > 0 ? this.waiting.fence() : null;
    if (underWay) await this.waitFor(underWay);
    if (rest) await this.waiting.wait(rest, this.awake);
  }

  private endBurst(): Burst {
    const { steps, begun, waiting } = this;
    const cost = waiting.submittedCost();
    const asked = waiting.now();
    const fence = waiting.fence();
    const made = waiting.now();
    const ended = made - asked > BLOCKED_MS ? made : null;
    const burst = { steps, begun, cost: cost - this.cost, fence, ended };
    this.cost = cost;
    this.steps = 0;
    return burst;
  }

  private async waitFor(burst: Burst): Promise<void> {
    const { now } = this.waiting;
    const asked = now();
    await this.waiting.wait(burst.fence, this.awake);
    const seen = now();
    const ended = burst.ended ?? seen - this.waiting.latency();
    const ms = Math.max(0, ended - Math.max(burst.begun, this.ended));
    this.ended = ended;
    if (this.first) {
      this.first = false;
      return;
    }
    this.note(ms / burst.steps);
    // Where the GPU was done before the host, the time is the host's.
    if (burst.ended !== null || seen - asked > 0.1 * ms) this.addRate(burst.cost, ms);
    else this.rate = { cost: 0, ms: 0 };
  }

  /** Milliseconds a step took at least, of the last bursts. */
  private get known(): number | null {
    return this.stepMs.length > 0 ? Math.min(...this.stepMs) : null;
  }

  private get awake(): boolean {
    return this.known !== null && this.known / this.kernels < AWAKE_BELOW_MS;
  }

  private get isLate(): boolean {
    return this.waiting.latency() > LATE_MS;
  }

  /** A wait that may see the end a latency late must find as much work under way. */
  private get burstMs(): number {
    return Math.max(BURST_MS, 2 * this.waiting.latency());
  }

  /** Long steps are waited for one by one: two of them would only make the end of a training late. */
  private get mayOverlap(): boolean {
    const { known } = this;
    return known !== null && known < Math.max(BURST_MS, LATENCIES_OF_LONG_STEP * this.waiting.latency());
  }

  private note(stepMs: number): void {
    this.stepMs.push(stepMs);
    if (this.stepMs.length > 4) this.stepMs.shift();
    const { burstMs } = this;
    const wanted = Math.floor(burstMs / Math.max(stepMs, 1e-3));
    // Four times as many at most: one quick step must not promise too much.
    this.burst = Math.max(1, Math.min(wanted, 4 * this.burst, Math.floor((BURST_STEPS * burstMs) / BURST_MS)));
    this.longest = Math.max(this.longest, this.burst);
  }

  /**
   * Whether steps take so much longer than before that it may be the waits. Each burst would then be made shorter, and take as long:
   * whatever it holds, it is seen to end when a wait returns.
   */
  private get latencyIsDoubtful(): boolean {
    const age = this.waiting.now() - this.measured;
    return 2 * this.burst < this.longest && age > MEASURE_AFTER.ms + MEASURE_AFTER.latencies * this.waiting.latency();
  }

  private async measureLatency(): Promise<void> {
    await this.waiting.measureLatency();
    this.measured = this.waiting.now();
    this.longest = this.burst;
  }

  private addRate(cost: number, ms: number): void {
    this.rate = { cost: this.rate.cost + cost, ms: this.rate.ms + ms };
    const { rate } = this;
    if (rate.ms < LATENCIES_OF_RATE * this.waiting.latency() || rate.ms === 0) return;
    if (rate.cost > 0) this.waiting.noteRate(rate.cost, rate.ms);
    this.rate = { cost: 0, ms: 0 };
  }
}

/** Two bursts, one after the other, as one. */
const joined = (first: Burst, second: Burst): Burst => ({
  steps: first.steps + second.steps,
  cost: first.cost + second.cost,
  begun: first.begun,
  fence: second.fence,
  ended: second.ended,
});
