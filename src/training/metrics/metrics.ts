import type { Tensor } from '../../autograd/tensor.ts';
import { didYouMean, formatValue, readList } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { DeviceArray, Shape } from '../../kernels/array.ts';
import { showShape } from '../../kernels/array.ts';
import { classesOf, countConfusion, countTopK } from '../../kernels/metrics/metrics.ts';
import { ConfusionMatrix } from './confusion-matrix.ts';
import type { LabelCounts } from './label-counts.ts';
import {
  CustomMetric,
  type MetricFunction,
  metricName,
  type ValueMetricName,
  valueMetricNames,
} from './value-metrics.ts';

/** Scores of a confusion matrix: means over the classes; for a model with one unit, those of class 1, as in Keras. */
const SCORES = ['precision', 'recall', 'f1'] as const;

/**
 * `topK5` is the share of samples whose label is among the five largest outputs; `precision`, `recall` and `f1` are means over the
 * classes.
 * @useDeclaredType
 */
export type MetricName = 'accuracy' | `topK${number}` | (typeof SCORES)[number] | ValueMetricName;
/** A metric of a compiled model: functions have become `CustomMetric`. */
export type Metric = MetricName | CustomMetric;

/** Names of other libraries, for suggestions in messages. */
const OTHER_NAMES: Readonly<Record<string, string>> = { rmse: 'rootMeanSquaredError', r2: 'r2Score', acc: 'accuracy' };
/** Names in logs that metrics cannot have. */
const RESERVED_NAMES = [
  'loss',
  'epoch',
  'epochs',
  'step',
  'samples',
  'samplesTotal',
  'samplesPerSecond',
  'seconds',
  'learningRate',
];

const isCounted = (name: string) =>
  name === 'accuracy' || (SCORES as readonly string[]).includes(name) || /^topK[1-9]\d*$/.test(name);
export const isValueMetric = (metric: Metric): metric is ValueMetricName | CustomMetric =>
  typeof metric !== 'string' || valueMetricNames.includes(metric);

/** The metrics given to `compile`, without duplicates. @throws ArgumentError for an unknown metric, and for two functions of one name */
export function readMetrics(given: readonly (MetricName | MetricFunction | CustomMetric)[]): readonly Metric[] {
  const list = readList('compile', given);
  if (!list) throw new ArgumentError(`compile: metrics must be a list, but is ${formatValue(given)}`);
  const metrics = list.map((metric) => {
    if (metric instanceof CustomMetric) return metric;
    if (typeof metric === 'function') return new CustomMetric(metric as MetricFunction);
    if (typeof metric === 'string' && (isCounted(metric) || valueMetricNames.includes(metric)))
      return metric as MetricName;
    const names = ['accuracy', ...SCORES, ...valueMetricNames];
    throw new ArgumentError(
      `compile: metrics are accuracy, topK5 (or another number), ${[...SCORES, ...valueMetricNames].join(', ')}, or a function ` +
        `(output, target) => values, but ${formatValue(metric)} was given${didYouMean(metric, names, OTHER_NAMES)}`,
    );
  });
  const found = new Map<string, Metric>();
  for (const metric of metrics) {
    const name = metricName(metric);
    const before = found.get(name);
    found.set(name, before ?? metric);
    if (typeof metric === 'string' && (before === undefined || before === metric)) continue;
    const isReserved = RESERVED_NAMES.includes(name) || isCounted(name) || /^val[A-Z_]/.test(name);
    if (!isReserved && (before === undefined || before === metric)) continue;
    throw new ArgumentError(
      `compile: metric ${name} is a function, but logs use that name for something else; give it another one: new CustomMetric(f, 'name')`,
    );
  }
  return [...found.values()];
}

/** Outputs and true classes of a batch. */
export interface BatchPredictions {
  /** The model's output or its logits, f32 [N, C]. */
  output: Tensor;
  /** True classes, u32 [N]. */
  classes: Tensor;
  /** A model with one unit predicts class 1 if its output is above it. */
  threshold: number;
}

/**
 * Metrics that count samples. Each one adds at most two dispatches to a step. Integers are added up on the GPU; the host computes the
 * metrics when it reads them.
 */
export class MetricCounts {
  readonly accuracy: boolean;
  readonly topK: readonly number[];
  readonly scores: readonly (typeof SCORES)[number][];
  private readonly matrix: boolean;

  /** @param metrics value metrics among them are ignored. @throws ArgumentError if a metric does not fit the model */
  constructor(
    metrics: readonly Metric[],
    private readonly outputShape: Shape,
    /** `byLabel`: whether outputs may be independent labels, which need not be in one row. */
    options: { confusion?: boolean; byLabel?: boolean } = {},
  ) {
    const names = metrics.filter((metric) => !isValueMetric(metric)) as MetricName[];
    this.accuracy = names.includes('accuracy');
    this.scores = SCORES.filter((score) => names.includes(score));
    this.matrix = (options.confusion ?? false) || this.scores.length > 0;
    this.topK = names.flatMap((name) => (name.startsWith('topK') ? [Number(name.slice(4))] : []));
    const needsRow = options.byLabel ? this.topK.length > 0 : names.length > 0 || this.matrix;
    if (needsRow && outputShape.length !== 1) {
      const name = options.byLabel ? `topK${this.topK[0]}` : (names[0] ?? 'a confusion matrix');
      throw new ArgumentError(
        `compile: ${name} needs a model that ends in [classes] or [1], but it ends in ${showShape(outputShape)}`,
      );
    }
    if (this.topK.length > 0 && outputShape[0] === 1) {
      throw new ArgumentError(`compile: topK${this.topK[0]} needs an output for each class, but the model ends in [1]`);
    }
  }

  /** Names of the metrics in logs, without accuracy. */
  get names(): string[] {
    return [...this.topK.map((k) => `topK${k}`), ...this.scores];
  }

  private get classes(): number {
    return Math.max(2, this.outputShape[0] ?? 0);
  }

  /** u32 words of the counts: one for each `topK`, then the confusion matrix. Independent labels have other counts. */
  get countSize(): number {
    if (this.outputShape.length !== 1) return 0;
    return this.topK.length + (this.matrix ? this.classes ** 2 : 0);
  }

  /** Dispatches the counting of a batch. */
  count({ output, classes, threshold }: BatchPredictions, counts: DeviceArray): void {
    for (const [i, k] of this.topK.entries()) countTopK(output.array, classes.array, counts, { k, at: i });
    if (!this.matrix) return;
    const predicted = classesOf(output.array, threshold);
    countConfusion(classes.array, predicted, counts, { classes: this.classes, first: this.topK.length });
    predicted.dispose();
  }

  /** The metrics by name, from the counts of `samples` samples. @param labels set if the counts are of independent labels */
  compute(counts: Uint32Array, samples: number, labels: LabelCounts | null): Record<string, number> {
    if (labels) {
      const scores = labels.scores(counts);
      return Object.fromEntries(this.scores.map((score) => [score, scores[score]]));
    }
    const topK = this.topK.map((k, i) => [`topK${k}`, counts[i]! / samples] as const);
    if (this.scores.length === 0) return Object.fromEntries(topK);
    const { macro, perClass } = this.confusion(counts);
    const scores = this.outputShape[0] === 1 ? perClass[1]! : macro;
    return Object.fromEntries([...topK, ...this.scores.map((score) => [score, scores[score]] as const)]);
  }

  confusion(counts: Uint32Array): ConfusionMatrix {
    const first = this.topK.length;
    return ConfusionMatrix.of(counts.subarray(first, first + this.classes ** 2));
  }
}
