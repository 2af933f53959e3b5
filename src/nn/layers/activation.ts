import type { ActivationOptions } from '../../autograd/arguments.ts';
import {
  clip,
  elu,
  gelu,
  leakyRelu,
  relu,
  relu6,
  sigmoid,
  softplus,
  tanh,
} from '../../autograd/pointwise/pointwise.ts';
import { softmax } from '../../autograd/softmax/softmax.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { checkF32, checkFirst, formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Shape } from '../../kernels/array.ts';
import { fusedActivations } from '../../kernels/epilogue.ts';
import { type FusionRole, fusionRole } from './fusion-role.ts';
import { type FinalActivation, Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

const LEAKY_RELU_SLOPE = 0.2;

/**
 * Activations by Keras's names, with Keras's parameters. `leakyRelu` has slope 0.2, whereas Keras's layer of that name has 0.3 and the
 * operator has PyTorch's 0.01.
 */
const activations = {
  linear: (x: Tensor) => x,
  relu,
  relu6,
  leakyRelu: (x: Tensor) => leakyRelu(x, { negativeSlope: LEAKY_RELU_SLOPE }),
  elu: (x: Tensor) => elu(x),
  sigmoid,
  tanh,
  softplus,
  gelu: (x: Tensor) => gelu(x),
  softmax: (x: Tensor) => softmax(x),
} as const;

/**
 * Activations by Keras's names, with Keras's parameters: `leakyRelu` has the slope 0.2.
 * @useDeclaredType
 */
export type ActivationName = keyof typeof activations;

/** An activation's name; `linear` for undefined. @throws ArgumentError for an unknown name */
export function activationName(layer: string, value: ActivationName | undefined): ActivationName {
  const name = value ?? 'linear';
  if (typeof name !== 'string' || !Object.hasOwn(activations, name)) {
    throw new ArgumentError(
      `${layer}: activation must be one of ${Object.keys(activations).join(', ')}, but is ${formatValue(value)}`,
    );
  }
  return name;
}

/** Applies an activation by name. */
export const activate = (name: ActivationName, x: Tensor): Tensor => activations[name](x);

/** The name, if it is a softmax or sigmoid, before which a cross-entropy takes the logits; else null. */
export const asFinalActivation = (name: ActivationName): FinalActivation | null =>
  name === 'softmax' || name === 'sigmoid' ? name : null;

/** Options of `linear` and `conv2d` that apply the activation in the kernel's epilogue; none if the kernels do not support it. */
export function fusedOptions(name: ActivationName): ActivationOptions {
  if (name === 'leakyRelu') return { activation: name, negativeSlope: LEAKY_RELU_SLOPE };
  return fusedActivations.includes(name as 'relu') ? { activation: name as 'relu' } : {};
}

/** Applies the activation to y unless `fusedOptions` made the kernel apply it. */
export const applyUnfused = (name: ActivationName, y: Tensor): Tensor =>
  fusedOptions(name).activation ? y : activate(name, y);

/** An activation as a separate layer: `new Activation('tanh')`. */
export class Activation extends Layer {
  readonly kind = 'Activation';
  override readonly deterministic = true;
  /** Its name. */
  readonly activation: ActivationName;

  /** @throws ArgumentError for an unknown name */
  constructor(activation: ActivationName, options: LayerOptions = {}, ...surplus: never[]) {
    super(checkLayerOptions('Activation', options, layerOptionNames, surplus));
    checkFirst('Activation', 'activation comes', activation, "new Activation('relu', { inputShape })");
    this.activation = activationName(this.kind, activation);
  }

  get [fusionRole](): FusionRole {
    return { role: 'activation', Class: Activation };
  }

  /**
   * Name of the activation if kernels of other layers support it in their epilogue; else null.
   * @internal
   */
  get fusedName(): 'relu' | 'relu6' | null {
    const { activation } = this;
    return activation === 'relu' || activation === 'relu6' ? activation : null;
  }

  plan(inputShape: Shape) {
    return { outputShape: inputShape, weights: [] };
  }

  override getConfig() {
    return { activation: this.activation, ...super.getConfig() };
  }

  override get finalActivation(): FinalActivation | null {
    return asFinalActivation(this.activation);
  }

  call(x: Tensor): Tensor {
    return activate(this.activation, x);
  }

  override callLogits(x: Tensor): Tensor {
    return x; // only called for a softmax or sigmoid
  }
}

/** max(x, 0), clipped at `maxValue` if given; for x below 0, negativeSlope x, default 0. */
export class ReLU extends Layer {
  readonly kind = 'ReLU';
  override readonly deterministic = true;
  private readonly maxValue: number | null;
  private readonly negativeSlope: number;

  /**
   * @param options.maxValue the largest output, or null (default) for none
   * @param options.negativeSlope factor on inputs below 0; default 0
   * @throws ArgumentError unless both are zero or more
   */
  constructor(options: LayerOptions & { maxValue?: number | null; negativeSlope?: number } = {}, ...surplus: never[]) {
    super(checkLayerOptions('ReLU', options, { ...layerOptionNames, maxValue: true, negativeSlope: true }, surplus));
    this.maxValue = options.maxValue ?? null;
    this.negativeSlope = options.negativeSlope ?? 0;
    for (const [option, value] of [
      ['maxValue', this.maxValue ?? 0],
      ['negativeSlope', this.negativeSlope],
    ] as const) {
      if (!Number.isFinite(value) || value < 0) {
        throw new ArgumentError(`ReLU: ${option} must be a number from 0 up, but is ${formatValue(value)}`);
      }
      checkF32(`ReLU: ${option}`, value);
    }
  }

  get [fusionRole](): FusionRole {
    return { role: 'activation', Class: ReLU };
  }

  plan(inputShape: Shape) {
    return { outputShape: inputShape, weights: [] };
  }

  /**
   * Name of the same activation, for kernels that support it in their epilogue; null if there is none.
   * @internal
   */
  get fusedName(): 'relu' | 'relu6' | null {
    if (this.negativeSlope !== 0) return null;
    return this.maxValue === null ? 'relu' : this.maxValue === 6 ? 'relu6' : null;
  }

  call(x: Tensor): Tensor {
    const { maxValue, negativeSlope } = this;
    if (maxValue === 6 && negativeSlope === 0) return relu6(x);
    const y = negativeSlope === 0 ? relu(x) : leakyRelu(x, { negativeSlope });
    return maxValue === null ? y : clip(y, { max: maxValue });
  }
}

/** x if x > 0, else negativeSlope x. The default slope is 0.3, as in Keras. */
export class LeakyReLU extends Layer {
  readonly kind = 'LeakyReLU';
  override readonly deterministic = true;
  /** Factor on inputs below 0. */
  readonly negativeSlope: number;

  /**
   * @param options.negativeSlope factor on inputs below 0; default 0.3
   * @throws ArgumentError unless the slope is a number from 0 up
   */
  constructor(options: LayerOptions & { negativeSlope?: number } = {}, ...surplus: never[]) {
    super(checkLayerOptions('LeakyReLU', options, { ...layerOptionNames, negativeSlope: true }, surplus));
    this.negativeSlope = options.negativeSlope ?? 0.3;
    if (!Number.isFinite(this.negativeSlope) || this.negativeSlope < 0) {
      throw new ArgumentError(
        `LeakyReLU: negativeSlope must be a number from 0 up, but is ${formatValue(options.negativeSlope)}`,
      );
    }
    checkF32('LeakyReLU: negativeSlope', this.negativeSlope);
  }

  plan(inputShape: Shape) {
    return { outputShape: inputShape, weights: [] };
  }

  call(x: Tensor): Tensor {
    return leakyRelu(x, { negativeSlope: this.negativeSlope });
  }
}
