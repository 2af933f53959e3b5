import { ArgumentError } from '../base/errors.ts';
import { median } from '../gpu/timing.ts';

/** What the tuner needs of one operator at certain sizes on a device. */
export interface VariantBenchmark {
  /** Implementations that serve, the reference first. */
  variants: readonly string[];
  /** Variants that serve but could not be made ready, and why. */
  rejected?: Measurement['rejected'];
  /** How far a result may be from the reference's, given the length of its sums (see `toleranceOf`). */
  tolerance: number;
  /** What a variant computes from the same random data every time. */
  result(variant: string): Promise<Float32Array>;
  /** Milliseconds of `times` runs, waited for. */
  time(variant: string, times: number): Promise<number>;
}

/** What came out for one operator at certain sizes. */
export interface Measurement {
  /** The fastest of those that compute the right thing. */
  variant: string;
  /** Milliseconds of one run; of a variant that was far behind, by one look. */
  ms: Record<string, number>;
  /** Variants that compute something else, or that the adapter refuses. */
  rejected: {
    /** Name of the variant. */
    variant: string;
    /** Why it is out of the running. */
    reason: string;
  }[];
}

export interface TuneOptions {
  /** Seconds for the timing; checks and compiling come on top. Default 0.5. */
  seconds?: number;
  /** The smallest step of the clock, in milliseconds; see `clockResolution`. */
  resolution: number;
}

const ROUNDS = 5;
/** What a figure may be wrong by because the clock ticks. */
const PRECISION = 0.05;
/** A variant this many times slower than the best at first sight is out of the running. */
const FAR_BEHIND = 2;

/**
 * The smallest step that a clock shows, in milliseconds: 0.1 in many browsers, less than a microsecond in Node.
 * @throws ArgumentError for a clock that stands still
 */
export function clockResolution(now: () => number = () => performance.now()): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 10; i++) {
    const begun = now();
    let later = now();
    for (let looks = 0; later === begun; looks++) {
      if (looks > 1e7) throw new ArgumentError('tune: the clock stands still');
      later = now();
    }
    least = Math.min(least, later - begun);
  }
  return least;
}

/**
 * How far two sums of `length` products of values in -1 .. 1 may be apart in f32 whatever their order: about twice what
 * random rounding gives at worst, and far below what one missing product makes.
 */
export const toleranceOf = (length: number): number => 2 ** -22 * (length + 16);

/**
 * Finds the fastest variant that computes what the reference does.
 * @throws ArgumentError when the clock is too coarse for the seconds given
 */
export async function tuneOperator(
  bench: VariantBenchmark,
  { seconds = 0.5, resolution }: TuneOptions,
): Promise<Measurement> {
  const [reference, ...others] = bench.variants as [string, ...string[]];
  const expected = await bench.result(reference);
  const rejected: Measurement['rejected'] = [...(bench.rejected ?? [])];
  const candidates = [reference];
  for (const variant of others) {
    const reason = difference(await bench.result(variant), expected, bench.tolerance);
    if (reason) rejected.push({ variant, reason });
    else candidates.push(variant);
  }
  if (candidates.length === 1) return { variant: reference, ms: {}, rejected };

  const needed = resolution / PRECISION;
  const share = (1000 * seconds) / ROUNDS / candidates.length;
  if (needed > share) {
    throw new ArgumentError(
      `tune: the clock ticks every ${resolution} ms, so a figure within ${100 * PRECISION}% takes ${needed.toFixed(1)} ms, but ` +
        `${ROUNDS} rounds of ${candidates.length} kernels in ${seconds} s leave ${share.toFixed(1)} ms: give more seconds`,
    );
  }

  const ms: Record<string, number> = {};
  for (const variant of candidates) {
    // Until the clock has seen enough of it; the last and longest look counts.
    for (let times = 1, took = 0; took < needed; times *= 4) {
      took = await bench.time(variant, times);
      ms[variant] = took / times;
    }
  }
  const best = Math.min(...Object.values(ms));
  const running = candidates.filter((variant) => ms[variant]! <= FAR_BEHIND * best);
  const all = new Map(running.map((variant) => [variant, [] as number[]]));
  for (let round = 0; round < ROUNDS; round++) {
    // Back and forth, so that a machine that slows down slows all of them alike.
    for (const variant of round % 2 === 0 ? running : [...running].reverse()) {
      const times = Math.max(1, Math.ceil(needed / ms[variant]!), Math.floor(share / ms[variant]!));
      all.get(variant)!.push((await bench.time(variant, times)) / times);
    }
  }
  for (const [variant, values] of all) ms[variant] = median(values);
  const variant = running.reduce((so, one) => (ms[one]! < ms[so]! ? one : so));
  return { variant, ms, rejected };
}

/** Why a result is not the expected one, or null. */
function difference(actual: Float32Array, expected: Float32Array, tolerance: number): string | null {
  if (actual.length !== expected.length) return `it gave ${actual.length} values instead of ${expected.length}`;
  let [worst, at] = [0, -1];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i]! - expected[i]!);
    if (!(distance <= worst)) [worst, at] = [distance, i]; // NaN too
    if (Number.isNaN(worst)) break;
  }
  if (worst <= tolerance) return null;
  return `element ${at} is ${actual[at]} instead of ${expected[at]} (tolerance ${tolerance.toExponential(1)})`;
}
