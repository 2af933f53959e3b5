import * as losses from '../autograd/losses/losses.ts';
import { reshape } from '../autograd/shape/reshape.ts';
import { softmaxCrossEntropyWithHits } from '../autograd/softmax/softmax.ts';
import { Tensor } from '../autograd/tensor.ts';
import { checkOptions, checkSurplus, didYouMean, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { FinalActivation } from './layers/layer.ts';
import { memberName } from './renamed-member.ts';

/** Losses by Keras's names, each with its defaults. */
export type LossName =
  | 'sparseCategoricalCrossentropy'
  | 'categoricalCrossentropy'
  | 'binaryCrossentropy'
  | 'meanSquaredError'
  | 'meanAbsoluteError'
  | 'huber';

/** First argument of a loss: the model's output, or the logits before its final softmax or sigmoid. */
export type LossInput = 'output' | 'logits';

/** Third argument of a loss, after output and target. */
export interface LossContext {
  /** What `inputFor` returned. */
  input: LossInput;
  /** Factor on each sample's loss [N], applied before the mean over the batch; null if all samples count the same. */
  weight: Tensor | null;
}

/** A training objective. */
export interface Loss {
  /** Name in messages and files. */
  readonly name: string;
  /** Targets that the loss compares with the output [N, ...]: u32 labels [N], or f32 values of the output's shape (labels become one-hot rows). */
  readonly targets: 'labels' | 'values';
  /** Whether targets of type `values` stand for classes, so that accuracy is defined. Default false. */
  readonly classifies?: boolean;
  /** Whether outputs are independent yes-or-no labels, so several may be 1 at once. Default: true if the model ends in sigmoids. */
  readonly independentLabels?: boolean;
  /** Smallest and largest legal target; data outside the range is a DataError. Default: any. */
  readonly targetRange?: readonly [least: number, most: number];
  /** Options that differ from their defaults, for messages and files. */
  readonly settings?: Readonly<Record<string, number | boolean>>;
  /**
   * Which input the loss needs from a model. `compile` calls it once; required unless the loss has the older `wants`.
   * @throws ArgumentError if the model does not fit the loss
   */
  inputFor?(model: {
    /** The softmax or sigmoid that the model ends in, else null. */
    finalActivation: FinalActivation | null;
  }): LossInput;
  /**
   * The older name of `inputFor`.
   * @deprecated Define `inputFor`, whose argument has `finalActivation`.
   */
  wants?(model: {
    /** The softmax or sigmoid that the model ends in, else null. */
    endsIn: FinalActivation | null;
  }): LossInput;
  /** Computes the loss of a batch from the input that `inputFor` chose. */
  call(
    y: Tensor,
    target: Tensor,
    context: LossContext,
  ): {
    /** Mean loss over the batch []. */
    loss: Tensor;
    /** [N], 1 for each correctly classified sample; only if the loss computes it at no extra cost. */
    hits?: Tensor;
  };
}

/**
 * Cross-entropy with integer labels.
 *
 * If the model ends in a softmax, the loss is computed from the logits before it, as in Keras: the gradient does not vanish if a
 * probability rounds to 0 or 1. Otherwise, without `fromLogits`, it is computed from the outputs as probabilities (see
 * `sparseCategoricalCrossentropy` for Keras's rule).
 */
export class SparseCategoricalCrossentropy implements Loss {
  readonly name = 'sparseCategoricalCrossentropy';
  readonly targets = 'labels';
  readonly classifies = true;
  /** Whether the model's output is logits. */
  readonly fromLogits: boolean;

  /**
   * @param options.fromLogits whether the model's output is logits; default false. Not needed if the model ends in a softmax
   * @throws ArgumentError
   */
  constructor(options: { fromLogits?: boolean } = {}, ...surplus: never[]) {
    checkOptions(this.name, options, { fromLogits: true }, surplus);
    this.fromLogits = losses.crossentropyOptions(this.name, options).fromLogits;
  }

  get settings() {
    return nonDefaults({ fromLogits: this.fromLogits });
  }

  inputFor(model: { finalActivation: FinalActivation | null }): LossInput {
    checkLogits(this, model);
    return this.fromLogits || model.finalActivation === 'softmax' ? 'logits' : 'output';
  }

  /**
   * The older name of `inputFor`.
   * @param model.endsIn the softmax or sigmoid that the model ends in, else null
   * @deprecated Use `inputFor`.
   */
  wants({ endsIn }: { endsIn: FinalActivation | null }): LossInput {
    return this.inputFor({ finalActivation: endsIn });
  }

  call(y: Tensor, labels: Tensor, { input, weight }: LossContext) {
    const fromLogits = input === 'logits';
    if (fromLogits && !weight) return softmaxCrossEntropyWithHits(y, labels);
    return { loss: losses.sparseCategoricalCrossentropy(y, labels, { fromLogits, sampleWeight: weight }) };
  }
}

/** The options that are neither false nor 0, the defaults of cross-entropies. */
const nonDefaults = (options: Record<string, number | boolean>): Record<string, number | boolean> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value));

/** @throws ArgumentError if the loss expects logits but the model returns probabilities */
function checkLogits(
  { name, fromLogits }: { name: string; fromLogits: boolean },
  { finalActivation }: { finalActivation: FinalActivation | null },
): void {
  if (fromLogits && finalActivation) {
    throw new ArgumentError(
      `compile: ${name} has fromLogits: true, but the model ends in a ${finalActivation}; leave out fromLogits, or the ${finalActivation}`,
    );
  }
}

/** A loss that compares the output with values of its shape, such as one-hot rows. */
abstract class ValuesLoss implements Loss {
  abstract readonly name: LossName;
  readonly targets = 'values';

  /** @internal */
  inputFor(_model: { finalActivation: FinalActivation | null }): LossInput {
    return 'output';
  }

  /**
   * @deprecated Use `inputFor`.
   * @internal
   */
  wants({ endsIn }: { endsIn: FinalActivation | null }): LossInput {
    return this.inputFor({ finalActivation: endsIn });
  }

  /** @internal */
  call(y: Tensor, target: Tensor, context: LossContext) {
    return { loss: this.value(y, target, context) };
  }

  protected abstract value(y: Tensor, target: Tensor, context: LossContext): Tensor;
}

/** A cross-entropy with values; computed from logits if the model ends in the matching activation. */
abstract class Crossentropy extends ValuesLoss {
  /** Targets stand for classes. */
  readonly classifies = true;
  /** Targets are probabilities. For other targets the loss is unbounded below, so training would never end. */
  readonly targetRange = [0, 1] as const;
  /** Whether the model's output is logits. */
  readonly fromLogits: boolean;
  /** Fraction of each target that is spread evenly over the classes. */
  readonly labelSmoothing: number;

  /** @throws ArgumentError */
  constructor(name: LossName, options: Omit<losses.CrossentropyOptions, 'sampleWeight'>, surplus: readonly unknown[]) {
    super();
    checkOptions(name, options, { fromLogits: true, labelSmoothing: true }, surplus);
    ({ fromLogits: this.fromLogits, labelSmoothing: this.labelSmoothing } = losses.crossentropyOptions(name, options));
  }

  /** `fromLogits` and `labelSmoothing`, if they are not the defaults. */
  get settings() {
    return nonDefaults({ fromLogits: this.fromLogits, labelSmoothing: this.labelSmoothing });
  }

  protected abstract readonly activation: FinalActivation;

  /** @internal */
  override inputFor(model: { finalActivation: FinalActivation | null }): LossInput {
    checkLogits(this, model);
    return this.fromLogits || model.finalActivation === this.activation ? 'logits' : 'output';
  }

  protected options({ input, weight }: LossContext): losses.CrossentropyOptions {
    return { fromLogits: input === 'logits', labelSmoothing: this.labelSmoothing, sampleWeight: weight };
  }
}

/**
 * Cross-entropy with one-hot targets.
 *
 * If the model ends in a softmax, the loss is computed from the logits before it, as in Keras. Otherwise, without `fromLogits`, it is
 * computed from the outputs as probabilities (see `categoricalCrossentropy`).
 */
export class CategoricalCrossentropy extends Crossentropy {
  readonly name = 'categoricalCrossentropy';
  /** Each sample has one class. */
  readonly independentLabels = false;
  protected readonly activation = 'softmax';

  /**
   * @param options.fromLogits whether the model's output is logits; default false
   * @param options.labelSmoothing fraction of each target that is spread evenly over the classes, 0 to 1; default 0
   * @throws ArgumentError
   */
  constructor(options: { fromLogits?: boolean; labelSmoothing?: number } = {}, ...surplus: never[]) {
    super('categoricalCrossentropy', options, surplus);
  }

  protected value(y: Tensor, target: Tensor, context: LossContext): Tensor {
    return losses.categoricalCrossentropy(y, target, this.options(context));
  }
}

/**
 * Cross-entropy of each output separately (see `binaryCrossentropy`).
 *
 * If the model ends in a sigmoid, the loss is computed from the logits before it, which is exact for logits of any size. Otherwise,
 * without `fromLogits`, it is computed from the outputs as probabilities.
 */
export class BinaryCrossentropy extends Crossentropy {
  readonly name = 'binaryCrossentropy';
  /** Each output is an independent yes-or-no label. */
  readonly independentLabels = true;
  protected readonly activation = 'sigmoid';

  /**
   * @param options.fromLogits whether the model's output is logits; default false
   * @param options.labelSmoothing fraction of each target that is spread evenly over 0 and 1, 0 to 1; default 0
   * @throws ArgumentError
   */
  constructor(options: { fromLogits?: boolean; labelSmoothing?: number } = {}, ...surplus: never[]) {
    super('binaryCrossentropy', options, surplus);
  }

  protected value(y: Tensor, target: Tensor, context: LossContext): Tensor {
    return losses.binaryCrossentropy(y, target, this.options(context));
  }
}

/** The mean of (target - output)^2. */
export class MeanSquaredError extends ValuesLoss {
  readonly name = 'meanSquaredError';

  /** @throws ArgumentError for any option: there are none */
  constructor(...surplus: never[]) {
    super();
    checkSurplus(this.name, surplus);
  }

  protected value(y: Tensor, target: Tensor, { weight }: LossContext): Tensor {
    return losses.meanSquaredError(y, target, { sampleWeight: weight });
  }
}

/** The mean of |target - output|. */
export class MeanAbsoluteError extends ValuesLoss {
  readonly name = 'meanAbsoluteError';

  /** @throws ArgumentError for any option: there are none */
  constructor(...surplus: never[]) {
    super();
    checkSurplus(this.name, surplus);
  }

  protected value(y: Tensor, target: Tensor, { weight }: LossContext): Tensor {
    return losses.meanAbsoluteError(y, target, { sampleWeight: weight });
  }
}

/** Quadratic for errors up to `delta` (default 1), linear beyond: see `huber`. */
export class Huber extends ValuesLoss {
  readonly name = 'huber';
  /** Largest error that is squared. */
  readonly delta: number;

  /**
   * @param options.delta largest error that is squared; default 1
   * @throws ArgumentError unless `delta` is positive
   */
  constructor(options: { delta?: number } = {}, ...surplus: never[]) {
    super();
    checkOptions(this.name, options, { delta: true }, surplus);
    this.delta = losses.checkDelta(this.name, options.delta ?? 1);
  }

  /** `delta`, if it is not 1. */
  get settings(): Record<string, number> {
    return this.delta === 1 ? {} : { delta: this.delta };
  }

  protected value(y: Tensor, target: Tensor, { weight }: LossContext): Tensor {
    return losses.huber(y, target, { delta: this.delta, sampleWeight: weight });
  }
}

/**
 * A loss from a function of output and target that returns a scalar tensor: any composition of operators.
 *
 * Both arguments have the output's shape; if the data has labels, the target is one-hot rows. With `targets: 'labels'`, the target is
 * labels u32 [N] instead.
 */
export class CustomLoss implements Loss {
  readonly targets: 'labels' | 'values';

  /** @throws ArgumentError unless `f` is a function, `name` a string and `targets` one of the two */
  constructor(
    /** Computes the loss of a batch. */
    readonly f: (output: Tensor, target: Tensor) => Tensor,
    /** Name in messages. */
    readonly name = 'custom',
    targets: 'oneHot' | 'labels' = 'oneHot',
    ...surplus: never[]
  ) {
    checkSurplus('CustomLoss', surplus);
    if (typeof f !== 'function') {
      throw new ArgumentError(`CustomLoss: takes a function (output, target) => loss, but was given ${formatValue(f)}`);
    }
    if (typeof name !== 'string')
      throw new ArgumentError(`CustomLoss: name must be a string, but is ${formatValue(name)}`);
    if (targets !== 'oneHot' && targets !== 'labels') {
      throw new ArgumentError(`CustomLoss: targets must be 'oneHot' or 'labels', but are ${formatValue(targets)}`);
    }
    this.targets = targets === 'labels' ? 'labels' : 'values';
  }

  inputFor(): LossInput {
    return 'output';
  }

  /**
   * The older name of `inputFor`.
   * @param model.endsIn the softmax or sigmoid that the model ends in, else null
   * @deprecated Use `inputFor`.
   */
  wants(): LossInput {
    return this.inputFor();
  }

  call(y: Tensor, target: Tensor, { weight }: LossContext) {
    if (weight) {
      throw new ArgumentError(
        `${this.name}: a loss given as a function does not support sample weights; give a Loss object whose call uses context.weight`,
      );
    }
    const loss = this.f(y, target);
    if (!(loss instanceof Tensor) || loss.size !== 1) {
      throw new ArgumentError(
        `${this.name}: a loss must be a tensor of one element, but is ${formatValue(loss instanceof Tensor ? loss.shape : loss)}`,
      );
    }
    return { loss: reshape(loss, []) }; // penalties are added to it
  }
}

const lossFactories = {
  sparseCategoricalCrossentropy: () => new SparseCategoricalCrossentropy(),
  categoricalCrossentropy: () => new CategoricalCrossentropy(),
  binaryCrossentropy: () => new BinaryCrossentropy(),
  meanSquaredError: () => new MeanSquaredError(),
  meanAbsoluteError: () => new MeanAbsoluteError(),
  huber: () => new Huber(),
} satisfies Record<LossName, () => Loss>;

/** Other libraries' names of the losses. */
const SYNONYMS: Readonly<Record<string, LossName>> = { mse: 'meanSquaredError', mae: 'meanAbsoluteError' };

/**
 * Which input a loss needs from a model that ends in `finalActivation`.
 * @throws ArgumentError if the model does not fit the loss
 */
export function lossInputFor(loss: Loss, finalActivation: FinalActivation | null): LossInput {
  if (memberName(loss, 'inputFor', 'wants') === 'wants') return loss.wants!({ endsIn: finalActivation });
  return loss.inputFor!({ finalActivation });
}

/**
 * A loss from Keras's name, an object, or a function of output and one-hot target.
 * @throws ArgumentError for anything else
 */
export function lossOf(loss: LossName | Loss | ((output: Tensor, target: Tensor) => Tensor)): Loss {
  if (typeof loss === 'function') {
    if (/^class\b/.test(Function.prototype.toString.call(loss))) {
      throw new ArgumentError(
        'compile: loss must be a function, an object or a name, but is a class; make one with new',
      );
    }
    return new CustomLoss(loss);
  }
  const isLoss = () =>
    typeof (loss as Loss | null)?.call === 'function' &&
    [(loss as Loss).inputFor, (loss as Loss).wants].some((member) => typeof member === 'function');
  if (typeof loss === 'object' && tryRead('compile', isLoss)) return loss;
  if (typeof loss !== 'string' || !Object.hasOwn(lossFactories, loss)) {
    const names = Object.keys(lossFactories);
    throw new ArgumentError(
      `compile: loss must be a function, an object or one of ${names.join(', ')}, but is ${formatValue(loss)}${didYouMean(loss, names, SYNONYMS)}`,
    );
  }
  return lossFactories[loss]();
}
