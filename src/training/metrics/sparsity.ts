import { checkNumbers, formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';

// Measures of how unevenly magnitudes are distributed, from 0 (all equal) towards 1 (a few are large). In float64, on the host.
// Hurley and Rickard, "Comparing Measures of Sparsity", 2009, compare them.

/** A copy of the values. @throws ArgumentError without values, or if one is not finite */
function readFinite(subject: string, values: ArrayLike<number>): Float64Array {
  const copy = Float64Array.from(checkNumbers(subject, values));
  if (copy.length === 0) throw new ArgumentError(`${subject}: needs at least one value`);
  const bad = copy.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new ArgumentError(`${subject}: value ${bad} is ${copy[bad]}, which no sparsity can be computed from`);
  return copy;
}

/**
 * Gini index sum (2i - n - 1) w_i / (n sum w_i) of the values in ascending order w_1 .. w_n. A negative minimum is subtracted first, and
 * 1e-7 added: the index compares the distances from the smallest value, not from 0.
 * @throws ArgumentError
 */
export function giniIndex(values: ArrayLike<number>): number {
  const sorted = readFinite('giniIndex', values).sort();
  const n = sorted.length;
  const shift = 1e-7 - Math.min(0, sorted[0]!);
  let [weighted, sum] = [0, 0];
  for (let i = 0; i < n; i++) {
    const value = sorted[i]! + shift;
    weighted += (2 * (i + 1) - n - 1) * value;
    sum += value;
  }
  return weighted / (n * sum);
}

/**
 * Hoyer's measure (sqrt(n) - |w|_1 / |w|_2) / (sqrt(n) - 1): 0 for equal magnitudes, 1 if only one value is not 0. It is 0 if all are 0.
 * @throws ArgumentError
 */
export function hoyerSparsity(values: ArrayLike<number>): number {
  const all = readFinite('hoyerSparsity', values);
  let [sum, squares] = [0, 0];
  for (const value of all) {
    sum += Math.abs(value);
    squares += value * value;
  }
  if (squares === 0 || all.length === 1) return 0;
  const root = Math.sqrt(all.length);
  return (root - sum / Math.sqrt(squares)) / (root - 1);
}

/** Share of the values with a magnitude of at most `threshold` (default 1e-3). @throws ArgumentError */
export function nearZeroShare(values: ArrayLike<number>, threshold = 1e-3): number {
  if (typeof threshold !== 'number' || !(threshold >= 0)) {
    throw new ArgumentError(`nearZeroShare: threshold must be 0 or more, but is ${formatValue(threshold)}`);
  }
  const all = readFinite('nearZeroShare', values);
  return all.filter((value) => Math.abs(value) <= threshold).length / all.length;
}
