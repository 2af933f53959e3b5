import { gather } from '../autograd/gather.ts';
import { Tensor, tensor } from '../autograd/tensor.ts';
import { checkF32, show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import { binaryHits, classesOf, countHits } from '../kernels/metrics.ts';
import type { CallOptions } from './layers/layer.ts';
import { MetricCounts } from './metrics.ts';
import type { Model } from './model.ts';
import { classTargets, lossTargets, type TargetForm } from './targets.ts';
import { RunningTotals } from './totals.ts';

/** Factors by class for the loss; classes that are not named have 1, as in Keras. */
export type ClassWeight = Readonly<Record<number, number>> | readonly number[];

/** Figures by name: loss, accuracy where there are classes, and the metrics that `compile` named. */
export interface Metrics {
  loss: number;
  accuracy?: number;
  [metric: string]: number | undefined;
}

/** What a model is measured by on some data: loss, hits and counts, gathered in totals on the GPU. */
export class Objective {
  readonly totals: RunningTotals;
  private readonly metrics: MetricCounts;
  private readonly classWeight: Tensor | null;
  private form: TargetForm | null;

  /** @throws ArgumentError for class weights or metrics that do not suit the model */
  constructor(
    what: string,
    private readonly model: Model,
    options: { form: TargetForm | null; classWeight?: ClassWeight; confusion?: boolean },
  ) {
    this.metrics = new MetricCounts(model.training.metrics, model.outputShape, options);
    this.form = options.form;
    const weights = options.classWeight && classWeights(what, options.classWeight, model);
    const { device, replicas: models } = model;
    const repeated = weights && Array.from({ length: models }, () => [...weights]).flat();
    this.classWeight = repeated ? tensor(device, repeated, [repeated.length / models], { models }) : null;
    this.classWeight?.array.keep();
    this.totals = new RunningTotals(device, models, this.metrics.words);
  }

  /** Streams show what their targets are with their first batch. @throws ArgumentError when a later one has others */
  settle(what: string, form: TargetForm): void {
    this.form ??= form;
    if (this.form !== form) {
      throw new ArgumentError(
        `${what}: the first batch had ${describe[this.form]} as y, but now there are ${describe[form]}`,
      );
    }
  }

  /** Whether hits are counted: where targets are classes, or where they were asked for. */
  private get counted(): boolean {
    const { loss } = this.model.training;
    const classes = this.form !== 'values' || (loss.classifies ?? false);
    return this.metrics.accuracy || (classes && this.model.outputShape.length === 1);
  }

  /** The figures there will be. */
  get names(): string[] {
    return ['loss', ...(this.counted ? ['accuracy'] : []), ...this.metrics.names];
  }

  /** The mean loss of a batch [], on the tape; hand it to `count` afterwards. */
  apply(x: Tensor, targets: Tensor, options: CallOptions = {}): Applied {
    const { model } = this;
    const { loss, input } = model.training;
    const form = this.form!;
    const output = input === 'logits' ? model.callLogits(x, options) : model.call(x, options);
    const target = lossTargets(form, targets, { outputShape: model.outputShape, loss });
    const weight = this.classWeight && gather(this.classWeight, classTargets(form, targets));
    const result = loss.call(output, target, { input, weight });
    return { loss: result.loss, hits: result.hits ?? null, output, target, targets };
  }

  /** Dispatches what adds a batch to the totals; `total` is its loss with penalties. */
  count({ hits, output, target, targets }: Applied, total: Tensor): void {
    const threshold = this.model.training.input === 'logits' && this.model.endsIn === 'sigmoid' ? 0 : 0.5;
    const rows = output.shape[0]!;
    this.totals.add(total, this.counted ? (hits ?? this.hits(output, target, targets, threshold)) : null, rows);
    if (this.metrics.words === 0) return;
    this.metrics.count({ output, classes: classTargets(this.form!, targets), threshold }, this.totals.counts);
  }

  private hits(output: Tensor, target: Tensor, targets: Tensor, threshold: number): Tensor {
    if (output.shape[1] === 1 && this.form !== 'labels') {
      return new Tensor(binaryHits(output.array, target.array, threshold));
    }
    const labels = this.form === 'values' ? classesOf(targets.array, 0.5) : targets.array;
    return new Tensor(countHits(output.array, labels));
  }

  /** What was counted so far: the samples of a replica, the figures of each, and their means. */
  async read(): Promise<{ samples: number; figures: Metrics; replicas: Metrics[] }> {
    const sums = await this.totals.read();
    const replicas = sums.map(({ loss, accuracy, samples, counts }): Metrics => {
      const figures = { loss, ...(this.counted ? { accuracy } : {}) };
      return { ...figures, ...this.metrics.figures(counts, Math.max(1, samples)) };
    });
    return { samples: sums[0]!.samples, figures: meanOf(replicas), replicas };
  }

  async confusion(replica: number) {
    return this.metrics.confusion((await this.totals.read())[replica]!.counts);
  }

  dispose(): void {
    this.totals.dispose();
    this.classWeight?.dispose();
  }
}

/** The mean of each figure over the replicas. */
export function meanOf(replicas: readonly Metrics[]): Metrics {
  const [first] = replicas as [Metrics];
  if (replicas.length === 1) return first;
  const mean = (name: string) => replicas.reduce((sum, figures) => sum + figures[name]!, 0) / replicas.length;
  return { loss: 0, ...Object.fromEntries(Object.keys(first).map((name) => [name, mean(name)])) };
}

/** A batch that went through model and loss. */
interface Applied {
  loss: Tensor;
  hits: Tensor | null;
  output: Tensor;
  /** As the loss got it, and as the data had it. */
  target: Tensor;
  targets: Tensor;
}

const describe: Record<TargetForm, string> = {
  labels: 'labels',
  oneHot: 'labels',
  binary: 'labels',
  values: "numbers of the output's shape",
};

/** A weight for each class the model knows. @throws ArgumentError */
function classWeights(what: string, weights: ClassWeight, { outputShape }: Model): Float32Array {
  if (typeof weights !== 'object' || weights === null || weights instanceof Map) {
    throw new ArgumentError(
      `${what}: classWeight must be a list or an object such as { 0: 1, 1: 5 }, but is ${weights instanceof Map ? 'a Map' : show(weights)}`,
    );
  }
  if (outputShape.length !== 1) {
    throw new ArgumentError(`${what}: classWeight needs a model that ends in one output for each class, or in one`);
  }
  const classes = Math.max(2, outputShape[0]!);
  const table = new Float32Array(classes).fill(1);
  for (const [key, weight] of Object.entries(weights)) {
    const label = Number(key);
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new ArgumentError(`${what}: classWeight names class ${key}, but classes are 0 to ${classes - 1}`);
    }
    if (!Number.isFinite(weight) || weight < 0) {
      throw new ArgumentError(`${what}: the weight of class ${key} must be a number from 0 up, but is ${show(weight)}`);
    }
    table[label] = checkF32(`${what}: the weight of class ${key}`, weight);
  }
  return table;
}
