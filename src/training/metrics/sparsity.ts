import { checkNumbers, formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';

// How unevenly numbers are distributed: 0 when all are alike, towards 1 when a few hold everything. In float64, on the host.
// Hurley and Rickard, "Comparing Measures of Sparsity", 2009, compare them.

/** @throws ArgumentError without values or with one that is not finite */
function checked(subject: string, values: ArrayLike<number>): Float64Array {
  const copy = Float64Array.from(checkNumbers(subject, values));
  if (copy.length === 0) throw new ArgumentError(`${subject}: needs at least one value`);
  const bad = copy.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new ArgumentError(`${subject}: value ${bad} is ${copy[bad]}, which no sparsity can be computed from`);
  return copy;
}

/**
 * Gini index of values shifted by their minimum where that is negative, plus 1e-7, in ascending order w_1 .. w_n:
 * sum (2i - n - 1) w_i / (n sum w_i). The shift means that it asks how values lie above the smallest, not around 0.
 * @throws ArgumentError
 */
export function giniIndex(values: ArrayLike<number>): number {
  const sorted = checked('giniIndex', values).sort();
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

/** Hoyer's measure, (sqrt(n) - |w|_1 / |w|_2) / (sqrt(n) - 1): 0 for equal magnitudes, 1 for a single one; 0 for zeros only. @throws ArgumentError */
export function hoyerSparsity(values: ArrayLike<number>): number {
  const all = checked('hoyerSparsity', values);
  let [sum, squares] = [0, 0];
  for (const value of all) {
    sum += Math.abs(value);
    squares += value * value;
  }
  if (squares === 0 || all.length === 1) return 0;
  const root = Math.sqrt(all.length);
  return (root - sum / Math.sqrt(squares)) / (root - 1);
}

/** Share of values of magnitude up to `threshold` (default 1e-3). @throws ArgumentError */
export function nearZeroShare(values: ArrayLike<number>, threshold = 1e-3): number {
  if (typeof threshold !== 'number' || !(threshold >= 0)) {
    throw new ArgumentError(`nearZeroShare: threshold must be 0 or more, but is ${formatValue(threshold)}`);
  }
  const all = checked('nearZeroShare', values);
  return all.filter((value) => Math.abs(value) <= threshold).length / all.length;
}
