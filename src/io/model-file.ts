import { show } from '../check.ts';
import { ArgumentError, DataError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { type Shape, sameShape, showShape } from '../kernels/array.ts';
import { type LayerClass, type Model, modelConfig, modelFromConfig, type Weight } from '../nn/index.ts';
import type { NdArray } from './nd-array.ts';
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts';

/**
 * A model's file is a safetensors file: each weight by its name, such as `conv2d/kernel`, and in the metadata `format`,
 * `version` and, for a whole model, `model`, the JSON of `modelConfig`. One file, so that it can be replaced in one go.
 */
const FORMAT = 'tilegrad';
/** Grows when a file of the old kind would be misread. */
const VERSION = '1';

export interface LoadWeightsOptions {
  /** Loads the weights that model and file both have, as Keras's `by_name`, rather than ask for the same ones. Default false. */
  byName?: boolean;
  /**
   * Loads only the weights of the model whose names begin so; in the file they are called by what follows. With
   * `mobilenetv2/`, a network saved on its own is loaded into one that contains it.
   */
  prefix?: string;
}

export interface LoadModelOptions {
  /** Classes of layers that are none of tilegrad's, by their `kind`. Each is constructed with what its `getConfig` returned. */
  customLayers?: Record<string, LayerClass>;
}

const bytesOfModel = async (model: Model, metadata: Record<string, string>) => {
  const tensors = model.weights.map(async ({ name, tensor }) => {
    return [name, { shape: tensor.shape, data: (await tensor.data()) as Float32Array<ArrayBuffer> }] as const;
  });
  return encodeSafetensors(await Promise.all(tensors), { format: FORMAT, version: VERSION, ...metadata });
};

/** All weights of a model as a safetensors file, by their names. Waits for the GPU. @throws ArgumentError before `build` */
export const encodeWeights = (model: Model): Promise<Uint8Array<ArrayBuffer>> => bytesOfModel(model, {});

/**
 * A whole model as a safetensors file: layers, their options and weights, but no optimiser. Waits for the GPU.
 * @throws ArgumentError before `build`, and for options that a file cannot hold, such as a function
 */
export async function encodeModel(model: Model): Promise<Uint8Array<ArrayBuffer>> {
  return bytesOfModel(model, { model: JSON.stringify(modelConfig(model)) });
}

/**
 * Gives a model the weights of a file. All are checked before the first is changed. The optimiser's state is left alone.
 * @param name the file's, for messages
 * @returns the names of the weights that were loaded
 * @throws DataError for a file that is none, is cut short or fits another model, saying in what they differ; ArgumentError
 *   before `build`, or where nothing would be loaded
 */
export function decodeWeights(
  model: Model,
  bytes: Uint8Array,
  options: LoadWeightsOptions = {},
  name = 'weights',
): string[] {
  return assign(model, read(bytes, name).tensors, options, name);
}

/**
 * The model of a file that `encodeModel` made, on a device; `compile` it to train it further.
 * @param name the file's, for messages
 * @throws DataError for a file that is none, is cut short, of a newer version or without a model; ArgumentError for a layer whose
 *   class is not known
 */
export function decodeModel(bytes: Uint8Array, device: Device, options: LoadModelOptions = {}, name = 'model'): Model {
  const { tensors, metadata } = read(bytes, name);
  if (metadata.format !== FORMAT || metadata.model === undefined) {
    throw new DataError(
      `${name} holds ${tensors.size} tensors, but no model: make the model in code and use loadWeights`,
    );
  }
  const model = modelOf(metadata.model, options, name).build(device);
  try {
    assign(model, tensors, {}, name);
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

function modelOf(json: string, { customLayers }: LoadModelOptions, name: string): Model {
  try {
    return modelFromConfig(JSON.parse(json), customLayers);
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof DataError || cause instanceof ArgumentError)) throw cause;
    const Kind = cause instanceof ArgumentError ? ArgumentError : DataError;
    throw new Kind(`${name}: ${cause.message}`, { cause });
  }
}

function read(bytes: Uint8Array, name: string) {
  const file = decodeSafetensors(bytes, name);
  const { format, version } = file.metadata;
  if (format === FORMAT && version !== VERSION) {
    throw new DataError(
      `${name} is of version ${show(version)} of tilegrad's model files, but this tilegrad reads version ${VERSION}`,
    );
  }
  return file;
}

interface Pair {
  weight: Weight;
  array: NdArray;
}

function assign(
  model: Model,
  tensors: ReadonlyMap<string, NdArray>,
  { byName = false, prefix = '' }: LoadWeightsOptions,
  name: string,
): string[] {
  const wanted = model.weights.filter((weight) => weight.name.startsWith(prefix));
  if (wanted.length === 0) {
    throw new ArgumentError(
      `${model.title}: no weight's name begins with ${show(prefix)}; the first is ${first(model)}`,
    );
  }
  const names = new Set(wanted.map((weight) => weight.name.slice(prefix.length)));
  const pairs = wanted.flatMap((weight): Pair | [] => {
    const array = tensors.get(weight.name.slice(prefix.length));
    return array ? { weight, array } : [];
  });
  const differences = [
    ...(byName
      ? []
      : listed(
          'the file lacks',
          [...names].filter((known) => !tensors.has(known)),
        )),
    ...(byName
      ? []
      : listed(
          'the model lacks',
          [...tensors.keys()].filter((known) => !names.has(known)),
        )),
    ...listed('of another shape', pairs.flatMap(otherShape)),
    ...listed('no floats', pairs.flatMap(noFloats)),
  ];
  if (differences.length > 0) {
    throw new DataError(`${name} does not fit the model ${model.title}: ${differences.join('; ')}`);
  }
  if (pairs.length === 0) {
    throw new ArgumentError(
      `${name}: no name of its weights is one of the model's; the file's begin with ${[...tensors.keys()][0]}, ` +
        `the model's with ${wanted[0]!.name}`,
    );
  }
  for (const { weight, array } of pairs) {
    model.device.upload(weight.tensor.array.storage, Float32Array.from(array.data as Float32Array));
  }
  return pairs.map(({ weight }) => weight.name);
}

const first = (model: Model) => model.weights[0]?.name ?? 'none';

/** At most a few of them: a wrong file may differ in hundreds. */
const listed = (what: string, names: readonly string[]): string[] => {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return names.length === 0 ? [] : [`${what} ${names.slice(0, 5).join(', ')}${more}`];
};

const otherShape = ({ weight, array }: Pair) => {
  const shape: Shape = weight.tensor.shape;
  if (sameShape(shape, array.shape)) return [];
  return [`${weight.name} (${showShape(array.shape)} in the file, ${showShape(shape)} in the model)`];
};

const noFloats = ({ weight, array }: Pair) => {
  return array.dtype === 'f32' || array.dtype === 'f64' ? [] : [`${weight.name} (${array.dtype})`];
};
