import { checkOptions, checkSurplus, checkText } from '../base/check.ts';
import type { Device } from '../gpu/device.ts';
import { checkModel } from '../training/batches/source-batches.ts';
import type { Model } from '../training/index.ts';
import { readBytes, writeFile } from './files.ts';
import { checkKerasOptions, decodeKeras, type LoadKerasOptions } from './keras/model.ts';
import { decodeKerasWeights, type KerasWeightsOptions } from './keras/weights.ts';
import {
  decodeModel,
  decodeWeights,
  encodeModel,
  encodeWeights,
  type LoadModelOptions,
  type LoadWeightsOptions,
} from './model-file.ts';
import type { NdArray, NdArrayLike } from './nd-array.ts';
import { decodeNpy, encodeNpy } from './npy.ts';
import { decodeSafetensors, encodeSafetensors, type Safetensors } from './safetensors.ts';

/** Reads a `.npy` file: see `decodeNpy`. @throws FileError, DataError */
export const loadNpy = (path: string): NdArray => decodeNpy(readBytes(path), path);

/** Writes a `.npy` file, which `numpy.load` reads. @throws FileError, ArgumentError, ShapeError */
export const saveNpy = (path: string, array: NdArrayLike): void => writeFile(path, encodeNpy(array));

/** Reads a safetensors file: see `decodeSafetensors`. @throws FileError, DataError */
export const loadSafetensors = (path: string): Safetensors => decodeSafetensors(readBytes(path), path);

/** Writes a safetensors file. @throws FileError, ArgumentError, ShapeError */
export const saveSafetensors = (path: string, ...content: Parameters<typeof encodeSafetensors>): void =>
  writeFile(path, encodeSafetensors(...content));

/**
 * Writes a model's weights, by their names, as a safetensors file. An existing file is replaced atomically; it stays if writing fails.
 * @throws FileError; ArgumentError before `build`
 */
export async function saveWeights(model: Model, path: string, ...surplus: never[]): Promise<void> {
  checkSurplus('saveWeights', surplus);
  checkModel('saveWeights', model, 'saveWeights(model, path)');
  writeFile(path, await encodeWeights(model));
}

/**
 * Loads the weights of a safetensors file into a model: see `decodeWeights`.
 * @returns the names of the weights that were loaded
 * @throws FileError, DataError, ArgumentError
 */
export const loadWeights = (model: Model, path: string, options: LoadWeightsOptions = {}): string[] =>
  decodeWeights(model, readBytes(path), options, path);

/**
 * Writes a whole model: layers, options and weights, but not the optimizer. An existing file is replaced atomically; it stays if
 * writing fails.
 * @throws FileError; ArgumentError before `build`, and for options that a file cannot hold
 */
export async function saveModel(model: Model, path: string, ...surplus: never[]): Promise<void> {
  checkSurplus('saveModel', surplus);
  checkModel('saveModel', model, 'saveModel(model, path)');
  writeFile(path, await encodeModel(model));
}

/** Loads a model that `saveModel` wrote onto a device: see `decodeModel`. @throws FileError, DataError, ArgumentError */
export const loadModel = (path: string, device: Device, options: LoadModelOptions = {}): Model =>
  decodeModel(readBytes(path), device, options, path);

/**
 * Loads the weights of a .h5, .weights.h5 or .keras file into a model: see `decodeKerasWeights`.
 * @returns the names of the weights that were loaded
 * @throws FileError, DataError, ArgumentError
 */
export async function loadKerasWeights(
  model: Model,
  path: string,
  options: KerasWeightsOptions = {},
  ...surplus: never[]
): Promise<string[]> {
  checkSurplus('loadKerasWeights', surplus);
  checkModel('loadKerasWeights', model, 'loadKerasWeights(model, path)');
  checkText('loadKerasWeights: the path of a .h5 or .keras file', path);
  checkOptions('loadKerasWeights', options, { prefix: true });
  return decodeKerasWeights(model, readBytes(path), options, path);
}

/** Loads the model of a .keras file, or of a .h5 file with a whole model. It is not built yet: see `decodeKeras`. @throws FileError, DataError, ArgumentError */
export async function loadKeras(path: string, options: LoadKerasOptions = {}, ...surplus: never[]): Promise<Model> {
  checkText('loadKeras: the path of a .keras or .h5 file', path);
  checkKerasOptions('loadKeras', options);
  checkSurplus('loadKeras', surplus);
  return decodeKeras(readBytes(path), options, path);
}
