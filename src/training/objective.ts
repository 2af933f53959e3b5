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

/** Factors by class for the loss; classes that are not named have 1, as in Keras. */
export type ClassWeight = Readonly<Record<number, number>> | readonly number[];

/** Figures by name: loss, accuracy where there are classes, and the metrics that `compile` named. */
export interface Metrics {
  /** Mean loss over the samples, penalties included. */
  loss: number;
  /** Share of samples classified rightly, of models that tell classes. */
  accuracy?: number;
  [metric: string]: number | undefined;
}

/** What a model is measured by on some data: loss, hits and counts, gathered in totals on the GPU. */
export class Objective {
  readonly totals: RunningTotals;
  private readonly metrics: MetricCounts;
  private readonly values: ValueMetrics;
  /** Null where outputs cannot be independent labels. */
  private readonly labels: LabelCounts | null;
  private readonly targetCheck: TargetCheck | null;
  private readonly classWeight: Tensor | null;
  private encoding: TargetEncoding | null;

  /** @throws ArgumentError for class weights or metrics that do not suit model and targets */
  constructor(
    private readonly subject: string,
    private readonly model: Trainable,
    private readonly options: {
      encoding: TargetEncoding | null;
      classWeight?: ClassWeight;
      confusion?: boolean;
      /** Whether targets are numbers that nobody has looked at. */
      unchecked?: boolean;
      /** The value of the model that x is, where it is not the input: see `FeatureCache`. */
      from?: number;
    },
  ) {
    const { finalActivation, outputShape, training } = model;
    // Targets of a stream are not known yet.
    const byLabel = hasIndependentLabels(options.encoding ?? 'values', {
      finalActivation,
      outputShape,
      loss: training.loss,
    });
    this.metrics = new MetricCounts(training.metrics, outputShape, { ...options, byLabel });
    this.values = new ValueMetrics(training.metrics.filter(isValueMetric), outputShape);
    this.encoding = options.encoding;
    this.labels = byLabel ? new LabelCounts(outputShape) : null;
    this.checkLabels(subject);
    const weights = options.classWeight && classWeights(subject, options.classWeight, model);
    const { device, replicas: models } = model;
    const repeated = weights && Array.from({ length: models }, () => [...weights]).flat();
    this.classWeight = repeated ? tensor(device, repeated, [repeated.length / models], { models }) : null;
    this.classWeight?.array.keep();
    const words = Math.max(this.metrics.countSize, this.labels?.countSize ?? 0);
    this.targetCheck = options.unchecked ? TargetCheck.of(training.loss, words) : null;
    const { count: means, columns } = this.values;
    this.totals = new RunningTotals(device, models, {
      countSize: this.targetCheck?.countSize ?? words,
      means,
      columns,
    });
  }

  /** Streams show what their targets are with their first batch. @throws ArgumentError when a later one has others */
  setTargetEncoding(subject: string, encoding: TargetEncoding): void {
    this.encoding ??= encoding;
    this.checkLabels(subject);
    if (this.encoding !== encoding) {
      throw new ArgumentError(
        `${subject}: the first batch had ${describe[this.encoding]} as y, but now there are ${describe[encoding]}`,
      );
    }
  }

  /** The counts that are used where labels are independent; null where targets are classes, or not known yet. */
  private get byLabel(): LabelCounts | null {
    return this.encoding === 'values' ? this.labels : null;
  }

  /** @throws ArgumentError where labels are independent, for what asks for the one class of a sample */
  private checkLabels(subject: string): void {
    if (!this.byLabel) return;
    const { topK } = this.metrics;
    const labels = `y has rows of ${this.byLabel.labels} independent labels, of which a sample may have any number`;
    if (topK.length > 0) {
      throw new ArgumentError(
        `${subject}: topK${topK[0]} asks for the one class of a sample, but ${labels}; give class numbers as y, or leave it out`,
      );
    }
    if (this.options.classWeight) {
      throw new ArgumentError(
        `${subject}: classWeight goes by the one class of a sample, but ${labels}; give class numbers as y, or weigh labels in a loss of your own`,
      );
    }
  }

  /**
   * The confusion matrix to be read: none in particular where targets are classes, else that of a label.
   * @throws ArgumentError for a label that there is not, or that is missing
   */
  checkLabel(subject: string, label: number | undefined): void {
    if (!this.encoding) return; // a stream's first batch says
    const { byLabel } = this;
    if (!byLabel) {
      if (label === undefined) return;
      throw new ArgumentError(`${subject}: label is for rows of independent labels, but y has classes; leave it out`);
    }
    if (Number.isInteger(label) && label! >= 0 && label! < byLabel.labels) return;
    throw new ArgumentError(
      `${subject}: y has rows of ${byLabel.labels} independent labels with a confusion matrix each, so \`label\` must be an integer from 0 to ` +
        `${byLabel.labels - 1}, but is ${formatValue(label)}`,
    );
  }

  /** Whether hits are counted: where targets are classes, or where they were asked for. */
  private get countsHits(): boolean {
    const { loss } = this.model.training;
    const classes = this.encoding !== 'values' || (loss.classifies ?? false);
    return this.metrics.accuracy || (classes && this.model.outputShape.length === 1);
  }

  /** The figures there will be. */
  get names(): string[] {
    return ['loss', ...(this.countsHits ? ['accuracy'] : []), ...this.metrics.names, ...this.values.names];
  }

  /** The mean loss of a batch [], on the tape; hand it to `count` afterwards. */
  apply(x: Tensor, targets: Tensor, options: CallOptions = {}): BatchResult {
    const { model } = this;
    const { loss, input } = model.training;
    const encoding = this.encoding!;
    const { from = 0 } = this.options;
    const output =
      from > 0
        ? this.rest(x, from, options)
        : input === 'logits'
          ? model.callLogits(x, options)
          : model.call(x, options);
    const target = toLossTargets(encoding, targets, { outputShape: model.outputShape, loss });
    // Without the operator's gradient, which brings a sort.
    const weight =
      this.classWeight && new Tensor(gatherRows(this.classWeight.array, toClassTargets(encoding, targets).array, 0));
    const result = loss.call(output, target, { input, weight });
    return { loss: result.loss, hits: result.hits ?? null, output, target, targets };
  }

  /** The model's output for x that is its value number `from`. */
  private rest(x: Tensor, from: number, options: CallOptions): Tensor {
    const { finalActivation, training } = this.model;
    const logits = callSubgraph(this.model, x, { from }, options);
    return finalActivation && training.input !== 'logits' ? activate(finalActivation, logits) : logits;
  }

  /** Dispatches what adds a batch to the totals; `total` is its loss with penalties. */
  count({ hits, output, target, targets }: BatchResult, total: Tensor): void {
    const { byLabel } = this;
    const threshold = this.model.training.input === 'logits' && this.model.finalActivation === 'sigmoid' ? 0 : 0.5;
    const rows = output.shape[0]!;
    this.targetCheck?.count(targets, this.totals.counts);
    this.countValues(output, target);
    if (byLabel) {
      this.totals.add(total, null, rows);
      if (this.countsHits || this.metrics.scores.length > 0 || this.options.confusion) {
        byLabel.count({ output, target: targets, threshold }, this.totals.counts);
      }
      return;
    }
    this.totals.add(total, this.countsHits ? (hits ?? this.hits(output, target, targets, threshold)) : null, rows);
    if (this.metrics.countSize === 0) return;
    this.metrics.count({ output, classes: toClassTargets(this.encoding!, targets), threshold }, this.totals.counts);
  }

  /** Metrics of the values see what the model gives, and targets of its shape, whatever the loss is computed from. */
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

  /** @throws DataError for targets that the loss cannot have */
  private async readTotals(): Promise<EpochTotals[]> {
    const sums = await this.totals.read();
    for (const { counts } of sums) this.targetCheck?.check(this.subject, counts);
    return sums;
  }

  /** What was counted so far: the samples of a replica, the figures of each, and their means. */
  async read(): Promise<{ samples: number; metrics: Metrics; replicas: Metrics[] }> {
    const sums = await this.readTotals();
    const replicas = sums.map(({ loss, accuracy, samples, counts, means, moments }): Metrics => {
      const n = Math.max(1, samples);
      const { byLabel } = this;
      const right = byLabel ? byLabel.hits(counts) / (n * sizeOf(this.model.outputShape)) : accuracy;
      const metrics = { loss, ...(this.countsHits ? { accuracy: right } : {}) };
      return { ...metrics, ...this.metrics.compute(counts, n, byLabel), ...this.values.compute({ means, moments }) };
    });
    return { samples: sums[0]!.samples, metrics: meanMetrics(replicas), replicas };
  }

  /** @param label of independent labels, see `checkLabel` */
  async confusion(replica: number, label?: number): Promise<ConfusionMatrix> {
    const { counts } = (await this.readTotals())[replica]!;
    return this.byLabel ? this.byLabel.confusion(counts, label!) : this.metrics.confusion(counts);
  }

  dispose(): void {
    this.totals.dispose();
    this.classWeight?.dispose();
  }
}

/** The mean of each figure over the replicas. */
export function meanMetrics(replicas: readonly Metrics[]): Metrics {
  const [first] = replicas as [Metrics];
  if (replicas.length === 1) return first;
  const mean = (name: string) => replicas.reduce((sum, figures) => sum + figures[name]!, 0) / replicas.length;
  return { loss: 0, ...Object.fromEntries(Object.keys(first).map((name) => [name, mean(name)])) };
}

/** A batch that went through model and loss. */
interface BatchResult {
  loss: Tensor;
  hits: Tensor | null;
  output: Tensor;
  /** As the loss got it, and as the data had it. */
  target: Tensor;
  targets: Tensor;
}

const describe: Record<TargetEncoding, string> = {
  labels: 'labels',
  oneHot: 'labels',
  binary: 'labels',
  values: "numbers of the output's shape",
};

/** A weight for each class the model knows. @throws ArgumentError */
function classWeights(subject: string, weights: ClassWeight, { outputShape }: Trainable): Float32Array {
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
