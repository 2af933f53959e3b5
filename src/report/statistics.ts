export interface Spread {
  mean: number | null;
  /** Sample standard deviation; `null` for a single value. */
  sd: number | null;
}

/** Mean and sample standard deviation (n - 1) of the values; the deviation of fewer than two is `null`. */
export function meanAndSd(values: readonly number[]): Spread {
  if (values.length === 0) return { mean: null, sd: null };
  const [first] = values as [number];
  // Relative to the first value, so that equal values have exactly that mean and a deviation of 0.
  const mean = first + values.reduce((sum, value) => sum + (value - first), 0) / values.length;
  if (values.length < 2) return { mean, sd: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squares / (values.length - 1)) };
}
