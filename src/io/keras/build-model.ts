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
  /** Shape of one sample, where the file leaves sizes open. */
  inputShape?: Shape;
}

/** Problems that a message lists at most. */
const MAX_LISTED = 20;

/**
 * The model that a file describes, without weights.
 * @param file its name, for messages
 * @throws DataError for layers and options that there are not here, all at once; for a model whose layers do not fit together
 */
export function buildKerasModel(described: KerasModel, options: BuildOptions, file: string): Model {
  const layers = new Layers(options.customLayers ?? {});
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

/** Makes the layers that are no models, and collects what cannot be made. */
class Layers {
  private readonly unknown = new Map<string, string[]>();
  private readonly refused: string[] = [];

  constructor(private readonly customLayers: Record<string, LayerClass>) {}

  /** Notes all that is wrong with a model's layers. @param path names of the models it is in */
  check(model: KerasModel, path: string): void {
    for (const layer of model.layers) {
      if (isModel(layer)) this.check(layer, `${path}${layer.name}/`);
      else this.checkLayer(layer, `${path}${layer.name}`);
    }
    for (const { layer, arguments: given } of model.calls)
      this.checkCall(model.layers[layer]!, `${path}${model.layers[layer]!.name}`, given);
  }

  private checkLayer(layer: KerasLayer, path: string): void {
    const { className } = layer;
    if (!this.isKnown(className)) {
      this.unknown.set(className, [...(this.unknown.get(className) ?? []), path]);
      return;
    }
    const problems: string[] = [];
    try {
      this.make(layer, {}, problems);
    } catch (cause) {
      if (!(cause instanceof TilegradError)) throw cause;
      if (problems.length === 0) problems.push(cause.message); // else a consequence
    }
    this.refused.push(...problems.map((problem) => `${path} (${className}): ${problem}`));
  }

  /** `training=False` is what a frozen model does anyway; other arguments mean nothing here. */
  private checkCall(layer: KerasLayer | KerasModel, path: string, given: Json): void {
    for (const [name, value] of Object.entries(given)) {
      if (value === null || (name === 'training' && value === false && !dependsOnTraining(layer))) continue;
      const advice = name === 'training' ? '; freeze it (trainable = False) and save the model again' : '';
      this.refused.push(
        `${path} (${layer.className}): is called with ${name}=${formatValue(value)}, which layers here are not${advice}`,
      );
    }
  }

  private isKnown(className: string): boolean {
    return Object.hasOwn(LAYERS, className) || Object.hasOwn(this.customLayers, className);
  }

  throwProblems(file: string): void {
    const unknown = [...this.unknown].map(([kind, names]) => `${kind} (${summarizeNames(names, 3)})`);
    const problems = [
      ...(unknown.length > 0
        ? [
            `there are no layers like ${summarizeNames(unknown, MAX_LISTED)}; hand classes for them over as customLayers`,
          ]
        : []),
      ...(this.refused.length > 0
        ? [`options that layers here do not have: ${summarizeNames(this.refused, MAX_LISTED, '; ')}`]
        : []),
    ];
    if (problems.length > 0) throw new DataError(`${file} cannot be made a model here: ${problems.join('. ')}`);
  }

  /**
   * @param given options besides those of the file
   * @param problems takes up what the layer here cannot do
   * @throws what the layer's constructor throws
   */
  make({ className, name, config }: KerasLayer, given: Options, problems: string[] = []): Layer | Layer[] {
    if (Object.hasOwn(this.customLayers, className)) {
      const { dtype: _, batch_input_shape: __, batch_shape: ___, ...own } = config;
      return new this.customLayers[className]!({ ...own, ...given, name });
    }
    const entry = LAYERS[className]!;
    const options: Options = {};
    for (const [option, value] of Object.entries(config)) {
      const rules = [entry.options, COMMON].find((rules) => Object.hasOwn(rules, option));
      if (!rules && (value === null || value === false)) continue;
      const made = rules ? rules[option]!(value) : 'is an option that is not known here';
      if (typeof made === 'string')
        problems.push(`${option} is ${formatValue(value)}, but ${made}`.replace('but is', 'which is'));
      else Object.assign(options, made);
    }
    return entry.make({ ...options, ...given, name });
  }
}

/** Whether it computes something else in training: batch norms that are not frozen, dropout, and random layers of images. */
const dependsOnTraining = (layer: KerasLayer | KerasModel): boolean => {
  if (isModel(layer)) return layer.layers.some(dependsOnTraining);
  if (layer.className === 'BatchNormalization') return layer.config.trainable !== false;
  return layer.className === 'Dropout' || layer.className.startsWith('Random');
};

const summarizeNames = (names: readonly string[], most: number, between = ', '): string =>
  names.slice(0, most).join(between) + (names.length > most ? `${between}and ${names.length - most} more` : '');

class Builder {
  constructor(private readonly layers: Layers) {}

  /** @param given the shape of its input, where that is known besides what the file says */
  build(described: KerasModel, given: Shape | null): Model {
    const { name, config, calls } = described;
    const shape = inputShapeOf(described, given);
    const made = new Map<number, Layer[]>();
    const layersOf = (number: number, at: Shape, first: boolean): Layer[] => {
      const layer = described.layers[number]!;
      const one = made.get(number) ?? [this.makeLayer(layer, at, first ? { inputShape: shape } : {})].flat();
      made.set(number, one);
      return one;
    };
    const model =
      described.className === 'Sequential'
        ? this.sequential(described, shape, layersOf)
        : this.functional(name, calls, shape, layersOf);
    if (config.trainable === false) model.trainable = false;
    return model;
  }

  private sequential({ name, calls }: KerasModel, shape: Shape, layersOf: LayersOf): Model {
    let at = input(shape);
    const layers = calls.flatMap(({ layer }, i) => {
      const made = layersOf(layer, at.shape, i === 0);
      for (const one of made) at = naming(one, () => one.apply(at));
      return made;
    });
    return new Sequential(layers, name);
  }

  private functional(name: string, calls: KerasModel['calls'], shape: Shape, layersOf: LayersOf): Model {
    const values = [input(shape)];
    for (const { layer, inputs } of calls) {
      const given = inputs.map((value) => values[value]!);
      const [first, ...others] = layersOf(layer, given[0]!.shape, false) as [Layer, ...Layer[]];
      let value = naming(first, () => first.apply(given.length === 1 ? given[0]! : given));
      for (const one of others) value = one.apply(value);
      values.push(value);
    }
    return new Model({ inputs: values[0]!, outputs: values.at(-1)!, name });
  }

  private makeLayer(layer: KerasLayer | KerasModel, at: Shape, given: Options): Layer | Layer[] {
    return isModel(layer) ? this.build(layer, at) : this.layers.make(layer, given);
  }
}

type LayersOf = (layer: number, at: Shape, first: boolean) => Layer[];

/** Runs `apply`; what it throws says in which layer. */
function naming<T>(layer: Layer, apply: () => T): T {
  try {
    return apply();
  } catch (cause) {
    if (!(cause instanceof TilegradError)) throw cause;
    throw new DataError(`${layer.name}: ${cause.message}`, { cause });
  }
}

/** @throws ArgumentError, DataError where the shapes contradict each other, or leave a size open */
function inputShapeOf({ name, inputShape }: KerasModel, given: Shape | null): Shape {
  if (inputShape === null && given === null) {
    throw new DataError(`model ${name}: nothing says what shape samples have; give it: { inputShape: [...] }`);
  }
  const own: OpenShape = inputShape ?? given!;
  const sizes = tryRead('inputShape', () => own.map((size, d) => size ?? given?.[d] ?? null));
  const fits = given === null || (given.length === own.length && given.every((size, d) => size === sizes[d]));
  const open = showShape(own.map((size) => size ?? ('?' as never)));
  if (!fits) throw new ArgumentError(`model ${name}: takes samples of ${open}, which ${showShape(given!)} is not`);
  if (sizes.includes(null)) {
    throw new DataError(`model ${name}: its samples are of ${open}; say how large they are: { inputShape: [...] }`);
  }
  return sizes as Shape;
}
