import * as losses from '../autograd/losses/losses.ts';
import { reshape } from '../autograd/shape/reshape.ts';
import { softmaxCrossEntropyWithHits } from '../autograd/softmax/softmax.ts';
import { Tensor } from '../autograd/tensor.ts';
import { checkOptions, checkSurplus, didYouMean, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { FinalActivation } from './layers/layer.ts';

/** Losses by Keras's names, each with its defaults. */
export type LossName =
  | 'sparseCategoricalCrossentropy'
  | 'categoricalCrossentropy'
  | 'binaryCrossentropy'
  | 'meanSquaredError'
  | 'meanAbsoluteError'
  | 'huber';

/** What a loss is given: the model's output, or the logits before its final softmax or sigmoid. */
export type LossInput = 'output' | 'logits';

/** What a batch is to a loss besides output and target. */
export interface LossContext {
  /** What `wants` answered. */
  input: LossInput;
  /** A factor for each sample's loss [N], before the mean over the batch; null where all count the same. */
  weight: Tensor | null;
}

/** A training objective. */
export interface Loss {
  /** Name in messages and files. */
  readonly name: string;
  /** What it compares the output [N, ...] with: u32 labels [N], or f32 values of the output's shape (labels become one-hot rows). */
  readonly targets: 'labels' | 'values';
  /** Whether its values are classes too, so that accuracy means something. Default false. */
  readonly classifies?: boolean;
  /** Whether it takes each output as a yes or no of its own, so that several may be 1 at once. Default: where the model ends in sigmoids. */
  readonly independentLabels?: boolean;
  /** The smallest and the largest target it can have: others are refused as data that does not fit. Default any. */
  readonly targetRange?: readonly [least: number, most: number];
  /** What was chosen otherwise than by default, for messages and files. */
  readonly settings?: Readonly<Record<string, number | boolean>>;
  /** What it wants of a model, asked once by `compile`. @throws ArgumentError where the model does not suit it */
  inputFor(model: {
    /** The activation that its output comes from, if a cross-entropy undoes it; else null. */
    finalActivation: FinalActivation | null;
  }): LossInput;
  /** Computes the loss of a batch from what `wants` asked for. */
  call(
    y: Tensor,
    target: Tensor,
    context: LossContext,
  ): {
    /** Mean loss over the batch []. */
    loss: Tensor;
    /** 1 for each sample classified rightly [N], where that comes at no cost. */
    hits?: Tensor;
  };
}

/**
 * Cross-entropy with integer labels. On a model that ends in a softmax it is computed from the logits before it, as Keras
 * does, so the gradient does not vanish where a probability rounds to 0 or 1; on one that ends otherwise, without
 * `fromLogits`, from the outputs as probabilities (see `sparseCategoricalCrossentropy` for Keras's rule).
 */
export class SparseCategoricalCrossentropy implements Loss {
  readonly name = 'sparseCategoricalCrossentropy';
  readonly targets = 'labels';
  readonly classifies = true;
  /** Whether the model's output is logits. */
  readonly fromLogits: boolean;

  /**
   * @param options.fromLogits whether the model's output is logits; default false. A model that ends in a softmax needs no such option
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

  call(y: Tensor, labels: Tensor, { input, weight }: LossContext) {
    const fromLogits = input === 'logits';
    if (fromLogits && !weight) return softmaxCrossEntropyWithHits(y, labels);
    return { loss: losses.sparseCategoricalCrossentropy(y, labels, { fromLogits, sampleWeight: weight }) };
  }
}

/** The options that are neither off nor zero, which cross-entropies have as defaults. */
const nonDefaults = (options: Record<string, number | boolean>): Record<string, number | boolean> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value));

/** @throws ArgumentError for a loss that expects logits of a model that gives probabilities */
function checkLogits(
  { name, fromLogits }: { name: string; fromLogits: boolean },
  { finalActivation }: { finalActivation: FinalActivation | null },
): void {
  if (fromLogits && finalActivation) {
    throw new ArgumentError(
      `compile: ${name} was told to expect logits, but the model ends in a ${finalActivation}: leave out fromLogits, or the ${finalActivation}`,
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

  /** @internal */
  call(y: Tensor, target: Tensor, context: LossContext) {
    return { loss: this.value(y, target, context) };
  }

  protected abstract value(y: Tensor, target: Tensor, context: LossContext): Tensor;
}

/** A cross-entropy with values, from logits where the model ends in the activation that belongs to it. */
abstract class Crossentropy extends ValuesLoss {
  /** Targets are classes too. */
  readonly classifies = true;
  /** Targets are probabilities. With others the loss has no least value, so training would lower it for ever. */
  readonly targetRange = [0, 1] as const;
  /** Whether the model's output is logits. */
  readonly fromLogits: boolean;
  /** The share of each target that is spread evenly over the classes. */
  readonly labelSmoothing: number;

  /** @throws ArgumentError */
  constructor(name: LossName, options: Omit<losses.CrossentropyOptions, 'sampleWeight'>, surplus: readonly unknown[]) {
    super();
    checkOptions(name, options, { fromLogits: true, labelSmoothing: true }, surplus);
    ({ fromLogits: this.fromLogits, labelSmoothing: this.labelSmoothing } = losses.crossentropyOptions(name, options));
  }

  /** `fromLogits` and `labelSmoothing`, where they are not the defaults. */
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
 * Cross-entropy with one-hot targets. On a model that ends in a softmax it is computed from the logits before it, as Keras does;
 * on one that ends otherwise, without `fromLogits`, from the outputs as probabilities (see `categoricalCrossentropy`).
 */
export class CategoricalCrossentropy extends Crossentropy {
  readonly name = 'categoricalCrossentropy';
  /** One class a sample. */
  readonly independentLabels = false;
  protected readonly activation = 'softmax';

  /**
   * @param options.fromLogits whether the model's output is logits; default false
   * @param options.labelSmoothing the share of each target that is spread evenly over the classes, 0 to 1; default 0
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
 * Cross-entropy of each output on its own (see `binaryCrossentropy`). On a model that ends in a sigmoid it is computed from the
 * logits before it, exact at any size; on one that ends otherwise, without `fromLogits`, from the outputs as probabilities.
 */
export class BinaryCrossentropy extends Crossentropy {
  readonly name = 'binaryCrossentropy';
  /** Each output is a yes or no of its own. */
  readonly independentLabels = true;
  protected readonly activation = 'sigmoid';

  /**
   * @param options.fromLogits whether the model's output is logits; default false
   * @param options.labelSmoothing the share of each target that is spread evenly over 0 and 1, 0 to 1; default 0
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

  /** @throws ArgumentError for options: there are none */
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

  /** @throws ArgumentError for options: there are none */
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
  /** Errors up to this are squared. */
  readonly delta: number;

  /**
   * @param options.delta errors up to this are squared; default 1
   * @throws ArgumentError unless `delta` is positive
   */
  constructor(options: { delta?: number } = {}, ...surplus: never[]) {
    super();
    checkOptions(this.name, options, { delta: true }, surplus);
    this.delta = losses.checkDelta(this.name, options.delta ?? 1);
  }

  /** `delta`, where it is not 1. */
  get settings(): Record<string, number> {
    return this.delta === 1 ? {} : { delta: this.delta };
  }

  protected value(y: Tensor, target: Tensor, { weight }: LossContext): Tensor {
    return losses.huber(y, target, { delta: this.delta, sampleWeight: weight });
  }
}

/**
 * A loss from a function of output and target, both of the output's shape (one-hot rows where the data has labels), that
 * returns a scalar tensor: any composition of operators. With `targets: 'labels'` the function gets labels u32 [N] instead.
 */
export class CustomLoss implements Loss {
  readonly targets: 'labels' | 'values';

  /** @throws ArgumentError unless `f` is a function, `name` a string and `targets` one of the two */
  constructor(
    /** The function it was made from. */
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

  call(y: Tensor, target: Tensor, { weight }: LossContext) {
    if (weight) {
      throw new ArgumentError(
        `${this.name}: a loss given as a function cannot be weighted from outside; give a Loss object whose call uses the weight`,
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

/** Names that other libraries have for the same. */
const SYNONYMS: Readonly<Record<string, LossName>> = { mse: 'meanSquaredError', mae: 'meanAbsoluteError' };

/**
 * A loss by Keras's name (those that want targets get the labels as one-hot rows), as an object, or as a function of output
 * and one-hot target. @throws ArgumentError for anything else
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
    typeof (loss as Loss | null)?.call === 'function' && typeof (loss as Loss).inputFor === 'function';
  if (typeof loss === 'object' && tryRead('compile', isLoss)) return loss;
  if (typeof loss !== 'string' || !Object.hasOwn(lossFactories, loss)) {
    const names = Object.keys(lossFactories);
    throw new ArgumentError(
      `compile: loss must be a function, an object or one of ${names.join(', ')}, but is ${formatValue(loss)}${didYouMean(loss, names, SYNONYMS)}`,
    );
  }
  return lossFactories[loss]();
}
