import type { Tensor } from '../autograd/tensor.ts';
import { checkOptions } from '../check.ts';
import type { Shape } from '../kernels/array.ts';
import type { FinalActivation } from './layers/layer.ts';
import { type Loss, type LossInput, type LossName, lossOf } from './losses.ts';
import { MetricCounts, type MetricName } from './metrics.ts';
import { type Optimizer, type OptimizerName, optimizerOf } from './optimizers/index.ts';

export interface CompileOptions {
  optimizer: OptimizerName | Optimizer;
  loss: LossName | Loss | ((output: Tensor, target: Tensor) => Tensor);
  /**
   * Accuracy is reported without being named where targets are classes, since it comes with the loss; `topK5` (any number),
   * `precision`, `recall` and `f1` (means over the classes; of a model of one unit, those of class 1) are counted only where they are named.
   */
  metrics?: readonly MetricName[];
}

/** What `compile` chose. */
export interface Compiled {
  optimizer: Optimizer;
  loss: Loss;
  /** What the loss is given. */
  input: LossInput;
  metrics: readonly MetricName[];
}

/** See `Model.compile`. @throws ArgumentError */
export function compile(
  options: CompileOptions,
  { endsIn, outputShape }: { endsIn: FinalActivation | null; outputShape: Shape },
): Compiled {
  checkOptions('compile', options, { optimizer: true, loss: true, metrics: true });
  const optimizer = optimizerOf(options.optimizer);
  const loss = lossOf(options.loss);
  const input = loss.wants({ endsIn });
  const metrics = options.metrics ?? [];
  new MetricCounts(metrics, outputShape); // throws where they do not suit
  return { optimizer, loss, input, metrics: [...metrics] };
}
