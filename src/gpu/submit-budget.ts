import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { DispatchInfo } from './command.ts';
import { Storage } from './storage.ts';

// How much work a submit, and a single dispatch, may hold. Watchdogs reset a GPU that cannot be interrupted for too long: after 2 s on
// Windows, after some hundred milliseconds where macOS and browsers see the screen suffer. A submit waits for nothing, so one every
// 50 ms costs nothing; and dispatches that are cut compute what they computed whole (see cut-grid.ts).

/** Milliseconds of work in a submit. */
const SUBMIT_MS = 50;
/** Milliseconds of a dispatch, beyond which it is cut. */
const DISPATCH_MS = 250;

/** Operations that take as long as moving a byte: about 10 on lavapipe, 1 to 10 on GPUs. */
const FLOPS_PER_BYTE = 8;
/** Operations that take as long as starting a dispatch. */
const FLOPS_PER_DISPATCH = 1e6;

/** Before anything was measured: 50 ms of a GPU that does 40 GFLOP/s or moves 5 GB/s. Phones and integrated GPUs do. */
const INITIAL_SUBMIT_COST = 2e9;
/** A quarter of a second of one that does 32. */
const INITIAL_DISPATCH_COST = 8e9;
/**
 * Costs in a millisecond that an adapter does at least, however slow it seemed on a machine that had other things to do: 5 GFLOP/s,
 * which is a slow processor's.
 */
const MIN_RATE = 5e6;

/** Measurements that are remembered. */
const MAX_RATES = 5;
/** Milliseconds that a measurement must have taken: the wait itself would count in shorter ones. */
const MIN_MS = 5;

/**
 * What a dispatch costs, in floating-point operations: those of its arithmetic, and as many as would take the time of the bytes moved.
 * Bytes are those of each bound array once, unless `work` says so.
 */
export function costOf(bindings: readonly object[], cost?: Pick<DispatchInfo, 'flops' | 'bytes'>): number {
  return FLOPS_PER_DISPATCH + (cost?.flops ?? 0) + FLOPS_PER_BYTE * (cost?.bytes ?? bytesBound(bindings));
}

/** Bytes of the arrays bound, each once. */
export function bytesBound(bindings: readonly object[]): number {
  let bytes = 0;
  for (const [i, one] of bindings.entries()) {
    if (!(one instanceof Storage)) continue;
    // A kernel without a bias, say, has another array bound in its place.
    const known = bindings.findIndex((other) => other instanceof Storage && sameRange(other, one));
    if (known === i) bytes += one.bytes;
  }
  return bytes;
}

const sameRange = (a: Storage, b: Storage) => a.buffer === b.buffer && a.offset === b.offset;

/** The bounds on submits and dispatches, by the rate at which the adapter was seen to work. */
export class SubmitBudget {
  /** The most cost of a submit that holds several dispatches. */
  maxSubmitCost = INITIAL_SUBMIT_COST;
  /** The cost of a dispatch beyond which it is cut. */
  maxDispatchCost = INITIAL_DISPATCH_COST;
  /** Costs in a millisecond, the latest last. */
  private readonly rates: number[] = [];

  /**
   * Takes note that work of this cost took so many milliseconds.
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
    // The second highest: compilation, a host that is behind and other programs only make work look slower than it is, and
    // a wait that was noticed late may make the next look faster.
    const sorted = this.rates.toSorted((a, b) => b - a);
    const rate = Math.max(MIN_RATE, sorted[Math.min(1, sorted.length - 1)]!);
    this.maxSubmitCost = SUBMIT_MS * rate;
    this.maxDispatchCost = DISPATCH_MS * rate;
  }
}
