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

/** A class of layers for `loadModel`: its constructor takes the object that `getConfig` of the layer returned. */
// biome-ignore lint/suspicious/noExplicitAny: each class has different options
export type LayerClass = new (config: any) => Layer;

/** Layers whose constructor takes the object from `getConfig`. */
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

/** Layers whose constructor takes the value of `key` before the options. */
const BY_ARGUMENT: Record<string, { key: string; Class: new (argument: never, options: LayerConfig) => Layer }> = {
  Activation: { key: 'activation', Class: Activation },
  Dropout: { key: 'rate', Class: Dropout },
  Permute: { key: 'dims', Class: Permute },
  Reshape: { key: 'targetShape', Class: Reshape },
};

/** Most layers of a model in a file, and most calls of layers in one pass, including those of nested models. */
const MAX_LAYERS = 100_000;

/** The value of an own property of a table: a class name from a file may be `constructor`. */
const lookUp = <T>(table: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

/**
 * Description of a model without weights, as JSON: `modelFromConfig` creates the model from it.
 * @throws ArgumentError for options that JSON cannot hold, such as functions; for a user's class with the `kind` of one of tilegrad's,
 *   which would be created instead; and for more than 100,000 layers
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
      `modelConfig: ${model.title}: its class overrides what its layers compute; use saveWeights and create the model in code`,
    );
  }
  for (const { layer, name } of model.plannedLayers) {
    if (layer instanceof Model) {
      checkClasses(layer);
      continue;
    }
    const known = lookUp(BY_OPTIONS, layer.kind) ?? lookUp(BY_ARGUMENT, layer.kind)?.Class;
    if (known && layer.constructor !== known) {
      throw new ArgumentError(
        `${name}: its class has the kind of another class, ${layer.kind}; give it a different kind`,
      );
    }
  }
}

/** @throws ErrorClass if a pass calls too many layers: a few layers are enough if nested models are used twice at each depth */
export function checkCalls(model: Model, ErrorClass: typeof ArgumentError | typeof DataError): void {
  const known = new Map<Model, number>();
  const callsOf = (layer: Layer): number => {
    if (!(layer instanceof Model)) return 1;
    const { layers, uses } = layer;
    const calls = known.get(layer) ?? uses.reduce((sum, use) => sum + callsOf(layers[use.layer]!), 0);
    known.set(layer, calls);
    return calls;
  };
  const calls = callsOf(model);
  if (calls <= MAX_LAYERS) return;
  throw new ErrorClass(`${model.title} calls its layers ${formatCount(calls)} times; ${LIMIT}`);
}

const formatCount = (n: number) => n.toLocaleString('en-US');
const LIMIT = `a file may hold models with at most ${formatCount(MAX_LAYERS)}`;

/**
 * Creates a model, without weights, from the description that `modelConfig` returned.
 * @param customLayers classes of layers that are not part of tilegrad, by their `kind`
 * @throws DataError for an invalid or too large description; ArgumentError for a layer of an unknown class
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
  const size = Math.max(layers.length, uses.length);
  if (size > MAX_LAYERS)
    throw new DataError(`${formatValue(name ?? className)} has ${formatCount(size)} layers; ${LIMIT}`);
  const created = layers.map((layer) => layerFromConfig(layer, customLayers));
  const steps = uses.map((use: Partial<Use>, i) => {
    const layer = Number.isInteger(use?.layer) ? created[use.layer!] : undefined;
    const known = Array.isArray(use?.inputs) && use.inputs.every((n) => Number.isInteger(n) && n >= 0 && n <= i);
    if (!layer || !known) {
      throw new DataError(
        `model config: uses[${i}] is ${formatValue(use)}, but layers are 0 to ${layers.length - 1} and inputs 0 to ${i}; save the model again`,
      );
    }
    const isChained = use.inputs!.length === 1 && use.inputs![0] === i;
    if (className === 'Sequential' && !isChained) {
      throw new DataError(
        `model config: uses[${i}] has the inputs ${formatValue(use.inputs)}, but in a Sequential the input of a layer is the output before it`,
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
  const Custom = lookUp(customLayers, className);
  if (!Custom && (className === 'Sequential' || className === 'Functional')) {
    return readModel(description, customLayers);
  }
  const Class = Custom ?? lookUp(BY_OPTIONS, className);
  const byArgument = lookUp(BY_ARGUMENT, className);
  if (!Class && !byArgument) {
    throw new ArgumentError(
      `layer ${formatValue(config.name)} is a ${className}, which is not one of tilegrad's layers: pass its class as ` +
        `customLayers: { ${className} }`,
    );
  }
  return asDataError(className, config.name, () => {
    if (Class) return new Class(config);
    const { [byArgument!.key]: argument, ...options } = config;
    return new byArgument!.Class(argument as never, options);
  });
}

/** Runs `create` and turns its errors into DataError with the layer's name, since the description caused them. */
function asDataError<T>(className: string, name: unknown, create: () => T): T {
  try {
    return create();
  } catch (cause) {
    if (!(cause instanceof TilegradError)) throw cause;
    const { message } = cause;
    const reason = message.startsWith(`${className}: `) ? message.slice(className.length + 2) : message;
    throw new DataError(`${titleOf(className, name)}: ${reason}`, { cause });
  }
}

const titleOf = (className: string, name: unknown): string =>
  name === undefined ? className : `${className} ${formatValue(name)}`;
