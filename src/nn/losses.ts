import { oneHot } from '../autograd/gather.ts';
import * as losses from '../autograd/losses.ts';
import { softmaxCrossEntropyWithHits } from '../autograd/softmax.ts';
import { Tensor } from '../autograd/tensor.ts';
import { checkOptions, show } from '../check.ts';
import { ArgumentError } from '../errors.ts';
import { countHits } from '../kernels/metrics.ts';

export type LossName =
  | 'sparseCategoricalCrossentropy'
  | 'categoricalCrossentropy'
  | 'binaryCrossentropy'
  | 'meanSquaredError'
  | 'meanAbsoluteError'
  | 'huber';

/** What a loss is given: the model's output, or the logits before its final softmax. */
export type LossInput = 'output' | 'logits';

/** A training objective on labelled data. */
export interface Loss {
  readonly name: string;
  /** What it wants of a model, asked once by `compile`. @throws ArgumentError where the model does not suit it */
  wants(model: { endsInSoftmax: boolean }): LossInput;
  /** Mean loss over the batch [], and 1 for each sample classified rightly [N]. y [N, C], labels u32 [N]. */
  call(y: Tensor, labels: Tensor, input: LossInput): { loss: Tensor; hits: Tensor };
}

const hits = (y: Tensor, labels: Tensor) => new Tensor(countHits(y.array, labels.array));

/**
 * Cross-entropy with integer labels. On a model that ends in a softmax it is computed from the logits before it, as Keras
 * does, so the gradient does not vanish where a probability rounds to 0 or 1; on one that ends otherwise, without
 * `fromLogits`, from the outputs as probabilities (see `sparseCategoricalCrossentropy` for Keras's rule).
 */
export class SparseCategoricalCrossentropy implements Loss {
  readonly name = 'sparseCategoricalCrossentropy';
  readonly fromLogits: boolean;

  constructor(options: { fromLogits?: boolean } = {}) {
    this.fromLogits = losses.crossentropyOptions(this.name, options).fromLogits;
  }

  wants(model: { endsInSoftmax: boolean }): LossInput {
    checkLogits(this, model);
    return this.fromLogits || model.endsInSoftmax ? 'logits' : 'output';
  }

  call(y: Tensor, labels: Tensor, input: LossInput) {
    if (input === 'logits') return softmaxCrossEntropyWithHits(y, labels);
    return { loss: losses.sparseCategoricalCrossentropy(y, labels), hits: hits(y, labels) };
  }
}

/** @throws ArgumentError for a loss that expects logits of a model that gives probabilities */
function checkLogits(
  { name, fromLogits }: { name: string; fromLogits: boolean },
  { endsInSoftmax }: { endsInSoftmax: boolean },
): void {
  if (fromLogits && endsInSoftmax) {
    throw new ArgumentError(`compile: ${name} was told to expect logits, but the model ends in a softmax`);
  }
}

/** A loss that compares the output with the labels as one-hot rows, both [N, C]. */
abstract class OneHotLoss implements Loss {
  abstract readonly name: LossName;

  wants(_model: { endsInSoftmax: boolean }): LossInput {
    return 'output';
  }

  call(y: Tensor, labels: Tensor, input: LossInput) {
    return { loss: this.value(y, oneHot(labels, y.shape.at(-1) ?? 0), input), hits: hits(y, labels) };
  }

  protected abstract value(y: Tensor, target: Tensor, input: LossInput): Tensor;
}

/**
 * Cross-entropy with one-hot targets. On a model that ends in a softmax it is computed from the logits before it, as Keras does;
 * on one that ends otherwise, without `fromLogits`, from the outputs as probabilities (see `categoricalCrossentropy`).
 */
export class CategoricalCrossentropy extends OneHotLoss {
  readonly name = 'categoricalCrossentropy';
  readonly fromLogits: boolean;
  readonly labelSmoothing: number;

  /** @throws ArgumentError */
  constructor(options: losses.CrossentropyOptions = {}) {
    super();
    ({ fromLogits: this.fromLogits, labelSmoothing: this.labelSmoothing } = losses.crossentropyOptions(
      this.name,
      options,
    ));
  }

  override wants(model: { endsInSoftmax: boolean }): LossInput {
    checkLogits(this, model);
    return this.fromLogits || model.endsInSoftmax ? 'logits' : 'output';
  }

  protected value(y: Tensor, target: Tensor, input: LossInput): Tensor {
    const { labelSmoothing } = this;
    return losses.categoricalCrossentropy(y, target, { fromLogits: input === 'logits', labelSmoothing });
  }
}

/** Cross-entropy of each output on its own, from probabilities or, exact at any size, from logits: see `binaryCrossentropy`. */
export class BinaryCrossentropy extends OneHotLoss {
  readonly name = 'binaryCrossentropy';
  readonly fromLogits: boolean;
  readonly labelSmoothing: number;

  /** @throws ArgumentError */
  constructor(options: losses.CrossentropyOptions = {}) {
    super();
    ({ fromLogits: this.fromLogits, labelSmoothing: this.labelSmoothing } = losses.crossentropyOptions(
      this.name,
      options,
    ));
  }

  override wants(model: { endsInSoftmax: boolean }): LossInput {
    checkLogits(this, model);
    return 'output';
  }

  protected value(y: Tensor, target: Tensor): Tensor {
    const { fromLogits, labelSmoothing } = this;
    return losses.binaryCrossentropy(y, target, { fromLogits, labelSmoothing });
  }
}

/** The mean of (target - output)^2. */
export class MeanSquaredError extends OneHotLoss {
  readonly name = 'meanSquaredError';
  protected value = losses.meanSquaredError;
}

/** The mean of |target - output|. */
export class MeanAbsoluteError extends OneHotLoss {
  readonly name = 'meanAbsoluteError';
  protected value = losses.meanAbsoluteError;
}

/** Quadratic for errors up to `delta` (default 1), linear beyond: see `huber`. */
export class Huber extends OneHotLoss {
  readonly name = 'huber';
  readonly delta: number;

  /** @throws ArgumentError */
  constructor(options: { delta?: number } = {}) {
    super();
    checkOptions(this.name, options);
    this.delta = losses.checkDelta(this.name, options.delta ?? 1);
  }

  protected value(y: Tensor, target: Tensor): Tensor {
    return losses.huber(y, target, { delta: this.delta });
  }
}

/**
 * A loss from a function of output and one-hot target, both [N, C], that returns a scalar tensor: any composition of
 * operators. With `targets: 'labels'` the function gets the labels u32 [N] instead.
 */
export class CustomLoss implements Loss {
  constructor(
    private readonly f: (output: Tensor, target: Tensor) => Tensor,
    readonly name = 'custom',
    private readonly targets: 'oneHot' | 'labels' = 'oneHot',
  ) {}

  wants(): LossInput {
    return 'output';
  }

  call(y: Tensor, labels: Tensor) {
    const target = this.targets === 'labels' ? labels : oneHot(labels, y.shape.at(-1) ?? 0);
    const loss = this.f(y, target);
    if (!(loss instanceof Tensor) || loss.size !== 1) {
      throw new ArgumentError(
        `${this.name}: a loss must be a tensor of one element, but is ${show(loss instanceof Tensor ? loss.shape : loss)}`,
      );
    }
    return { loss, hits: hits(y, labels) };
  }
}

const named = {
  sparseCategoricalCrossentropy: () => new SparseCategoricalCrossentropy(),
  categoricalCrossentropy: () => new CategoricalCrossentropy(),
  binaryCrossentropy: () => new BinaryCrossentropy(),
  meanSquaredError: () => new MeanSquaredError(),
  meanAbsoluteError: () => new MeanAbsoluteError(),
  huber: () => new Huber(),
} satisfies Record<LossName, () => Loss>;

/**
 * A loss by Keras's name (those that want targets get the labels as one-hot rows), as an object, or as a function of output
 * and one-hot target. @throws ArgumentError for anything else
 */
export function lossOf(loss: LossName | Loss | ((output: Tensor, target: Tensor) => Tensor)): Loss {
  if (typeof loss === 'function') return new CustomLoss(loss);
  if (typeof loss === 'object' && typeof loss?.call === 'function' && typeof loss.wants === 'function') return loss;
  if (typeof loss !== 'string' || !Object.hasOwn(named, loss)) {
    throw new ArgumentError(
      `compile: loss must be a function, an object or one of ${Object.keys(named).join(', ')}, but is ${show(loss)}`,
    );
  }
  return named[loss]();
}
