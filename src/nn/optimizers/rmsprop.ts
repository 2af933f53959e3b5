import { checkFlag, checkOptions } from '../../base/check.ts';
import type { DeviceArray } from '../../kernels/array.ts';
import { rmsprop, type Update } from '../../kernels/optimizers/optimizer.ts';
import type { StepState } from '../../kernels/optimizers/step-state.ts';
import {
  BELOW_ONE,
  FlatOptimizer,
  type OptimizerOptions,
  optimizerHints,
  optimizerOptionNames,
  POSITIVE,
} from './optimizer.ts';

/** Options of `RMSprop`. `learningRate` is 0.001 by default. */
export interface RMSpropOptions extends OptimizerOptions {
  /** Decay rate of the mean square. Default 0.9; PyTorch calls it alpha, with default 0.99. */
  rho?: number;
  /** Fraction of the previous step that is added to each step. Default 0. */
  momentum?: number;
  /** Added to the mean square, inside the root. Default 1e-7. */
  epsilon?: number;
  /** Whether to divide by the gradients' standard deviation instead of their root mean square. Default false. */
  centered?: boolean;
}

/**
 * RMSprop (Hinton 2012) in Keras's form (keras/src/optimizers/rmsprop.py):
 *
 *     v = rho v + (1 - rho) g^2;   w = w - rate g / sqrt(v + eps)
 *     centered:  a = rho a + (1 - rho) g, and v - a^2 in the place of v
 *     momentum:  m = momentum m + rate g / sqrt(v + eps);   w = w - m
 *
 * PyTorch adds eps (1e-8) outside the root, and multiplies its velocity by the rate only when it is used.
 */
export class RMSprop extends FlatOptimizer {
  readonly name = 'rmsprop';
  private readonly rho: number;
  private readonly momentum: number;
  private readonly epsilon: number;
  private readonly centered: boolean;

  /** @throws ArgumentError for a rate or epsilon that is not positive, or a rho or momentum outside [0, 1) */
  constructor(options: RMSpropOptions = {}, ...surplus: never[]) {
    checkOptions(
      'RMSprop',
      options,
      { ...optimizerOptionNames, rho: true, momentum: true, epsilon: true, centered: true },
      surplus,
      optimizerHints,
    );
    super('RMSprop', options, 0.001, options.momentum || options.centered ? 3 : 1);
    this.rho = this.checkNumber('rho', options.rho ?? 0.9, BELOW_ONE);
    this.momentum = this.checkNumber('momentum', options.momentum ?? 0, BELOW_ONE);
    this.epsilon = this.checkNumber('epsilon', options.epsilon ?? 1e-7, POSITIVE);
    this.centered = checkFlag('RMSprop', 'centered', options.centered ?? false);
    this.attachParameters();
  }

  /** @internal */
  override get settings() {
    const { rho, epsilon, momentum, centered } = this;
    return { ...super.settings, rho, epsilon, momentum, centered };
  }

  protected update(range: Update, slots: DeviceArray[], state: StepState): void {
    const [square, average, velocity] = slots as [DeviceArray, DeviceArray?, DeviceArray?];
    const { rho, momentum, epsilon, centered } = this;
    rmsprop(range, { square, average, velocity }, state, { rho, momentum, epsilon, centered });
  }
}
