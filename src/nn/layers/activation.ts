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
import { type FusionRole, fusionRole } from './fusing.ts';
import { type FinalActivation, Layer } from './layer.ts';
import { checkLayerOptions, type LayerOptions, layerOptionNames } from './options.ts';

const LEAKY_RELU_SLOPE = 0.2;

/** Activations by Keras's names, with Keras's parameters (leakyRelu: slope 0.2, where Keras's layer of that name has 0.3 and the operator PyTorch's 0.01). */
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

/** An activation's name, `linear` when left out. @throws ArgumentError for an unknown one */
export function activationName(layer: string, value: ActivationName | undefined): ActivationName {
  const name = value ?? 'linear';
  if (typeof name !== 'string' || !Object.hasOwn(activations, name)) {
    throw new ArgumentError(
      `${layer}: activation must be one of ${Object.keys(activations).join(', ')}, but is ${formatValue(value)}`,
    );
  }
  return name;
}

/** An activation by its name. */
export const activate = (name: ActivationName, x: Tensor): Tensor => activations[name](x);

/** The name, if a cross-entropy undoes that activation. */
export const asFinalActivation = (name: ActivationName): FinalActivation | null =>
  name === 'softmax' || name === 'sigmoid' ? name : null;

/** What of an activation a kernel does in its store: options of `linear` and `conv2d`. */
export function fusedOptions(name: ActivationName): ActivationOptions {
  if (name === 'leakyRelu') return { activation: name, negativeSlope: LEAKY_RELU_SLOPE };
  return fusedActivations.includes(name as 'relu') ? { activation: name as 'relu' } : {};
}

/** What is left to do after a kernel that fuses what it can. */
export const applyUnfused = (name: ActivationName, y: Tensor): Tensor =>
  fusedOptions(name).activation ? y : activate(name, y);

/** An activation as a layer of its own: `new Activation('tanh')`. */
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
   * The same activation by its name, if kernels of other layers do it in their store; else null.
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
    return x; // asked of a softmax or sigmoid only
  }
}

/** max(x, 0), cut off at `maxValue` where one is given; below 0 negativeSlope x, default 0. */
export class ReLU extends Layer {
  readonly kind = 'ReLU';
  override readonly deterministic = true;
  private readonly maxValue: number | null;
  private readonly negativeSlope: number;

  /**
   * @param options.maxValue the largest output, or null (default) for none
   * @param options.negativeSlope factor on inputs below 0; default 0
   * @throws ArgumentError unless both are numbers from 0 up
   */
  constructor(options: LayerOptions & { maxValue?: number | null; negativeSlope?: number } = {}, ...surplus: never[]) {
    super(checkLayerOptions('ReLU', options, { ...layerOptionNames, maxValue: true, negativeSlope: true }, surplus));
    this.maxValue = options.maxValue ?? null;
    this.negativeSlope = options.negativeSlope ?? 0;
    for (const [subject, value] of [
      ['maxValue', this.maxValue ?? 0],
      ['negativeSlope', this.negativeSlope],
    ] as const) {
      if (!Number.isFinite(value) || value < 0) {
        throw new ArgumentError(`ReLU: ${subject} must be a number from 0 up, but is ${formatValue(value)}`);
      }
      checkF32(`ReLU: ${subject}`, value);
    }
  }

  get [fusionRole](): FusionRole {
    return { role: 'activation', Class: ReLU };
  }

  plan(inputShape: Shape) {
    return { outputShape: inputShape, weights: [] };
  }

  /**
   * The same activation by its name, for kernels that do it in their store; null where it has none.
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

/** x above 0, negativeSlope x from 0 down; the default slope 0.3 is Keras's. */
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
