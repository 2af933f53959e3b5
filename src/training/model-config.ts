import { checkObject, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError, DataError, TilegradError } from '../base/errors.ts';
import { input } from '../nn/graph/graph.ts';
import type { GraphConfig, LayerDescription } from '../nn/graph/graph-config.ts';
import { Activation, LeakyReLU, ReLU } from '../nn/layers/activation.ts';
import { BatchNormalization } from '../nn/layers/batch-normalization.ts';
import type { LayerConfig } from '../nn/layers/config.ts';
import { Conv2D } from '../nn/layers/conv2d.ts';
import { Dense } from '../nn/layers/dense.ts';
import { DepthwiseConv2D } from '../nn/layers/depthwise.ts';
import { Dropout } from '../nn/layers/dropout.ts';
import { Flatten } from '../nn/layers/flatten.ts';
import type { Layer, Use } from '../nn/layers/layer.ts';
import { Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract } from '../nn/layers/merge.ts';
import { AveragePooling2D, GlobalAveragePooling2D, MaxPooling2D } from '../nn/layers/pooling.ts';
import { RandomFlip, RandomRotation, RandomTranslation, RandomZoom } from '../nn/layers/random-affine.ts';
import { RandomCrop } from '../nn/layers/random-crop.ts';
import { RandomContrast, RandomErasing } from '../nn/layers/random-pixels.ts';
import { Permute, Rescaling, Reshape, Resizing, ZeroPadding2D } from '../nn/layers/shaping.ts';
import { checkModel } from './batches/source-batches.ts';
import { Model } from './model.ts';
import { Sequential } from './sequential.ts';

/** A class that `loadModel` makes a layer with: its constructor is given what the layer's `getConfig` returned. */
// biome-ignore lint/suspicious/noExplicitAny: a constructor takes options of its own
export type LayerClass = new (config: any) => Layer;

/** Layers whose constructor takes their `getConfig` as it is. */
const BY_OPTIONS: Record<string, LayerClass> = {
  Add,
  Average,
  AveragePooling2D,
  BatchNormalization,
  Concatenate,
  Conv2D,
  Dense,
  DepthwiseConv2D,
  Flatten,
  GlobalAveragePooling2D,
  LeakyReLU,
  MaxPooling2D,
  Maximum,
  Minimum,
  Multiply,
  RandomContrast,
  RandomCrop,
  RandomErasing,
  RandomFlip,
  RandomRotation,
  RandomTranslation,
  RandomZoom,
  ReLU,
  Rescaling,
  Resizing,
  Subtract,
  ZeroPadding2D,
};

/** Those that take something before their options. */
const BY_ARGUMENT: Record<string, { key: string; Class: new (argument: never, options: LayerConfig) => Layer }> = {
  Activation: { key: 'activation', Class: Activation },
  Dropout: { key: 'rate', Class: Dropout },
  Permute: { key: 'dims', Class: Permute },
  Reshape: { key: 'targetShape', Class: Reshape },
};

/** Layers of a model that a file may hold, and calls of them in one pass, those within models included. */
const MOST_LAYERS = 100_000;

const own = <T>(table: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

/**
 * A model as JSON can hold it, without weights: what `modelFromConfig` makes it again from.
 * @throws ArgumentError for what it cannot hold: a function among the options, a class of the user's under the name of one
 *   of tilegrad's, which would come back as that one, or too many layers
 */
export function modelConfig(model: Model): LayerDescription {
  checkModel('modelConfig', model, 'modelConfig(model)');
  checkClasses(model);
  checkCalls(model, ArgumentError);
  return { className: model instanceof Sequential ? 'Sequential' : 'Functional', config: model.getConfig() };
}

function checkClasses(model: Model): void {
  if (model.call !== Model.prototype.call || model.callLogits !== Model.prototype.callLogits) {
    throw new ArgumentError(
      `modelConfig: ${model.title}: its class computes something else than its layers; use saveWeights and make the model in code`,
    );
  }
  for (const { layer, name } of model.plannedLayers) {
    if (layer instanceof Model) {
      checkClasses(layer);
      continue;
    }
    const known = own(BY_OPTIONS, layer.kind) ?? own(BY_ARGUMENT, layer.kind)?.Class;
    if (known && layer.constructor !== known) {
      throw new ArgumentError(`${name}: its class has the kind of another, ${layer.kind}; give it a kind of its own`);
    }
  }
}

/** @throws Kind for a model that calls more layers in a pass than a file may hold: few layers can, with models in models used twice */
export function checkCalls(model: Model, Kind: typeof ArgumentError | typeof DataError): void {
  const known = new Map<Model, number>();
  const callsOf = (layer: Layer): number => {
    if (!(layer instanceof Model)) return 1;
    const { layers, uses } = layer;
    const calls = known.get(layer) ?? uses.reduce((sum, use) => sum + callsOf(layers[use.layer]!), 0);
    known.set(layer, calls);
    return calls;
  };
  const calls = callsOf(model);
  if (calls <= MOST_LAYERS) return;
  throw new Kind(`${model.title} calls its layers ${counted(calls)} times; ${BOUND}`);
}

const counted = (n: number) => n.toLocaleString('en-US');
const BOUND = `a file may hold models of ${counted(MOST_LAYERS)} at most`;

/**
 * The model of a `modelConfig`, without weights.
 * @param customLayers classes of layers that are none of tilegrad's, by their `kind`
 * @throws DataError for what is no such description, or too large; ArgumentError for a layer whose class is not known
 */
export function modelFromConfig(description: unknown, customLayers: Record<string, LayerClass> = {}): Model {
  checkObject('modelFromConfig: customLayers', customLayers);
  const model = readModel(description, customLayers);
  checkCalls(model, DataError);
  return model;
}

function readModel(description: unknown, customLayers: Record<string, LayerClass>): Model {
  const { className, config } = checkDescription(description);
  if (className !== 'Sequential' && className !== 'Functional') {
    throw new DataError(`a model is a Sequential or a Functional, but this is a ${className}`);
  }
  const { layers, uses, inputShape, name } = config as GraphConfig;
  if (!Array.isArray(layers) || !Array.isArray(uses) || !Array.isArray(inputShape)) {
    throw new DataError(`a model needs layers, uses and inputShape, but is ${formatValue(config)}`);
  }
  const most = Math.max(layers.length, uses.length);
  if (most > MOST_LAYERS)
    throw new DataError(`${formatValue(name ?? className)} has ${counted(most)} layers; ${BOUND}`);
  const made = layers.map((layer) => layerFromConfig(layer, customLayers));
  const steps = uses.map((use: Partial<Use>, i) => {
    const layer = Number.isInteger(use?.layer) ? made[use.layer!] : undefined;
    const known = Array.isArray(use?.inputs) && use.inputs.every((n) => Number.isInteger(n) && n >= 0 && n <= i);
    if (!layer || !known) throw new DataError(`use ${i} of a layer refers to what is not there: ${formatValue(use)}`);
    const isChained = use.inputs!.length === 1 && use.inputs![0] === i;
    if (className === 'Sequential' && !isChained) {
      throw new DataError(
        `use ${i} of a layer has the inputs ${formatValue(use.inputs)}, but in a Sequential each layer is fed by the one before`,
      );
    }
    return { layer, inputs: use.inputs! };
  });
  return asDataError(className, name, () => {
    if (className === 'Sequential')
      return new Sequential(
        steps.map(({ layer }) => layer),
        name,
      );
    const values = [input(inputShape)];
    for (const { layer, inputs } of steps) {
      const given = inputs.map((n) => values[n]!);
      values.push(layer.apply(given.length === 1 ? given[0]! : given));
    }
    return new Model({ inputs: values[0]!, outputs: values.at(-1)!, name });
  });
}

function checkDescription(description: unknown): LayerDescription {
  const { className, config } = tryRead('modelFromConfig', () => ({
    ...(description ?? {}),
  })) as Partial<LayerDescription>;
  if (typeof className !== 'string' || typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new DataError(`a layer needs className and config, but is ${formatValue(description)}`);
  }
  const { name, inputShape } = config;
  if (name !== undefined && typeof name !== 'string') {
    throw new DataError(`the name of a layer must be text, but is ${formatValue(name)}`);
  }
  const isShape = Array.isArray(inputShape) && inputShape.every((n) => Number.isSafeInteger(n) && n > 0);
  if (inputShape !== undefined && !isShape) {
    throw new DataError(
      `${titleOf(className, name)}: inputShape must be positive integers, but is ${formatValue(inputShape)}`,
    );
  }
  return { className, config };
}

function layerFromConfig(description: unknown, customLayers: Record<string, LayerClass>): Layer {
  const { className, config } = checkDescription(description);
  const Custom = own(customLayers, className);
  if (!Custom && (className === 'Sequential' || className === 'Functional')) {
    return readModel(description, customLayers);
  }
  const Class = Custom ?? own(BY_OPTIONS, className);
  const byArgument = own(BY_ARGUMENT, className);
  if (!Class && !byArgument) {
    throw new ArgumentError(
      `layer ${formatValue(config.name)} is a ${className}, which is none of tilegrad's layers: hand its class over as ` +
        `customLayers: { ${className} }`,
    );
  }
  return asDataError(className, config.name, () => {
    if (Class) return new Class(config);
    const { [byArgument!.key]: argument, ...options } = config;
    return new byArgument!.Class(argument as never, options);
  });
}

/** Runs `make`; what it refuses is the description's fault. Most of its messages begin with the class, which is said once. */
function asDataError<T>(className: string, name: unknown, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof TilegradError)) throw cause;
    const { message } = cause;
    const rest = message.startsWith(`${className}: `) ? message.slice(className.length + 2) : message;
    throw new DataError(`${titleOf(className, name)}: ${rest}`, { cause });
  }
}

const titleOf = (className: string, name: unknown): string =>
  name === undefined ? className : `${className} ${formatValue(name)}`;
