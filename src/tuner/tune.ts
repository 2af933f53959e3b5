import { ArgumentError } from '../base/errors.ts';
import { median } from '../gpu/timing.ts';

/** The variants of one operator at certain sizes on a device, to be compared and timed. */
export interface VariantBenchmark {
  /** Variants that support the adapter, the reference first. */
  variants: readonly string[];
  /** Variants that support the adapter but were refused, and why. Default none. */
  rejected?: Measurement['rejected'];
  /** Largest difference from the reference's result (see `toleranceOf`). */
  tolerance: number;
  /** Result of a variant, always from the same random data. */
  result(variant: string): Promise<Float32Array>;
  /** Milliseconds of `times` runs, including the wait for the last. */
  time(variant: string, times: number): Promise<number>;
}

/** Result of the tuner for one operator at certain sizes. */
export interface Measurement {
  /** The fastest variant with a correct result. */
  variant: string;
  /** Milliseconds of one run, by variant; from a single measurement if the variant was far behind. */
  ms: Record<string, number>;
  /** Variants with a wrong result, or that the adapter refuses. */
  rejected: {
    /** Name of the variant. */
    variant: string;
    /** Why it was rejected. */
    reason: string;
  }[];
}

export interface TuneOptions {
  /** Seconds for timing, without checks and compilation. Default 0.5. */
  seconds?: number;
  /** The smallest step of the clock, in milliseconds; see `clockResolution`. */
  resolution: number;
}

const ROUNDS = 5;
/** Largest relative error due to the clock's resolution. */
const PRECISION = 0.05;
/** A variant this many times slower than the best in the first measurement is not measured further. */
const FAR_BEHIND = 2;

/**
 * Resolution of a clock in milliseconds: 0.1 in many browsers, less than a microsecond in Node.
 * @throws ArgumentError if the clock does not change in 10 million reads
 */
export function clockResolution(now: () => number = () => performance.now()): number {
  let smallest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 10; i++) {
    const begun = now();
    let later = now();
    for (let reads = 0; later === begun; reads++) {
      if (reads > 1e7) {
        throw new ArgumentError(
          'tune: the clock did not change in 10 million reads, so kernels cannot be timed; use a runtime with a working clock',
        );
      }
      later = now();
    }
    smallest = Math.min(smallest, later - begun);
  }
  return smallest;
}

/**
 * Tolerance for sums of `length` products of values in -1 .. 1 in f32, in any order: about twice the largest difference from
 * random rounding, and far below the effect of one missing product.
 */
export const toleranceOf = (length: number): number => 2 ** -22 * (length + 16);

/**
 * Finds the fastest variant whose result matches the reference.
 * @throws ArgumentError if the clock is too coarse for `seconds`
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
      `tune: the clock's resolution is ${resolution} ms, so a measurement within ${100 * PRECISION}% takes ${needed.toFixed(1)} ms, but ` +
        `${ROUNDS} rounds of ${candidates.length} kernels in ${seconds} s leave ${share.toFixed(1)} ms; give more seconds`,
    );
  }

  const ms: Record<string, number> = {};
  for (const variant of candidates) {
    // Until a measurement is long enough for the clock; the last and longest one counts.
    for (let times = 1, took = 0; took < needed; times *= 4) {
      took = await bench.time(variant, times);
      ms[variant] = took / times;
    }
  }
  const best = Math.min(...Object.values(ms));
  const running = candidates.filter((variant) => ms[variant]! <= FAR_BEHIND * best);
  const all = new Map(running.map((variant) => [variant, [] as number[]]));
  for (let round = 0; round < ROUNDS; round++) {
    // In alternating order, so that a machine that slows down affects all variants equally.
    for (const variant of round % 2 === 0 ? running : [...running].reverse()) {
      const times = Math.max(1, Math.ceil(needed / ms[variant]!), Math.floor(share / ms[variant]!));
      all.get(variant)!.push((await bench.time(variant, times)) / times);
    }
  }
  for (const [variant, values] of all) ms[variant] = median(values);
  const variant = running.reduce((fastest, one) => (ms[one]! < ms[fastest]! ? one : fastest));
  return { variant, ms, rejected };
}

/** Why a result differs from the expected one; null if it does not. */
function difference(actual: Float32Array, expected: Float32Array, tolerance: number): string | null {
  if (actual.length !== expected.length) return `it gave ${actual.length} values instead of ${expected.length}`;
  let [worst, index] = [0, -1];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i]! - expected[i]!);
    if (!(distance <= worst)) [worst, index] = [distance, i]; // NaN too
    if (Number.isNaN(worst)) break;
  }
  if (worst <= tolerance) return null;
  return `element ${index} is ${actual[index]} instead of ${expected[index]} (tolerance ${tolerance.toExponential(1)})`;
}
