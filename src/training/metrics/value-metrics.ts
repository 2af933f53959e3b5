import { meanAbsoluteError, meanSquaredError } from '../../autograd/losses/losses.ts';
import { mean } from '../../autograd/reduce/reduce.ts';
import { Tensor } from '../../autograd/tensor.ts';
import { checkSurplus, formatValue } from '../../base/check.ts';
import { ArgumentError, ShapeError, TilegradError } from '../../base/errors.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import { accumulateMoments, type Moments } from '../../kernels/reduce/moments.ts';
import { checkDType, commonReplicas } from '../../kernels/run.ts';
import type { EpochTotals, RunningTotals } from './totals.ts';

/** `(output, target) => values`, both f32 of the output's shape: see `CustomMetric`. */
export type MetricFunction = (output: Tensor, target: Tensor) => Tensor;

/** Keras's names of metrics that compare values; the short names are logged as given. */
const NAMES = ['mae', 'meanAbsoluteError', 'mse', 'meanSquaredError', 'rootMeanSquaredError', 'r2Score'] as const;
/**
 * Metrics that compare the values of output and target, by name; `mae` and `mse` are short for the two names behind them.
 * @useDeclaredType
 */
export type ValueMetricName = (typeof NAMES)[number];
export const valueMetricNames: readonly string[] = NAMES;

/**
 * A metric from a function of operators. The function is called with the model's output and the target, both f32 [N, ...outputShape]; labels
 * become one-hot rows. It returns one value for each sample [N], several [N, ...], or the mean of the batch []. The metric is the mean
 * over all samples. The function runs when a step is recorded, not at each step.
 */
export class CustomMetric {
  /** Name of the class in messages, because bundlers rename it. */
  readonly [Symbol.toStringTag] = 'CustomMetric';

  /**
   * @param name its name in logs, of letters, digits and _. Default: the name of the function, which bundlers may change
   * @throws ArgumentError unless `f` is a function and `name` a valid name
   */
  constructor(
    /** The function. */
    readonly f: MetricFunction,
    readonly name: string = typeof f === 'function' ? f.name : '',
    ...surplus: never[]
  ) {
    checkSurplus('CustomMetric', surplus);
    if (typeof f !== 'function' || /^class\b/.test(Function.prototype.toString.call(f))) {
      throw new ArgumentError(
        `CustomMetric: takes a function (output, target) => values, but was given ${formatValue(f)}`,
      );
    }
    if (typeof name === 'string' && name === '') {
      throw new ArgumentError(
        "CustomMetric: the function has no name to be logged by; give one, as in new CustomMetric(f, 'bias')",
      );
    }
    if (typeof name !== 'string' || !/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name)) {
      throw new ArgumentError(
        `CustomMetric: the name must begin with a letter and contain only letters, digits and _, but is ${formatValue(name)}`,
      );
    }
  }

  /** The mean over a batch []. @throws ArgumentError, ShapeError if the function throws (as `cause`) or returns anything else */
  call(output: Tensor, target: Tensor): Tensor {
    const subject = `metric ${this.name}`;
    const values = this.values(subject, output, target);
    if (!(values instanceof Tensor)) {
      throw new ArgumentError(
        `${subject}: must return a tensor, one value for the batch or for each sample, but returned ${formatValue(values)}`,
      );
    }
    commonReplicas(subject, [output.array, values.array]);
    checkDType(subject, 'what it returns', values.array, 'f32');
    const samples = output.shape[0]!;
    if (values.shape.length > 0 && (values.shape[0] !== samples || values.size === 0)) {
      throw new ShapeError(
        `${subject}: must return one value [], or values of each of the ${samples} samples, [${samples}] or [${samples},...], but returned ` +
          showShape(values.shape),
      );
    }
    return values.shape.length > 0 ? mean(values) : values;
  }

  private values(subject: string, output: Tensor, target: Tensor): unknown {
    try {
      return this.f(output, target);
    } catch (cause) {
      const message = `${subject}: the function threw ${cause instanceof Error ? cause.message : formatValue(cause)}`;
      if (cause instanceof ShapeError) throw new ShapeError(message, { cause });
      if (cause instanceof TilegradError && !(cause instanceof ArgumentError)) throw cause;
      throw new ArgumentError(message, { cause });
    }
  }
}

/** A metric that is computed from a mean over all samples. */
interface MeanMetric {
  /** Metrics with the same key share the mean. */
  key: unknown;
  /** The mean over a batch []. */
  call(output: Tensor, target: Tensor): Tensor;
}

const squaredError: MeanMetric = { key: 'mse', call: (y, t) => meanSquaredError(y, t) };
const absoluteError: MeanMetric = { key: 'mae', call: (y, t) => meanAbsoluteError(y, t) };

/**
 * Metrics that compare values, over the whole data set and independent of the batch size. With t the targets, y the outputs and N their number:
 *
 *     mae, meanAbsoluteError   sum |t - y| / N
 *     mse, meanSquaredError    sum (t - y)^2 / N
 *     rootMeanSquaredError     sqrt(sum (t - y)^2 / N), as keras.metrics.RootMeanSquaredError
 *     r2Score                  1 - sum (t - y)^2 / sum (t - mean(t))^2 of each column, then the mean over the columns
 *
 * `r2Score` is keras.metrics.R2Score with its default `class_aggregation='uniform_average'`, and scikit-learn's `r2_score`. As there, a column
 * with equal targets has the score 1 if the outputs equal them, else 0. Means are added up like losses, with a relative error of at most
 * 5e-6; for R2 see shaders/reduce/moments.wgsl. Class weights have no effect, as in Keras's `metrics`.
 */
export class ValueMetrics {
  private readonly means: readonly MeanMetric[];
  /** Columns whose moments are added up for R2; 0 without R2. */
  readonly columns: number;

  /** @throws ArgumentError for R2 if the output of the model has more than one axis */
  constructor(
    private readonly metrics: readonly (ValueMetricName | CustomMetric)[],
    outputShape: Shape,
  ) {
    const all = metrics.flatMap((metric) => toMeanMetric(metric) ?? []);
    this.means = all.filter(({ key }, i) => all.findIndex((other) => other.key === key) === i);
    const hasR2 = metrics.includes('r2Score');
    if (hasR2 && outputShape.length !== 1) {
      throw new ArgumentError(
        `compile: r2Score needs a model that ends in [outputs], but it ends in ${showShape(outputShape)}; end it in a Flatten or Reshape`,
      );
    }
    this.columns = hasR2 ? outputShape[0]! : 0;
  }

  /** Number of means. */
  get count(): number {
    return this.means.length;
  }

  get names(): string[] {
    return this.metrics.map(metricName);
  }

  /** Dispatches the addition of a batch to the totals, off the tape; output and target f32 [N, ...outputShape]. */
  add(output: Tensor, target: Tensor, totals: RunningTotals): void {
    for (const [i, { call }] of this.means.entries()) totals.addMean(i, call(output, target), output.shape[0]!);
    if (this.columns > 0) accumulateMoments(output.array, target.array, totals.moments);
  }

  /** The metrics by name. */
  compute({ means, moments }: Pick<EpochTotals, 'means' | 'moments'>): Record<string, number> {
    const value = (metric: ValueMetricName | CustomMetric) => {
      if (metric === 'r2Score') return r2Score(moments);
      const { key } = toMeanMetric(metric)!;
      const average = means[this.means.findIndex((other) => other.key === key)]!;
      return metric === 'rootMeanSquaredError' ? Math.sqrt(average) : average;
    };
    return Object.fromEntries(this.metrics.map((metric) => [metricName(metric), value(metric)]));
  }
}

/** Name of a metric in logs. */
export const metricName = <T extends string>(metric: T | CustomMetric): string =>
  typeof metric === 'string' ? metric : metric.name;

/** Null for R2, which is not a mean. */
function toMeanMetric(metric: ValueMetricName | CustomMetric): MeanMetric | null {
  if (typeof metric !== 'string') return { key: metric.f, call: (y, t) => metric.call(y, t) };
  if (metric === 'r2Score') return null;
  return metric === 'mae' || metric === 'meanAbsoluteError' ? absoluteError : squaredError;
}

function r2Score(columns: readonly Moments[]): number {
  const scores = columns.map(({ deviations, errors }) =>
    deviations === 0 ? Number(errors === 0) : 1 - errors / deviations,
  );
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
