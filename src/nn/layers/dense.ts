import { linear } from '../../autograd/matmul/matmul.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { ShapeError } from '../../base/errors.ts';
import type { Shape } from '../../kernels/array.ts';
import { type ActivationName, activationName, applyUnfused, asFinalActivation, fusedOptions } from './activation.ts';
import { type CallContext, type FinalActivation, Layer } from './layer.ts';
import {
  checkLayerOptions,
  checkPositiveInteger,
  type KernelOptions,
  type KernelSpecs,
  kernelOptionNames,
  kernelSpecs,
} from './options.ts';

/** Options of `Dense`. */
export interface DenseOptions extends KernelOptions {
  /** Size of the output's last axis. */
  units: number;
  /** Applied to the result. Default `linear`. */
  activation?: ActivationName;
}

/**
 * A fully connected layer: y = act(x w + b). Default: Glorot-uniform kernel and zero bias, as in Keras.
 *
 * If samples have several axes, the layer works on the last one, as in Keras: [..., inputs] -> [..., units]. To connect every value with
 * every unit, put a `Flatten` layer before it.
 */
export class Dense extends Layer {
  readonly kind = 'Dense';
  override readonly deterministic = true;
  /** Name of the activation. */
  readonly activation: ActivationName;
  private readonly units: number;
  private readonly specs: KernelSpecs;

  /** @throws ArgumentError for impossible options */
  constructor(options: DenseOptions, ...surplus: never[]) {
    super(checkLayerOptions('Dense', options, { ...kernelOptionNames, units: true, activation: true }, surplus));
    this.units = checkPositiveInteger(this.kind, 'units', options.units);
    this.specs = kernelSpecs(this.kind, options);
    this.activation = activationName(this.kind, options.activation);
  }

  plan(inputShape: Shape) {
    const inputs = inputShape.at(-1);
    if (inputs === undefined)
      throw new ShapeError('Dense: needs samples with at least one axis, but gets single numbers');
    return {
      outputShape: [...inputShape.slice(0, -1), this.units],
      weights: [
        { name: 'kernel', shape: [inputs, this.units], ...this.specs.kernel },
        ...(this.specs.useBias ? [{ name: 'bias', shape: [this.units], ...this.specs.bias }] : []),
      ],
    };
  }

  override get finalActivation(): FinalActivation | null {
    return asFinalActivation(this.activation);
  }

  call(x: Tensor, { weights: [kernel, bias] }: CallContext): Tensor {
    return applyUnfused(this.activation, linear(x, kernel!, bias ?? null, fusedOptions(this.activation)));
  }

  /** The output before a softmax or sigmoid. A cross-entropy of logits is exact where probabilities round to 0 or 1. */
  override callLogits(x: Tensor, context: CallContext): Tensor {
    if (!this.finalActivation) return this.call(x, context);
    const [kernel, bias] = context.weights;
    return linear(x, kernel!, bias ?? null);
  }
}
