import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { DispatchInfo } from './command.ts';
import { Storage } from './storage.ts';

// Limits on the work of a submit and of a dispatch. Watchdogs reset a GPU that is busy for too long: after 2 s on
// Windows, after some hundred milliseconds if macOS or a browser cannot update the screen. A submit does not wait, so one every
// 50 ms costs nothing, and a dispatch that is split computes the same bits (see cut-grid.ts).

/** Most milliseconds of work in a submit. */
const SUBMIT_MS = 50;
/** Most milliseconds of a dispatch; longer ones are split. */
const DISPATCH_MS = 250;

/** Floating-point operations that take as long as moving one byte: about 10 on lavapipe, 1 to 10 on GPUs. */
const FLOPS_PER_BYTE = 8;
/** Floating-point operations that take as long as starting a dispatch. */
const FLOPS_PER_DISPATCH = 1e6;

/** Limit before any measurement: 50 ms of a GPU with 40 GFLOP/s or 5 GB/s, as phones and integrated GPUs have. */
const INITIAL_SUBMIT_COST = 2e9;
/** Limit before any measurement: 250 ms of a GPU with 32 GFLOP/s. */
const INITIAL_DISPATCH_COST = 8e9;
/**
 * Lowest assumed rate, in cost per millisecond, also if an adapter on a busy machine seemed slower: 5 GFLOP/s,
 * that of a slow processor.
 */
const MIN_RATE = 5e6;

/** Number of measurements that are kept. */
const MAX_RATES = 5;
/** Shortest measurement in milliseconds; the wait itself would count in shorter ones. */
const MIN_MS = 5;

/**
 * Estimated cost of a dispatch, in floating-point operations: its arithmetic, plus the equivalent of the bytes moved and of starting it.
 * @param cost its operations (default 0) and bytes (default each bound array once)
 */
export function costOf(bindings: readonly object[], cost?: Pick<DispatchInfo, 'flops' | 'bytes'>): number {
  return FLOPS_PER_DISPATCH + (cost?.flops ?? 0) + FLOPS_PER_BYTE * (cost?.bytes ?? bytesBound(bindings));
}

/** Bytes of the bound arrays, each once. */
export function bytesBound(bindings: readonly object[]): number {
  let bytes = 0;
  for (const [i, one] of bindings.entries()) {
    if (!(one instanceof Storage)) continue;
    // A kernel without a bias has another array bound in its place.
    const known = bindings.findIndex((other) => other instanceof Storage && isSameRange(other, one));
    if (known === i) bytes += one.bytes;
  }
  return bytes;
}

const isSameRange = (a: Storage, b: Storage) => a.buffer === b.buffer && a.offset === b.offset;

/** Limits on the cost of submits and dispatches, from the measured rate of the adapter. */
export class SubmitBudget {
  /** Largest cost of a submit with several dispatches. */
  maxSubmitCost = INITIAL_SUBMIT_COST;
  /** Largest cost of a dispatch; above it, the dispatch is split. */
  maxDispatchCost = INITIAL_DISPATCH_COST;
  /** Measured rates in cost per millisecond, the latest last. */
  private readonly rates: number[] = [];

  /**
   * Adds a measurement: how many milliseconds work of this cost took.
   * @throws ArgumentError unless both are numbers from 0 up
   */
  addMeasurement(cost: number, milliseconds: number): void {
    for (const [name, value] of Object.entries({ cost, milliseconds })) {
      if (Number.isFinite(value) && value >= 0) continue;
      throw new ArgumentError(`noteRate: ${name} must be a number from 0 up, but is ${formatValue(value)}`);
    }
    if (cost === 0 || milliseconds < MIN_MS) return;
    this.rates.push(cost / milliseconds);
    if (this.rates.length > MAX_RATES) this.rates.shift();
    // The second highest: compilation, a slow host and other programs only make work look slower than it is, but
    // a wait that ended late may make the next one look faster.
    const sorted = this.rates.toSorted((a, b) => b - a);
    const rate = Math.max(MIN_RATE, sorted[Math.min(1, sorted.length - 1)]!);
    this.maxSubmitCost = SUBMIT_MS * rate;
    this.maxDispatchCost = DISPATCH_MS * rate;
  }
}
