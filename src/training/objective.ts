import { noGrad } from '../autograd/tape.ts';
import { scope, Tensor, tensor } from '../autograd/tensor.ts';
import { checkF32, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { sizeOf } from '../kernels/array.ts';
import { gatherRows, oneHot } from '../kernels/gather/gather-rows.ts';
import { binaryHits, classesOf, countHits } from '../kernels/metrics/metrics.ts';
import { activate } from '../nn/layers/activation.ts';
import type { CallOptions } from '../nn/layers/layer.ts';
import { TargetCheck } from './batches/target-check.ts';
import { hasIndependentLabels, type TargetEncoding, toClassTargets, toLossTargets } from './batches/targets.ts';
import { callSubgraph } from './call-subgraph.ts';
import type { ConfusionMatrix } from './metrics/confusion-matrix.ts';
import { LabelCounts } from './metrics/label-counts.ts';
import { isValueMetric, MetricCounts } from './metrics/metrics.ts';
import { type EpochTotals, RunningTotals } from './metrics/totals.ts';
import { ValueMetrics } from './metrics/value-metrics.ts';
import type { Trainable } from './trainable.ts';

/** Factors by class for the loss; the factor of all other classes is 1, as in Keras. */
export type ClassWeight = Readonly<Record<number, number>> | readonly number[];

/** Metrics by name: loss, accuracy if the model predicts classes, and the metrics given to `compile`. */
export interface Metrics {
  /** Mean loss over the samples, penalties included. */
  loss: number;
  /** Share of correctly classified samples; only of models that predict classes. */
  accuracy?: number;
  [metric: string]: number | undefined;
}

/** Loss and metrics of a model on some data, added up on the GPU. */
export class Objective {
  readonly totals: RunningTotals;
  private readonly metrics: MetricCounts;
  private readonly values: ValueMetrics;
  /** Null if outputs cannot be independent labels. */
  private readonly labelCounts: LabelCounts | null;
  private readonly targetCheck: TargetCheck | null;
  private readonly classWeight: Tensor | null;
  private encoding: TargetEncoding | null;

  /** @throws ArgumentError if class weights or metrics do not fit the model and its targets */
  constructor(
    private readonly subject: string,
    private readonly model: Trainable,
    private readonly options: {
      encoding: TargetEncoding | null;
      classWeight?: ClassWeight;
      confusion?: boolean;
      /** Whether targets are numbers whose range the host does not know. Default false. */
      unchecked?: boolean;
      /** Graph value of the model that x holds: see `FeatureCache`. Default 0, the input. */
      startValue?: number;
    },
  ) {
    const { finalActivation, outputShape, training } = model;
    // Targets of a stream are not known yet: they may be labels.
    const byLabel = hasIndependentLabels(options.encoding ?? 'values', {
      finalActivation,
      outputShape,
      loss: training.loss,
    });
    this.metrics = new MetricCounts(training.metrics, outputShape, { ...options, byLabel });
    this.values = new ValueMetrics(training.metrics.filter(isValueMetric), outputShape);
    this.encoding = options.encoding;
    this.labelCounts = byLabel ? new LabelCounts(outputShape) : null;
    this.checkLabels(subject);
    const weights = options.classWeight && readClassWeights(subject, options.classWeight, model);
    const { device, replicas } = model;
    const repeated = weights && Array.from({ length: replicas }, () => [...weights]).flat();
    this.classWeight = repeated ? tensor(device, repeated, [repeated.length / replicas], { replicas }) : null;
    this.classWeight?.array.keep();
    const metricSize = Math.max(this.metrics.countSize, this.labelCounts?.countSize ?? 0);
    this.targetCheck = options.unchecked ? TargetCheck.create(training.loss, metricSize) : null;
    const { count: means, columns } = this.values;
    this.totals = new RunningTotals(device, replicas, {
      countSize: this.targetCheck?.countSize ?? metricSize,
      means,
      columns,
    });
  }

  /** The first batch of a stream sets the encoding. @throws ArgumentError if a later batch has another one */
  setTargetEncoding(subject: string, encoding: TargetEncoding): void {
    this.encoding ??= encoding;
    this.checkLabels(subject);
    if (this.encoding !== encoding) {
      throw new ArgumentError(
        `${subject}: y of the first batch had ${ENCODING_NAMES[this.encoding]}, but y of this one has ${ENCODING_NAMES[encoding]}`,
      );
    }
  }

  /** The counts of independent labels; null if targets are classes or not known yet. */
  private get activeLabelCounts(): LabelCounts | null {
    return this.encoding === 'values' ? this.labelCounts : null;
  }

  /** @throws ArgumentError if labels are independent but `topK` or `classWeight` needs one class for each sample */
  private checkLabels(subject: string): void {
    if (!this.activeLabelCounts) return;
    const { topK } = this.metrics;
    const labels = `y has rows of ${this.activeLabelCounts.labels} independent labels, of which a sample may have any number`;
    if (topK.length > 0) {
      throw new ArgumentError(
        `${subject}: topK${topK[0]} needs one class for each sample, but ${labels}; give class numbers as y, or leave it out`,
      );
    }
    if (this.options.classWeight) {
      throw new ArgumentError(
        `${subject}: classWeight needs one class for each sample, but ${labels}; give class numbers as y, or weight labels in a custom loss`,
      );
    }
  }

  /**
   * Checks the label whose confusion matrix is read: undefined if targets are classes.
   * @throws ArgumentError if the label is missing, or is not one of the labels
   */
  checkLabel(subject: string, label: number | undefined): void {
    if (!this.encoding) return; // known with the first batch of a stream
    const { activeLabelCounts } = this;
    if (!activeLabelCounts) {
      if (label === undefined) return;
      throw new ArgumentError(`${subject}: label is for rows of independent labels, but y has classes; leave it out`);
    }
    if (Number.isInteger(label) && label! >= 0 && label! < activeLabelCounts.labels) return;
    throw new ArgumentError(
      `${subject}: y has rows of ${activeLabelCounts.labels} independent labels with a confusion matrix each, so \`label\` must be an integer from 0 to ` +
        `${activeLabelCounts.labels - 1}, but is ${formatValue(label)}`,
    );
  }

  /** Whether hits are counted: if targets are classes, or if `compile` was given `accuracy`. */
  private get countsHits(): boolean {
    const { loss } = this.model.training;
    const classes = this.encoding !== 'values' || (loss.classifies ?? false);
    return this.metrics.accuracy || (classes && this.model.outputShape.length === 1);
  }

  /** Names of the metrics that `read` returns. */
  get names(): string[] {
    return ['loss', ...(this.countsHits ? ['accuracy'] : []), ...this.metrics.names, ...this.values.names];
  }

  /** Runs model and loss on a batch; the mean loss [] is on the tape. Pass the result to `count`. */
  apply(x: Tensor, targets: Tensor, options: CallOptions = {}): BatchResult {
    const { model } = this;
    const { loss, input } = model.training;
    const encoding = this.encoding!;
    const { startValue = 0 } = this.options;
    const output =
      startValue > 0
        ? this.callFromValue(x, startValue, options)
        : input === 'logits'
          ? model.callLogits(x, options)
          : model.call(x, options);
    const target = toLossTargets(encoding, targets, { outputShape: model.outputShape, loss });
    // By the kernel, not the operator: the operator's gradient needs a sort.
    const weight =
      this.classWeight && new Tensor(gatherRows(this.classWeight.array, toClassTargets(encoding, targets).array, 0));
    const result = loss.call(output, target, { input, weight });
    return { loss: result.loss, hits: result.hits ?? null, output, target, targets };
  }

  /** The model's output if its graph value `from` is x. */
  private callFromValue(x: Tensor, from: number, options: CallOptions): Tensor {
    const { finalActivation, training } = this.model;
    const logits = callSubgraph(this.model, x, { from }, options);
    return finalActivation && training.input !== 'logits' ? activate(finalActivation, logits) : logits;
  }

  /** Dispatches the kernels that add a batch to the totals. @param total its loss [] with penalties */
  count({ hits, output, target, targets }: BatchResult, total: Tensor): void {
    const { activeLabelCounts } = this;
    const threshold = this.model.training.input === 'logits' && this.model.finalActivation === 'sigmoid' ? 0 : 0.5;
    const rows = output.shape[0]!;
    this.targetCheck?.count(targets, this.totals.counts);
    this.countValues(output, target);
    if (activeLabelCounts) {
      this.totals.add(total, null, rows);
      if (this.countsHits || this.metrics.scores.length > 0 || this.options.confusion) {
        activeLabelCounts.count({ output, target: targets, threshold }, this.totals.counts);
      }
      return;
    }
    this.totals.add(total, this.countsHits ? (hits ?? this.hits(output, target, targets, threshold)) : null, rows);
    if (this.metrics.countSize === 0) return;
    this.metrics.count({ output, classes: toClassTargets(this.encoding!, targets), threshold }, this.totals.counts);
  }

  /** Value metrics compare the output after its activation with targets of its shape, also if the loss takes logits or labels. */
  private countValues(output: Tensor, target: Tensor): void {
    const { values, totals, model } = this;
    if (values.names.length === 0) return;
    const { finalActivation, outputShape, training } = model;
    scope(model.device, () =>
      noGrad(() => {
        const y = training.input === 'logits' && finalActivation ? activate(finalActivation, output) : output;
        const t = this.encoding === 'labels' ? new Tensor(oneHot(target.array, outputShape[0]!)) : target;
        values.add(y, t, totals);
      }),
    );
  }

  private hits(output: Tensor, target: Tensor, targets: Tensor, threshold: number): Tensor {
    if (output.shape[1] === 1 && this.encoding !== 'labels') {
      return new Tensor(binaryHits(output.array, target.array, threshold));
    }
    const labels = this.encoding === 'values' ? classesOf(targets.array, 0.5) : targets.array;
    return new Tensor(countHits(output.array, labels));
  }

  /** @throws DataError if targets are outside the range of the loss */
  private async readTotals(): Promise<EpochTotals[]> {
    const sums = await this.totals.read();
    for (const { counts } of sums) this.targetCheck?.check(this.subject, counts);
    return sums;
  }

  /** Results of the batches so far: samples of one replica, metrics of each replica, and their means. Waits for the GPU. */
  async read(): Promise<{ samples: number; metrics: Metrics; replicas: Metrics[] }> {
    const sums = await this.readTotals();
    const replicas = sums.map(({ loss, accuracy, samples, counts, means, moments }): Metrics => {
      const n = Math.max(1, samples);
      const labels = this.activeLabelCounts;
      const hitShare = labels ? labels.hits(counts) / (n * sizeOf(this.model.outputShape)) : accuracy;
      const metrics = { loss, ...(this.countsHits ? { accuracy: hitShare } : {}) };
      return { ...metrics, ...this.metrics.compute(counts, n, labels), ...this.values.compute({ means, moments }) };
    });
    return { samples: sums[0]!.samples, metrics: meanMetrics(replicas), replicas };
  }

  /** @param label see `checkLabel` */
  async confusion(replica: number, label?: number): Promise<ConfusionMatrix> {
    const { counts } = (await this.readTotals())[replica]!;
    const { activeLabelCounts } = this;
    return activeLabelCounts ? activeLabelCounts.confusion(counts, label!) : this.metrics.confusion(counts);
  }

  dispose(): void {
    this.totals.dispose();
    this.classWeight?.dispose();
  }
}

/** The mean of each metric over the replicas. */
export function meanMetrics(replicas: readonly Metrics[]): Metrics {
  const [first] = replicas as [Metrics];
  if (replicas.length === 1) return first;
  const mean = (name: string) => replicas.reduce((sum, metrics) => sum + metrics[name]!, 0) / replicas.length;
  return { loss: 0, ...Object.fromEntries(Object.keys(first).map((name) => [name, mean(name)])) };
}

/** The results of model and loss for a batch. */
interface BatchResult {
  loss: Tensor;
  hits: Tensor | null;
  output: Tensor;
  /** Target as passed to the loss. */
  target: Tensor;
  /** Targets as stored in the data. */
  targets: Tensor;
}

const ENCODING_NAMES: Record<TargetEncoding, string> = {
  labels: 'labels',
  oneHot: 'labels',
  binary: 'labels',
  values: "numbers of the output's shape",
};

/** A factor for each class of the model. @throws ArgumentError */
function readClassWeights(subject: string, weights: ClassWeight, { outputShape }: Trainable): Float32Array {
  if (typeof weights !== 'object' || weights === null || weights instanceof Map) {
    throw new ArgumentError(
      `${subject}: classWeight must be a list or an object such as { 0: 1, 1: 5 }, but is ${weights instanceof Map ? 'a Map' : formatValue(weights)}`,
    );
  }
  if (outputShape.length !== 1) {
    throw new ArgumentError(`${subject}: classWeight needs a model that ends in one output for each class, or in one`);
  }
  const classes = Math.max(2, outputShape[0]!);
  const table = new Float32Array(classes).fill(1);
  for (const [key, weight] of tryRead(subject, () => Object.entries(weights))) {
    const label = Number(key);
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new ArgumentError(`${subject}: classWeight names class ${key}, but classes are 0 to ${classes - 1}`);
    }
    if (!Number.isFinite(weight) || weight < 0) {
      throw new ArgumentError(
        `${subject}: the weight of class ${key} must be a number from 0 up, but is ${formatValue(weight)}`,
      );
    }
    table[label] = checkF32(`${subject}: the weight of class ${key}`, weight);
  }
  return table;
}
