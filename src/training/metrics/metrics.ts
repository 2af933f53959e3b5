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

/** Scores of a confusion matrix that have one figure: the mean over the classes, or of one unit, as in Keras, class 1's. */
const SCORES = ['precision', 'recall', 'f1'] as const;

/**
 * `topK5` is the share of samples whose label is among the five largest outputs; `precision`, `recall` and `f1` are means over the
 * classes.
 * @useDeclaredType
 */
export type MetricName = 'accuracy' | `topK${number}` | (typeof SCORES)[number] | ValueMetricName;
/** What `compile` made of what it was given: functions have names. */
export type Metric = MetricName | CustomMetric;

/** Names that other libraries have for the same. */
const MEANT: Readonly<Record<string, string>> = { rmse: 'rootMeanSquaredError', r2: 'r2Score', acc: 'accuracy' };
/** What logs call something else. */
const TAKEN = [
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

/** The metrics that `compile` was given, each once. @throws ArgumentError for what is none, and for two functions of one name */
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
        `(output, target) => values, but ${formatValue(metric)} was given${didYouMean(metric, names, MEANT)}`,
    );
  });
  const found = new Map<string, Metric>();
  for (const metric of metrics) {
    const name = metricName(metric);
    const before = found.get(name);
    found.set(name, before ?? metric);
    if (typeof metric === 'string' && (before === undefined || before === metric)) continue;
    const isTaken = TAKEN.includes(name) || isCounted(name) || /^val[A-Z_]/.test(name);
    if (!isTaken && (before === undefined || before === metric)) continue;
    throw new ArgumentError(
      `compile: metric ${name} is a function, but logs call something else by that name; give it one of its own: new CustomMetric(f, 'name')`,
    );
  }
  return [...found.values()];
}

/** What a batch gives metrics to count. */
export interface BatchPredictions {
  /** The model's output or its logits [N,C]. */
  output: Tensor;
  /** u32 [N]. */
  classes: Tensor;
  /** Above it, an output of one unit means class 1. */
  threshold: number;
}

/**
 * What `compile` was asked to measure besides the loss. Each sort of count is a dispatch or two at the end of a step, none where
 * it was not asked for; whole numbers gather on the GPU and become shares when they are read.
 */
export class MetricCounts {
  readonly accuracy: boolean;
  readonly topK: readonly number[];
  readonly scores: readonly (typeof SCORES)[number][];
  private readonly matrix: boolean;

  /** @param metrics those that are not counted here are left out. @throws ArgumentError for a model that a metric does not suit */
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

  /** Names of the figures in logs, without accuracy. */
  get names(): string[] {
    return [...this.topK.map((k) => `topK${k}`), ...this.scores];
  }

  private get classes(): number {
    return Math.max(2, this.outputShape[0] ?? 0);
  }

  /** u32 words of the counts: those of `topK`, then the matrix. Independent labels have other counts. */
  get countSize(): number {
    if (this.outputShape.length !== 1) return 0;
    return this.topK.length + (this.matrix ? this.classes ** 2 : 0);
  }

  /** Dispatches the counting of a batch. */
  count({ output, classes, threshold }: BatchPredictions, counts: DeviceArray): void {
    for (const [at, k] of this.topK.entries()) countTopK(output.array, classes.array, counts, { k, at });
    if (!this.matrix) return;
    const predicted = classesOf(output.array, threshold);
    countConfusion(classes.array, predicted, counts, { classes: this.classes, first: this.topK.length });
    predicted.dispose();
  }

  /** The figures by name, from the counts of `samples` samples. @param labels where those are of independent labels */
  compute(counts: Uint32Array, samples: number, labels: LabelCounts | null): Record<string, number> {
    if (labels) {
      const scores = labels.scores(counts);
      return Object.fromEntries(this.scores.map((score) => [score, scores[score]]));
    }
    const figures = this.topK.map((k, at) => [`topK${k}`, counts[at]! / samples] as const);
    if (this.scores.length === 0) return Object.fromEntries(figures);
    const { macro, perClass } = this.confusion(counts);
    const scores = this.outputShape[0] === 1 ? perClass[1]! : macro;
    return Object.fromEntries([...figures, ...this.scores.map((score) => [score, scores[score]] as const)]);
  }

  confusion(counts: Uint32Array): ConfusionMatrix {
    const first = this.topK.length;
    return ConfusionMatrix.of(counts.subarray(first, first + this.classes ** 2));
  }
}
