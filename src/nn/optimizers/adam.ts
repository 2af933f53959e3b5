import { checkOptions, type OptionNames } from '../../base/check.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import { adam, type Update } from '../../kernels/optimizers/optimizer.ts';
import type { StepState } from '../../kernels/optimizers/step-state.ts';
import {
  BELOW_ONE,
  FlatOptimizer,
  NOT_NEGATIVE,
  type OptimizerOptions,
  optimizerHints,
  optimizerOptionNames,
  POSITIVE,
} from './optimizer.ts';

/** Options of `Adam`. `learningRate` is 0.001 by default. */
export interface AdamOptions extends OptimizerOptions {
  /** Decay rate of the mean of the gradients. Default 0.9. */
  beta1?: number;
  /** Decay rate of the mean of the squared gradients. Default 0.999. */
  beta2?: number;
  /** Added to the root of the mean square, outside the bias correction, as in Keras. Default 1e-7, as in Keras; PyTorch's is 1e-8. */
  epsilon?: number;
}
const names: OptionNames<AdamOptions> = { ...optimizerOptionNames, beta1: true, beta2: true, epsilon: true };

/** Common part of Adam and AdamW. */
abstract class AdamFamily extends FlatOptimizer {
  private readonly beta1: number;
  private readonly beta2: number;
  private readonly epsilon: number;

  constructor(
    kind: string,
    options: AdamOptions,
    /** Fraction of a weight that is subtracted at each step, times the learning rate. */
    private readonly decay: number,
  ) {
    super(kind, options, 0.001, 2);
    this.beta1 = this.checkNumber('beta1', options.beta1 ?? 0.9, BELOW_ONE);
    this.beta2 = this.checkNumber('beta2', options.beta2 ?? 0.999, BELOW_ONE);
    this.epsilon = this.checkNumber('epsilon', options.epsilon ?? 1e-7, POSITIVE);
    this.checkNumber('weightDecay', decay, NOT_NEGATIVE);
  }

  protected override stepSize(rate: number, t: number): number {
    return (rate * Math.sqrt(1 - this.beta2 ** t)) / (1 - this.beta1 ** t);
  }

  /** @internal */
  override get settings() {
    const { beta1, beta2, epsilon, decay } = this;
    return { ...super.settings, beta1, beta2, epsilon, decay };
  }

  protected update(range: Update, slots: DeviceArray[], state: StepState): void {
    const [m, v] = slots as [DeviceArray, DeviceArray];
    const { beta1, beta2, epsilon, decay } = this;
    adam(range, { m, v }, state, { beta1, beta2, epsilon, decay });
  }
}

/**
 * Adam (Kingma and Ba 2015) in Keras's form (keras/src/optimizers/adam.py):
 *
 *     m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2
 *     w = w - rate sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)
 *
 * PyTorch adds eps (1e-8) to sqrt(v / (1 - b2^t)) instead, which matters in the first steps and for tiny gradients.
 */
export class Adam extends AdamFamily {
  readonly name = 'adam';

  /** @throws ArgumentError for a rate or epsilon that is not positive, or a beta outside [0, 1) */
  constructor(options: AdamOptions = {}, ...surplus: never[]) {
    super('Adam', checkOptions('Adam', options, names, surplus, optimizerHints), 0);
    this.attachParameters();
  }
}

/** Options of `AdamW`. */
export interface AdamWOptions extends AdamOptions {
  /** Fraction of a weight that is subtracted at each step, times the learning rate. Default 0.004, as in Keras; PyTorch's is 0.01. */
  weightDecay?: number;
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019) in Keras's form: before Adam's step, w = w - rate decay w, for
 * every trainable weight, biases included. PyTorch does the same, except for its defaults and the position of eps.
 */
export class AdamW extends AdamFamily {
  readonly name = 'adamw';

  /** @throws ArgumentError as for Adam, and for a negative weight decay */
  constructor(options: AdamWOptions = {}, ...surplus: never[]) {
    checkOptions('AdamW', options, { ...names, weightDecay: true }, surplus, optimizerHints);
    super('AdamW', options, options.weightDecay ?? 0.004);
    this.attachParameters();
  }
}
