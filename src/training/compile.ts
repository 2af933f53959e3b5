import type { Tensor } from '../autograd/tensor.ts';
import { checkOptions } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Shape } from '../kernels/array.ts';
import { type FinalActivation, finalActivationOf, type PlannedLayer } from '../nn/layers/layer.ts';
import {
  CategoricalCrossentropy,
  type Loss,
  type LossInput,
  type LossName,
  lossInputFor,
  lossOf,
  SparseCategoricalCrossentropy,
} from '../nn/losses.ts';
import { type Optimizer, type OptimizerName, optimizerOf } from '../nn/optimizers/index.ts';
import { hasIndependentLabels } from './batches/targets.ts';
import { isValueMetric, type Metric, MetricCounts, type MetricName, readMetrics } from './metrics/metrics.ts';
import { type CustomMetric, type MetricFunction, ValueMetrics } from './metrics/value-metrics.ts';

/** Options of `Model.compile`. */
export interface CompileOptions {
  /** An optimizer, or the name of one with its defaults. */
  optimizer: OptimizerName | Optimizer;
  /** A loss, the name of one with its defaults, or a function of output and target that returns a scalar (see `CustomLoss`). */
  loss: LossName | Loss | ((output: Tensor, target: Tensor) => Tensor);
  /**
   * Metrics in addition to the loss. Default none, except that accuracy is always reported if targets are classes.
   *
   * - `topK5` (or another number), `precision`, `recall`, `f1`: the last three are means over the classes; for a model with one unit, those
   *   of class 1.
   * - With independent labels (rows of 0 and 1 for sigmoids, or for binary cross-entropy from logits), a label is predicted if its output is
   *   above 0.5. `accuracy` is the share of correct labels, as in Keras's BinaryAccuracy; scores are means over the labels.
   * - `mae`, `mse`, `rootMeanSquaredError` and `r2Score` compare values with targets, over all samples (see `ValueMetrics`).
   * - A function of operators `(output, target) => values` is logged by its name (see `CustomMetric`).
   */
  metrics?: readonly (MetricName | MetricFunction | CustomMetric)[];
}

/** Optimizer, loss and metrics of a compiled model. */
export interface Compiled {
  optimizer: Optimizer;
  loss: Loss;
  /** Whether the loss takes the model's output or its logits. */
  input: LossInput;
  metrics: readonly Metric[];
}

/** See `Model.compile`. @throws ArgumentError */
export function compile(
  options: CompileOptions,
  model: { finalActivation: FinalActivation | null; outputShape: Shape; plannedLayers: readonly PlannedLayer[] },
): Compiled {
  const { finalActivation, outputShape } = model;
  checkOptions('compile', options, { optimizer: true, loss: true, metrics: true });
  const optimizer = optimizerOf(options.optimizer);
  const loss = lossOf(options.loss);
  const input = lossInputFor(loss, finalActivation);
  checkUnits(loss, model);
  const metrics = readMetrics(options.metrics ?? []);
  // The constructors throw if a metric does not fit the model.
  new MetricCounts(metrics, outputShape, {
    byLabel: hasIndependentLabels('values', { finalActivation, outputShape, loss }),
  });
  new ValueMetrics(metrics.filter(isValueMetric), outputShape);
  return { optimizer, loss, input, metrics };
}

/** @throws ArgumentError if a softmax has one unit: its output is always 1, so nothing below it would be trained */
function checkUnits(
  loss: Loss,
  { outputShape, plannedLayers }: { outputShape: Shape; plannedLayers: readonly PlannedLayer[] },
): void {
  const advice =
    "give it activation: 'sigmoid' and the loss binaryCrossentropy for two classes, or a unit for each class";
  const constant = constantSoftmax(plannedLayers);
  if (constant !== undefined) {
    throw new ArgumentError(
      `compile: layer ${constant} is a softmax over one unit, which is always 1, so nothing is trained; ${advice}`,
    );
  }
  const overClasses = loss instanceof SparseCategoricalCrossentropy || loss instanceof CategoricalCrossentropy;
  if (overClasses && outputShape.at(-1) === 1) {
    throw new ArgumentError(
      `compile: ${loss.name} of a model that ends in one unit is always 0, so nothing is trained; ${advice}`,
    );
  }
}

/** The name of a layer, also in nested models, that is a softmax over one unit. */
function constantSoftmax(layers: readonly PlannedLayer[]): string | undefined {
  for (const { layer, name, outputShape } of layers) {
    if ('plannedLayers' in layer) {
      const inner = constantSoftmax(layer.plannedLayers as readonly PlannedLayer[]);
      if (inner !== undefined) return `${name}/${inner}`;
    } else if (finalActivationOf(layer) === 'softmax' && outputShape.at(-1) === 1) return name;
  }
  return undefined;
}
