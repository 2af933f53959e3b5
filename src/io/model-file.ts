import { checkOptions, checkSurplus, checkText, formatValue } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { parseJson } from '../base/json.ts';
import type { Device } from '../gpu/device.ts';
import { type Shape, sameShape, showShape, sizeOf } from '../kernels/array.ts';
import type { LayerDescription } from '../nn/index.ts';
import { checkNotTraining } from '../nn/weights/training-lock.ts';
import { checkModel } from '../training/batches/source-batches.ts';
import { type LayerClass, type Model, modelConfig, modelFromConfig } from '../training/index.ts';
import { configOfReplica } from '../training/replica-config.ts';
import { isHdf5, isZip } from './keras/signature.ts';
import type { NdArray, NdArrayLike } from './nd-array.ts';
import { decodeSafetensors, encodeSafetensors, type Safetensors } from './safetensors.ts';

/**
 * A model's file is a safetensors file: each weight by its name, such as `conv2d/kernel`. Its metadata are `format`, `version` and, for
 * a whole model, `model`, the JSON of `modelConfig`. With several replicas, their number is in `replicas`, and each tensor has one
 * more axis, the first. It is one file, so that it can be replaced atomically.
 */
export const FORMAT = 'tilegrad';
/** Increased when older files would be misread. */
export const VERSION = '1';

/** Options of `loadWeights` and `decodeWeights`. */
export interface LoadWeightsOptions {
  /** Loads only the weights that model and file both have, as Keras's `by_name`. Default: false, which requires equal names. */
  byName?: boolean;
  /**
   * Loads only the weights of the model whose names begin with this prefix; the names in the file are without it. With
   * `mobilenetv2/`, a separately saved network is loaded into one that contains it.
   */
  prefix?: string;
  /** The replica to load from a file with several, from 0. Default: all, into a model with as many. */
  replica?: number;
}

/** Options of `loadModel` and `decodeModel`. */
export interface LoadModelOptions {
  /** Your own layer classes by their `kind`. Each is constructed with the value that its `getConfig` returned. */
  customLayers?: Record<string, LayerClass>;
  /** The replica to load from a file with several, from 0. Default: all. */
  replica?: number;
}

/** Weights that are read back at once: each needs its own buffer, and drivers fail with tens of thousands of them. */
const READ_AT_ONCE = 256;

async function encodeTensors(model: Model, metadata: Record<string, string>): Promise<Uint8Array<ArrayBuffer>> {
  checkModel('encodeWeights', model, 'encodeWeights(model)');
  const { replicas, weights } = model;
  const tensors: [string, NdArrayLike][] = [];
  for (let first = 0; first < weights.length; first += READ_AT_ONCE) {
    const reads = weights
      .slice(first, first + READ_AT_ONCE)
      .map(async ({ name, tensor }): Promise<[string, NdArrayLike]> => {
        const shape = replicas > 1 ? [replicas, ...tensor.shape] : tensor.shape;
        return [name, { shape, data: (await tensor.data()) as Float32Array<ArrayBuffer> }];
      });
    tensors.push(...(await Promise.all(reads)));
  }
  const all: Record<string, string> = { format: FORMAT, version: VERSION, ...metadata };
  if (replicas > 1) all.replicas = String(replicas);
  return encodeSafetensors(tensors, all);
}

/** Encodes all weights of a model, by their names, as a safetensors file. Waits for the GPU. @throws ArgumentError before `build` */
export async function encodeWeights(model: Model, ...surplus: never[]): Promise<Uint8Array<ArrayBuffer>> {
  checkSurplus('encodeWeights', surplus);
  return encodeTensors(model, {});
}

/**
 * Encodes a whole model as a safetensors file: layers, their options and weights, but not the optimizer. Waits for the GPU.
 * @throws ArgumentError before `build`, and for options that a file cannot hold, such as a function
 */
export async function encodeModel(model: Model, ...surplus: never[]): Promise<Uint8Array<ArrayBuffer>> {
  checkSurplus('encodeModel', surplus);
  checkModel('encodeModel', model, 'encodeModel(model)');
  const json = JSON.stringify(modelConfig(model));
  try {
    parseJson(json);
  } catch (cause) {
    throw new ArgumentError(
      `${model.title}: ${(cause as Error).message}, so it could not be loaded; use saveWeights and create the model in code`,
      { cause },
    );
  }
  return encodeTensors(model, { model: json });
}

/**
 * Loads the weights of a file into a model. A model that is not built yet starts with them, see `Model.setInitialWeights`. All are
 * checked before the first is changed. The optimizer's state does not change.
 * @param name name of the file, for messages
 * @returns the names of the weights that were loaded
 * @throws DataError for other files, one that is cut short, or one that does not fit the model (the message lists the differences);
 *   ArgumentError if nothing would be loaded
 */
export function decodeWeights(
  model: Model,
  bytes: Uint8Array,
  options: LoadWeightsOptions = {},
  name = 'weights',
): string[] {
  checkModel('loadWeights', model, 'loadWeights(model, path)');
  checkOptions('loadWeights', options, { byName: true, prefix: true, replica: true });
  checkNotTraining('loadWeights', model);
  if (options.prefix !== undefined && options.prefix !== '') checkText('loadWeights: prefix', options.prefix);
  return assignTensors(
    model,
    readModelFile(bytes, name, 'decodeKerasWeights (loadKerasWeights for a path)'),
    options,
    name,
  );
}

/**
 * Decodes a model that `encodeModel` encoded, and builds it on a device. Call `compile` to train it further.
 * @param name name of the file, for messages
 * @throws DataError for other files, and one that is cut short, of a newer version or without a model; ArgumentError for a layer of an
 *   unknown class
 */
export function decodeModel(bytes: Uint8Array, device: Device, options: LoadModelOptions = {}, name = 'model'): Model {
  checkOptions('loadModel', options, { customLayers: true, replica: true });
  const file = readModelFile(bytes, name, 'decodeKeras (loadKeras for a path)');
  const { tensors, metadata } = file;
  if (metadata.format !== FORMAT || metadata.model === undefined) {
    throw new DataError(
      `${name} holds ${tensors.size} tensors, but no model: create the model in code and use loadWeights`,
    );
  }
  const { replica } = options;
  const replicas = replica === undefined ? replicasOf(file) : 1;
  checkReplica(replica, replicasOf(file), name);
  const model = modelOf(metadata.model, options, name);
  const weights = model.plan(model.inputShape).weights;
  // First compare the shapes, before anything is allocated: a damaged file may state absurd sizes.
  if (weights.length + tensors.size > 0) pairUp(model.title, weights, file, {}, name);
  model.build(device, { replicas });
  try {
    if (weights.length > 0) assignTensors(model, file, replica === undefined ? {} : { replica }, name);
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

function modelOf(json: string, { customLayers, replica }: LoadModelOptions, name: string): Model {
  try {
    const description = parseJson(json);
    const model = modelFromConfig(description, customLayers);
    if (replica === undefined) return model;
    return modelFromConfig(configOfReplica(description as LayerDescription, replica), customLayers);
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof DataError || cause instanceof ArgumentError)) throw cause;
    const Kind = cause instanceof ArgumentError ? ArgumentError : DataError;
    throw new Kind(`${name}: ${cause.message}`, { cause });
  }
}

/** @param forKeras the function that reads Keras's files, for messages */
function readModelFile(bytes: Uint8Array, name: string, forKeras: string) {
  if (bytes instanceof Uint8Array && (isHdf5(bytes) || isZip(bytes))) {
    throw new DataError(
      `${name} is ${isZip(bytes) ? 'a zip file, as .keras files are' : 'an HDF5 file, as .h5 files of Keras are'}, not a safetensors file; await ${forKeras} reads Keras's files`,
    );
  }
  const file = decodeSafetensors(bytes, name);
  const { format, version } = file.metadata;
  if (format === FORMAT && version !== VERSION) {
    throw new DataError(
      `${name} is of version ${formatValue(version)} of tilegrad's model files, but this tilegrad reads version ${VERSION}`,
    );
  }
  checkReplicaAxes(file, name);
  return file;
}

/**
 * Checks the number of replicas in the metadata: a wrong one would build too large a model, or read past the tensors.
 * @throws DataError unless the first axis of each tensor has this length
 */
function checkReplicaAxes(file: Safetensors, name: string): void {
  const fileReplicas = replicasOf(file);
  if (fileReplicas === 1) return;
  if (file.tensors.size === 0)
    throw new DataError(`${name} says that it holds ${fileReplicas} replicas, but has no tensors`);
  for (const [tensor, { shape }] of file.tensors) {
    if (shape[0] === fileReplicas) continue;
    throw new DataError(
      `${name} says that it holds ${fileReplicas} replicas, but the first axis of ${tensor} ${showShape(shape)} is not of that length`,
    );
  }
}

interface NamedShape {
  name: string;
  shape: Shape;
}

/** A weight of a model, and its values in a file, those of all replicas. */
interface Pair<T> {
  wanted: T;
  array: NdArray;
}

const replicasOf = ({ metadata: { format, replicas } }: Safetensors): number =>
  format === FORMAT && /^[1-9]\d*$/.test(replicas ?? '') ? Number(replicas) : 1;

/** @throws ArgumentError for a replica that a file with `held` replicas does not have */
function checkReplica(replica: number | undefined, fileReplicas: number, name: string): void {
  if (replica === undefined || (Number.isInteger(replica) && replica >= 0 && replica < fileReplicas)) return;
  throw new ArgumentError(
    `loadWeights: ${name} holds ${fileReplicas} replicas, so \`replica\` must be an integer from 0 to ${fileReplicas - 1}, but is ${formatValue(replica)}`,
  );
}

/**
 * Returns the file's replica for each replica of the model: the requested or the only one for all, else each for its own.
 * @throws ArgumentError, DataError
 */
function selectReplicas(model: Model, file: Safetensors, replica: number | undefined, name: string): number[] {
  const fileReplicas = replicasOf(file);
  checkReplica(replica, fileReplicas, name);
  const replicas = model.built ? model.replicas : 1;
  if (replica !== undefined || fileReplicas === 1) return Array(replicas).fill(replica ?? 0);
  if (fileReplicas === replicas) return Array.from({ length: fileReplicas }, (_, r) => r);
  throw new DataError(
    `${name} holds ${fileReplicas} replicas, but the model ${model.title} ${model.built ? `has ${replicas}` : 'is not built yet'}: select one with { replica }`,
  );
}

/**
 * Writes the tensors of a file into a model. All are checked before the first is changed.
 * @returns the names of the weights that were assigned. @throws DataError, ArgumentError if file and model do not match
 */
export function assignTensors(model: Model, file: Safetensors, options: LoadWeightsOptions, name: string): string[] {
  if (!model.built) return assignInitial(model, file, options, name);
  const sourceReplicas = selectReplicas(model, file, options.replica, name);
  const weights = model.weights.map((weight) => ({ name: weight.name, shape: weight.tensor.shape, weight }));
  const pairs = pairUp(model.title, weights, file, options, name);
  for (const {
    wanted: { weight },
    array,
  } of pairs) {
    const data = Float32Array.from(array.data as Float32Array);
    const { size } = weight.tensor;
    for (const [r, from] of sourceReplicas.entries()) {
      model.device.upload(weight.tensor.array.storage, data.subarray(from * size, (from + 1) * size), 4 * r * size);
    }
  }
  model.parameters.hasInitialValues = false;
  return pairs.map(({ wanted }) => wanted.name);
}

/** Assigns the tensors of a file to a model that is not built yet: `build` starts with them. */
function assignInitial(model: Model, file: Safetensors, options: LoadWeightsOptions, name: string): string[] {
  const [replica] = selectReplicas(model, file, options.replica, name);
  const pairs = pairUp(model.title, model.plan(model.inputShape).weights, file, options, name);
  const values = pairs.map(({ wanted, array: { shape, data } }) => {
    const size = sizeOf(shape);
    return [wanted.name, { shape, data: data.subarray(replica! * size, (replica! + 1) * size) }] as const;
  });
  try {
    model.setInitialWeights(new Map(values), { partial: true });
  } catch (cause) {
    if (!(cause instanceof DataError)) throw cause;
    throw new DataError(`${name}: ${cause.message}`, { cause });
  }
  return pairs.map(({ wanted }) => wanted.name);
}

/** Pairs the weights of a model with their values in a file. @throws DataError, ArgumentError if file and model do not match */
function pairUp<T extends NamedShape>(
  title: string,
  weights: readonly T[],
  file: Safetensors,
  { byName = false, prefix = '' }: LoadWeightsOptions,
  name: string,
): Pair<T>[] {
  const { tensors } = file;
  const fileReplicas = replicasOf(file);
  const wanted = weights.filter((weight) => weight.name.startsWith(prefix));
  if (wanted.length === 0) {
    throw new ArgumentError(
      `loadWeights: ${title}: no weight's name begins with ${formatValue(prefix)}; the first is ${weights[0]?.name ?? 'none'}`,
    );
  }
  const names = new Set(wanted.map((weight) => weight.name.slice(prefix.length)));
  const pairs = wanted.flatMap((weight): Pair<T> | [] => {
    const array = tensors.get(weight.name.slice(prefix.length));
    if (!array) return [];
    return { wanted: weight, array: fileReplicas > 1 ? { ...array, shape: array.shape.slice(1) } : array };
  });
  const differences = [
    ...(byName
      ? []
      : summarizeNames(
          'the file lacks',
          [...names].filter((known) => !tensors.has(known)),
        )),
    ...(byName
      ? []
      : summarizeNames(
          'the model lacks',
          [...tensors.keys()].filter((known) => !names.has(known)),
        )),
    ...summarizeNames('of another shape', pairs.flatMap(describeOtherShape)),
    ...summarizeNames('not floats', pairs.flatMap(describeOtherType)),
  ];
  if (differences.length > 0) {
    throw new DataError(`${name} does not fit the model ${title}: ${differences.join('; ')}`);
  }
  if (pairs.length === 0) {
    throw new ArgumentError(
      `${name}: file and model have no weight names in common; the file's begin with ${[...tensors.keys()][0]}, ` +
        `the model's with ${wanted[0]!.name}`,
    );
  }
  return pairs;
}

/** Lists at most five names: a wrong file may differ in hundreds. */
const summarizeNames = (label: string, names: readonly string[]): string[] => {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return names.length === 0 ? [] : [`${label} ${names.slice(0, 5).join(', ')}${more}`];
};

const describeOtherShape = ({ wanted: { name, shape }, array }: Pair<NamedShape>) => {
  if (sameShape(shape, array.shape)) return [];
  return [`${name} (${showShape(array.shape)} in the file, ${showShape(shape)} in the model)`];
};

const describeOtherType = ({ wanted, array }: Pair<NamedShape>) => {
  return array.dtype === 'f32' || array.dtype === 'f64' ? [] : [`${wanted.name} (${array.dtype})`];
};
