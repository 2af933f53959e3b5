import {
  checkFlag,
  checkOptions,
  checkShape,
  checkText,
  formatValue,
  type OptionNames,
  tryRead,
} from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { Shape } from '../../kernels/array.ts';
import { type Initializer, type InitializerName, initializerOf } from '../initializers/initializers.ts';
import { type Regularizer, type RegularizerName, regularizerOf } from '../regularizers.ts';

/** Options every layer takes. */
export interface LayerOptions {
  /** Name in summaries, messages and files. Default: the first model that it becomes part of names it, as Keras would: `conv2d_1`. */
  name?: string;
  /** Shape of one sample, without the batch; the first layer of a model needs it. */
  inputShape?: Shape;
  /** See `Layer.trainable`. Default true. */
  trainable?: boolean;
}
export const layerOptionNames: OptionNames<LayerOptions> = { name: true, inputShape: true, trainable: true };

/** Options of layers with a kernel and perhaps a bias: `Dense` and `Conv2D`. */
export interface KernelOptions extends LayerOptions {
  /** Whether there is a bias. Default true. */
  useBias?: boolean;
  /** How the kernel begins, by name or as a function. Default `glorotUniform`. */
  kernelInitializer?: InitializerName | Initializer;
  /** How the bias begins, by name or as a function. Default `zeros`. */
  biasInitializer?: InitializerName | Initializer;
  /** A penalty on the kernel, in the loss and in its gradient. Default none. */
  kernelRegularizer?: RegularizerName | Regularizer | null;
}
export const kernelOptionNames: OptionNames<KernelOptions> = {
  ...layerOptionNames,
  useBias: true,
  kernelInitializer: true,
  biasInitializer: true,
  kernelRegularizer: true,
};

/** How a layer's kernel and bias begin, and the kernel's penalty: what is to be spread into their `WeightSpec`s. */
export interface KernelSpecs {
  kernel: { initializer: Initializer; regularizer: Regularizer | undefined };
  bias: { initializer: Initializer };
  useBias: boolean;
}

/** @throws ArgumentError for an initialiser or penalty that is none */
export function kernelSpecs(layer: string, options: KernelOptions): KernelSpecs {
  return {
    kernel: {
      initializer: initializerOf(`${layer}: kernelInitializer`, options.kernelInitializer ?? 'glorotUniform'),
      regularizer: regularizerOf(`${layer}: kernelRegularizer`, options.kernelRegularizer),
    },
    bias: { initializer: initializerOf(`${layer}: biasInitializer`, options.biasInitializer ?? 'zeros') },
    useBias: checkFlag(layer, 'useBias', options.useBias ?? true),
  };
}

/** The options that every layer has. @throws ArgumentError for one of the wrong kind, or that cannot be read */
export function checkCommonOptions(kind: string, options: LayerOptions): LayerOptions {
  const { name, inputShape, trainable } = tryRead(kind, () => ({
    name: options.name,
    inputShape: options.inputShape,
    trainable: options.trainable,
  }));
  if (name !== undefined) checkText(`${kind}: name`, name);
  if (inputShape !== undefined) checkShape(`${kind}: inputShape`, inputShape);
  if (trainable !== undefined) checkFlag(kind, 'trainable', trainable);
  return { name, inputShape, trainable };
}

/**
 * Options of one of tilegrad's own layers, as they were given.
 * @throws ArgumentError for one that there is not (see `checkOptions`), and for a name, shape or flag of the wrong kind
 */
export function checkLayerOptions<T extends LayerOptions>(
  kind: string,
  options: T,
  names: OptionNames<NoInfer<T>>,
  surplus: readonly unknown[],
): T {
  checkOptions(kind, options, names, surplus);
  checkCommonOptions(kind, options);
  return options;
}

/** @throws ArgumentError unless `value` is a positive integer. */
export function checkPositiveInteger(layer: string, subject: string, value: number): number {
  if (!Number.isInteger(value) || value < 1) {
    throw new ArgumentError(`${layer}: ${subject} must be a positive integer, but is ${formatValue(value)}`);
  }
  return value;
}
