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

/** Options of every layer. */
export interface LayerOptions {
  /** Name in summaries, messages and files. Default: set by the first model that contains the layer, as in Keras: `conv2d_1`. */
  name?: string;
  /** Shape of one sample, without the batch. Required for the first layer of a `Sequential`. */
  inputShape?: Shape;
  /** See `Layer.trainable`. Default true. */
  trainable?: boolean;
  /** See `Layer.recompute`. Default false. */
  recompute?: boolean;
}
export const layerOptionNames: OptionNames<LayerOptions> = {
  ...{ name: true, inputShape: true, trainable: true, recompute: true },
};

/** Options of layers with a kernel and an optional bias: `Dense` and `Conv2D`. */
export interface KernelOptions extends LayerOptions {
  /** Whether there is a bias. Default true. */
  useBias?: boolean;
  /** Initializer of the kernel: a name or a function. Default `glorotUniform`. */
  kernelInitializer?: InitializerName | Initializer;
  /** Initializer of the bias: a name or a function. Default `zeros`. */
  biasInitializer?: InitializerName | Initializer;
  /** Penalty on the kernel, added to the loss and to its gradient. Default none. */
  kernelRegularizer?: RegularizerName | Regularizer | null;
}
export const kernelOptionNames: OptionNames<KernelOptions> = {
  ...layerOptionNames,
  useBias: true,
  kernelInitializer: true,
  biasInitializer: true,
  kernelRegularizer: true,
};

/** Parts of the `WeightSpec`s of a layer's kernel and bias. */
export interface KernelSpecs {
  kernel: { initializer: Initializer; regularizer: Regularizer | undefined };
  bias: { initializer: Initializer };
  useBias: boolean;
}

/** @throws ArgumentError for an unknown initializer or penalty */
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

/** Reads the options of every layer. @throws ArgumentError for an option of the wrong type, or one that cannot be read */
export function checkCommonOptions(kind: string, options: LayerOptions): LayerOptions {
  const { name, inputShape, trainable, recompute } = tryRead(kind, () => ({
    name: options.name,
    inputShape: options.inputShape,
    trainable: options.trainable,
    recompute: options.recompute,
  }));
  if (name !== undefined) checkText(`${kind}: name`, name);
  if (inputShape !== undefined) checkShape(`${kind}: inputShape`, inputShape);
  if (trainable !== undefined) checkFlag(kind, 'trainable', trainable);
  if (recompute !== undefined) checkFlag(kind, 'recompute', recompute);
  return { name, inputShape, trainable, recompute };
}

/**
 * Checks and returns the options of one of tilegrad's layers.
 * @throws ArgumentError for an unknown option (see `checkOptions`), and for a name, shape or flag of the wrong type
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
