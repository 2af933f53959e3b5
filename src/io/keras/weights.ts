import { checkOptions, checkSurplus, checkText, formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import { checkNotTraining } from '../../nn/weights/training-lock.ts';
import { checkModel } from '../../training/batches/source-batches.ts';
import { Model } from '../../training/index.ts';
import { assignTensors } from '../model-file.ts';
import { checkBytes, type NdArray } from '../nd-array.ts';
import type { Hdf5File } from './hdf5.ts';
import { pairWeights } from './pair-weights.ts';
import { type StoredWeights, withStoredWeights } from './stored.ts';

/** A weight from a file of Keras, converted to f32. */
export interface KerasWeight extends NdArray {
  /** Keras's name, such as `Conv1/kernel`; in files of Keras 3, its number in the layer, such as `0`. */
  name: string;
}

/** A layer with weights in a file of Keras. A nested model counts as one layer in .h5 files of Keras 2. */
export interface KerasLayerWeights {
  /** Keras's name of the layer. */
  name: string;
  /** Its weights, in the order of the file. */
  weights: KerasWeight[];
}

const readWeight = (file: Hdf5File, { path, shape }: StoredWeights['layers'][number]['weights'][number]): NdArray => ({
  shape,
  data: file.readFloats(path),
  dtype: 'f32',
});

/**
 * Reads the weights of a .h5, .weights.h5 or .keras file of Keras 2 or 3, layer by layer in the order of the file. Layers without weights
 * are left out.
 * @param bytes content of the file
 * @param name name of the file, for messages
 * @throws DataError for a file that is cut short, damaged, of another format or without weights
 */
export async function readKerasWeights(
  bytes: Uint8Array,
  name = 'weights',
  ...surplus: never[]
): Promise<KerasLayerWeights[]> {
  checkSurplus('readKerasWeights', surplus);
  checkBytes('readKerasWeights', bytes);
  checkText('readKerasWeights: name', name);
  return withStoredWeights(bytes, name, ({ layers }, file) =>
    layers.map((layer) => ({
      name: layer.name,
      weights: layer.weights.map((weight) => ({ name: weight.name, ...readWeight(file, weight) })),
    })),
  );
}

/** Options of `decodeKerasWeights` and `loadKerasWeights`. */
export interface KerasWeightsOptions {
  /**
   * Name of the nested model that the file belongs to: with `mobilenetv2/`, a separately saved network is loaded into one that contains it.
   * Default: the whole model.
   */
  prefix?: string;
}

/**
 * Loads the weights of a .h5, .weights.h5 or .keras file of Keras 2 or 3 into a model. A model that is not built yet starts with them, see
 * `Model.setInitialWeights`. Layers of .h5 files are matched by name if file and model have the same names, else by order, as in Keras;
 * layers of other files by class and number. All are checked before the first is changed. The optimizer's state does not change.
 * @param name name of the file, for messages
 * @returns the names of the weights that were loaded
 * @throws DataError for a file that is cut short, damaged, of another format or for another model (the message names the differences);
 *   ArgumentError for a `prefix` that is not the name of a nested model
 */
export async function decodeKerasWeights(
  model: Model,
  bytes: Uint8Array,
  options: KerasWeightsOptions = {},
  name = 'weights',
): Promise<string[]> {
  checkModel('decodeKerasWeights', model, 'decodeKerasWeights(model, bytes)');
  checkBytes('decodeKerasWeights', bytes);
  checkText('decodeKerasWeights: name', name);
  const { prefix } = checkOptions('decodeKerasWeights', options, { prefix: true });
  if (prefix !== undefined) checkText('decodeKerasWeights: prefix', prefix);
  checkNotTraining('decodeKerasWeights', model);
  const path = prefix?.split('/').filter((part) => part !== '') ?? [];
  const target = path.reduce(findNestedModel, model);
  const tensors = await withStoredWeights(bytes, name, (stored, file) => readTensors(target, stored, file));
  checkNotTraining('decodeKerasWeights', model);
  return assignTensors(model, { tensors, metadata: {} }, { prefix: path.map((part) => `${part}/`).join('') }, name);
}

/** @throws ArgumentError unless a layer of that name is a model */
function findNestedModel(model: Model, name: string): Model {
  const models = model.plannedLayers.filter(({ layer }) => layer instanceof Model);
  const found = models.find((planned) => planned.name === name);
  if (found) return found.layer as Model;
  const known = models.length > 0 ? models.map((planned) => planned.name).join(', ') : 'none';
  throw new ArgumentError(
    `decodeKerasWeights: prefix: there is no model ${formatValue(name)} in ${model.title}; the models in it are ${known}`,
  );
}

/** Reads the values for the weights of a model, by their names. @throws DataError if file and model differ */
export function readTensors(model: Model, stored: StoredWeights, file: Hdf5File): Map<string, NdArray> {
  const pairs = pairWeights(model, stored, file.name); // first, because reading takes memory
  return new Map([...pairs].map(([weight, source]) => [weight, readWeight(file, source)]));
}
