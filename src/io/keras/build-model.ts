import { formatValue, tryRead } from '../../base/check.ts';
import { ArgumentError, DataError, TilegradError } from '../../base/errors.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import { input, type Layer } from '../../nn/index.ts';
import { type LayerClass, Model, Sequential } from '../../training/index.ts';
import { checkCalls } from '../../training/model-config.ts';
import { isModel, type Json, type KerasLayer, type KerasModel, type OpenShape } from './config.ts';
import { COMMON, LAYERS } from './layer-table.ts';
import type { Options } from './options.ts';

export interface BuildOptions {
  customLayers?: Record<string, LayerClass>;
  /** Shape of one sample, if the file leaves sizes open. */
  inputShape?: Shape;
}

/** Limit of the problems that a message lists. */
const MAX_LISTED = 20;

/**
 * Builds the model that a file describes, without weights.
 * @param file name of the file, for messages
 * @throws DataError for unsupported layers and options, naming all of them; for a model whose layers do not fit together
 */
export function buildKerasModel(described: KerasModel, options: BuildOptions, file: string): Model {
  const layers = new LayerFactory(options.customLayers ?? {});
  layers.check(described, '');
  layers.throwProblems(file);
  try {
    const model = new Builder(layers).build(described, options.inputShape ?? null);
    checkCalls(model, DataError);
    return model;
  } catch (cause) {
    if (!(cause instanceof TilegradError)) throw cause;
    const Kind = cause instanceof ArgumentError && options.inputShape ? ArgumentError : DataError;
    throw new Kind(`${file}: ${cause.message}`, { cause });
  }
}

/** Creates the layers that are not models, and collects the problems of those that cannot be created. */
class LayerFactory {
  private readonly unknownLayers = new Map<string, string[]>();
  private readonly refusedOptions: string[] = [];

  constructor(private readonly customLayers: Record<string, LayerClass>) {}

  /** Collects the problems of a model's layers. @param path names of the models that contain the model */
  check(model: KerasModel, path: string): void {
    for (const layer of model.layers) {
      if (isModel(layer)) this.check(layer, `${path}${layer.name}/`);
      else this.checkLayer(layer, `${path}${layer.name}`);
    }
    for (const { layer, arguments: callArguments } of model.calls)
      this.checkCall(model.layers[layer]!, `${path}${model.layers[layer]!.name}`, callArguments);
  }

  private checkLayer(layer: KerasLayer, path: string): void {
    const { className } = layer;
    if (!this.isKnown(className)) {
      this.unknownLayers.set(className, [...(this.unknownLayers.get(className) ?? []), path]);
      return;
    }
    const problems: string[] = [];
    try {
      this.create(layer, {}, problems);
    } catch (cause) {
      if (!(cause instanceof TilegradError)) throw cause;
      if (problems.length === 0) problems.push(cause.message); // otherwise the error follows from these problems
    }
    this.refusedOptions.push(...problems.map((problem) => `${path} (${className}): ${problem}`));
  }

  /** Accepts `training=False` if it changes nothing, as in a frozen model. Other arguments are not supported. */
  private checkCall(layer: KerasLayer | KerasModel, path: string, callArguments: Json): void {
    for (const [name, value] of Object.entries(callArguments)) {
      if (value === null || (name === 'training' && value === false && !dependsOnTraining(layer))) continue;
      const advice = name === 'training' ? '; freeze it (trainable = False) and save the model again' : '';
      this.refusedOptions.push(
        `${path} (${layer.className}): is called with ${name}=${formatValue(value)}, which is not supported here${advice}`,
      );
    }
  }

  private isKnown(className: string): boolean {
    return Object.hasOwn(LAYERS, className) || Object.hasOwn(this.customLayers, className);
  }

  throwProblems(file: string): void {
    const unknownLayers = [...this.unknownLayers].map(([kind, names]) => `${kind} (${summarizeNames(names, 3)})`);
    const problems = [
      ...(unknownLayers.length > 0
        ? [
            `there are no layers such as ${summarizeNames(unknownLayers, MAX_LISTED)}; pass classes for them as customLayers`,
          ]
        : []),
      ...(this.refusedOptions.length > 0
        ? [`options that layers here do not have: ${summarizeNames(this.refusedOptions, MAX_LISTED, '; ')}`]
        : []),
    ];
    if (problems.length > 0) throw new DataError(`${file} cannot be loaded as a model: ${problems.join('. ')}`);
  }

  /**
   * Creates a layer, or several that follow each other.
   * @param given options in addition to those of the file
   * @param problems receives the options that are not supported
   * @throws errors of the layer's constructor
   */
  create({ className, name, config }: KerasLayer, given: Options, problems: string[] = []): Layer | Layer[] {
    if (Object.hasOwn(this.customLayers, className)) {
      const { dtype: _, batch_input_shape: __, batch_shape: ___, ...options } = config;
      return new this.customLayers[className]!({ ...options, ...given, name });
    }
    const entry = LAYERS[className]!;
    const options: Options = {};
    for (const [option, value] of Object.entries(config)) {
      const rules = [entry.options, COMMON].find((candidates) => Object.hasOwn(candidates, option));
      if (!rules && (value === null || value === false)) continue;
      const converted = rules ? rules[option]!(value) : 'is an option that is not known here';
      if (typeof converted === 'string')
        problems.push(`${option} is ${formatValue(value)}, but ${converted}`.replace('but is', 'which is'));
      else Object.assign(options, converted);
    }
    return entry.make({ ...options, ...given, name });
  }
}

/** Whether a layer computes something else in training: batch normalization that is not frozen, dropout, and random layers of images. */
const dependsOnTraining = (layer: KerasLayer | KerasModel): boolean => {
  if (isModel(layer)) return layer.layers.some(dependsOnTraining);
  if (layer.className === 'BatchNormalization') return layer.config.trainable !== false;
  return layer.className === 'Dropout' || layer.className.startsWith('Random');
};

const summarizeNames = (names: readonly string[], maxCount: number, separator = ', '): string =>
  names.slice(0, maxCount).join(separator) +
  (names.length > maxCount ? `${separator}and ${names.length - maxCount} more` : '');

class Builder {
  constructor(private readonly layers: LayerFactory) {}

  /** @param given shape of one sample, if the caller knows it */
  build(described: KerasModel, given: Shape | null): Model {
    const { name, config, calls } = described;
    const shape = inputShapeOf(described, given);
    const layersByIndex = new Map<number, Layer[]>();
    const layersOf = (index: number, layerInput: Shape, isFirst: boolean): Layer[] => {
      const layer = described.layers[index]!;
      const created =
        layersByIndex.get(index) ?? [this.createLayer(layer, layerInput, isFirst ? { inputShape: shape } : {})].flat();
      layersByIndex.set(index, created);
      return created;
    };
    const model =
      described.className === 'Sequential'
        ? this.sequential(described, shape, layersOf)
        : this.functional(name, calls, shape, layersOf);
    if (config.trainable === false) model.trainable = false;
    return model;
  }

  private sequential({ name, calls }: KerasModel, shape: Shape, layersOf: LayersOf): Model {
    let value = input(shape);
    const layers = calls.flatMap(({ layer }, i) => {
      const created = layersOf(layer, value.shape, i === 0);
      for (const next of created) value = withLayerName(next, () => next.apply(value));
      return created;
    });
    return new Sequential(layers, name);
  }

  private functional(name: string, calls: KerasModel['calls'], shape: Shape, layersOf: LayersOf): Model {
    const values = [input(shape)];
    for (const { layer, inputs } of calls) {
      const given = inputs.map((value) => values[value]!);
      const [first, ...others] = layersOf(layer, given[0]!.shape, false) as [Layer, ...Layer[]];
      let value = withLayerName(first, () => first.apply(given.length === 1 ? given[0]! : given));
      for (const next of others) value = next.apply(value);
      values.push(value);
    }
    return new Model({ inputs: values[0]!, outputs: values.at(-1)!, name });
  }

  private createLayer(layer: KerasLayer | KerasModel, layerInput: Shape, given: Options): Layer | Layer[] {
    return isModel(layer) ? this.build(layer, layerInput) : this.layers.create(layer, given);
  }
}

type LayersOf = (index: number, layerInput: Shape, isFirst: boolean) => Layer[];

/** Runs `apply`; its errors name the layer. */
function withLayerName<T>(layer: Layer, apply: () => T): T {
  try {
    return apply();
  } catch (cause) {
    if (!(cause instanceof TilegradError)) throw cause;
    throw new DataError(`${layer.name}: ${cause.message}`, { cause });
  }
}

/** Returns the shape of one sample. @throws ArgumentError, DataError if the shapes contradict each other or leave a size open */
function inputShapeOf({ name, inputShape }: KerasModel, given: Shape | null): Shape {
  if (inputShape === null && given === null) {
    throw new DataError(`model ${name}: nothing states the shape of a sample; give it: { inputShape: [...] }`);
  }
  const stated: OpenShape = inputShape ?? given!;
  const sizes = tryRead('inputShape', () => stated.map((size, d) => size ?? given?.[d] ?? null));
  const isMatch = given === null || (given.length === stated.length && given.every((size, d) => size === sizes[d]));
  const openText = showShape(stated.map((size) => size ?? ('?' as never)));
  if (!isMatch)
    throw new ArgumentError(`model ${name}: takes samples of ${openText}, which ${showShape(given!)} is not`);
  if (sizes.includes(null)) {
    throw new DataError(
      `model ${name}: its samples have the shape ${openText}; give their sizes: { inputShape: [...] }`,
    );
  }
  return sizes as Shape;
}
