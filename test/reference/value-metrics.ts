/** Metrics of values in float64, from their definitions, over all rows at once. */
export interface ValueFigures {
  meanAbsoluteError: number;
  meanSquaredError: number;
  rootMeanSquaredError: number;
  r2Score: number;
}

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Coefficient of determination: 1 - (unexplained variance / variance of the targets). */
function determination(outputs: readonly number[], targets: readonly number[]): number {
  const center = average(targets);
  const variance = average(targets.map((t) => (t - center) ** 2));
  const unexplained = average(targets.map((t, i) => (t - outputs[i]!) ** 2));
  if (variance === 0) return unexplained === 0 ? 1 : 0;
  return 1 - unexplained / variance;
}

/** @param outputs rows of `columns` values, like the targets */
export function valueFigures(outputs: ArrayLike<number>, targets: ArrayLike<number>, columns: number): ValueFigures {
  const errors = Array.from(targets, (t, i) => t - outputs[i]!);
  const column = (values: ArrayLike<number>, c: number) => Array.from(values).filter((_, i) => i % columns === c);
  const scores = Array.from({ length: columns }, (_, c) => determination(column(outputs, c), column(targets, c)));
  const meanSquaredError = average(errors.map((error) => error ** 2));
  return {
    meanAbsoluteError: average(errors.map(Math.abs)),
    meanSquaredError,
    rootMeanSquaredError: Math.sqrt(meanSquaredError),
    r2Score: average(scores),
  };
}
