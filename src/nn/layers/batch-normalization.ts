import { batchNorm, batchNormInference } from '../../autograd/batch-norm.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { show } from '../../check.ts';
import { ArgumentError, ShapeError } from '../../errors.ts';
import type { Shape } from '../../kernels/array.ts';
import { ones, zeros } from '../initializers.ts';
import { type CallContext, Layer, type LayerOptions } from './layer.ts';

export interface BatchNormalizationOptions extends LayerOptions {
  /** Share of the moving statistics that stays at a step. Default 0.99. PyTorch's `momentum` is the other share. */
  momentum?: number;
  /** Added to the variance. Default 0.001; PyTorch has 0.00001. */
  epsilon?: number;
}

/**
 * Normalises each channel (the last axis), as Keras does: in training by the batch's own mean and variance, else by the moving
 * ones, which take in the biased variance (PyTorch's take the unbiased one). Frozen (`trainable = false`), it uses the moving
 * statistics in training too and leaves them alone.
 */
export class BatchNormalization extends Layer {
  readonly kind = 'BatchNormalization';
  private readonly momentum: number;
  private readonly epsilon: number;

  /** @throws ArgumentError for impossible options */
  constructor(options: BatchNormalizationOptions = {}) {
    super(options);
    this.momentum = options.momentum ?? 0.99;
    this.epsilon = options.epsilon ?? 1e-3;
    for (const what of ['momentum', 'epsilon'] as const) {
      const value = this[what];
      if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
        throw new ArgumentError(`${this.kind}: ${what} must be a number from 0 to 1, but is ${show(value)}`);
      }
    }
  }

  plan(inputShape: Shape) {
    const channels = inputShape.at(-1);
    if (channels === undefined)
      throw new ShapeError(`${this.kind}: needs samples with channels, but gets single numbers`);
    const shape = [channels];
    return {
      outputShape: inputShape,
      weights: [
        { name: 'gamma', shape, initializer: ones },
        { name: 'beta', shape, initializer: zeros },
        { name: 'moving_mean', shape, initializer: zeros, trainable: false },
        { name: 'moving_variance', shape, initializer: ones, trainable: false },
      ],
    };
  }

  call(x: Tensor, { weights, training }: CallContext): Tensor {
    const [gamma, beta, mean, variance] = weights as [Tensor, Tensor, Tensor, Tensor];
    const { epsilon, momentum } = this;
    return training && this.trainable
      ? batchNorm(x, gamma, beta, { epsilon, momentum, running: { mean, variance } })
      : batchNormInference(x, gamma, beta, mean, variance, { epsilon });
  }
}
