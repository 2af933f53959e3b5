import { checkFlag, checkOptions } from '../../base/check.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import { sgd, type Update } from '../../kernels/optimizers/optimizer.ts';
import type { StepState } from '../../kernels/optimizers/step-state.ts';
import {
  FlatOptimizer,
  type NumberRange,
  type OptimizerOptions,
  optimizerHints,
  optimizerOptionNames,
} from './optimizer.ts';

const ZERO_TO_ONE: NumberRange = { accepts: (x) => x >= 0 && x <= 1, description: 'in [0, 1]' };

/** Options of `SGD`. `learningRate` is 0.01 by default. */
export interface SGDOptions extends OptimizerOptions {
  /** Fraction of the previous step that is added to each step. Default 0. */
  momentum?: number;
  /** Nesterov momentum: the gradient counts as if computed after the momentum's step. Default false; no effect without momentum, as in Keras. */
  nesterov?: boolean;
}

/**
 * Gradient descent in Keras's form (keras/src/optimizers/sgd.py):
 *
 *     w = w - rate g                                 without momentum
 *     m = momentum m - rate g;   w = w + m           with momentum
 *                                w = w + momentum m - rate g    and with Nesterov
 *
 * PyTorch's velocity sums gradients, not steps (m = momentum m + g; w = w - rate m). For a constant rate the result is the same. A change
 * of the rate rescales PyTorch's velocity at once, but not Keras's.
 */
export class SGD extends FlatOptimizer {
  readonly name = 'sgd';
  private readonly momentum: number;
  private readonly nesterov: boolean;

  /** @throws ArgumentError for a rate that is not positive, or a momentum outside [0, 1] */
  constructor(options: SGDOptions = {}, ...surplus: never[]) {
    checkOptions('SGD', options, { ...optimizerOptionNames, momentum: true, nesterov: true }, surplus, optimizerHints);
    super('SGD', options, 0.01, options.momentum ? 1 : 0);
    this.momentum = this.checkNumber('momentum', options.momentum ?? 0, ZERO_TO_ONE);
    this.nesterov = checkFlag('SGD', 'nesterov', options.nesterov ?? false);
    this.attachParameters();
  }

  /** @internal */
  override get settings() {
    const { momentum, nesterov } = this;
    return { ...super.settings, momentum, nesterov };
  }

  protected update(range: Update, [velocity]: DeviceArray[], state: StepState): void {
    sgd(range, velocity, state, { momentum: this.momentum, nesterov: this.nesterov });
  }
}
