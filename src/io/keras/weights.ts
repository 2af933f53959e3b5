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

/** A weight that was read from a file of Keras's: f32, whatever the file has. */
export interface KerasWeight extends NdArray {
  /** Keras's name of it, such as `Conv1/kernel`; in files of Keras 3 its number in the layer, such as `0`. */
  name: string;
}

/** A layer of a file of Keras's that has weights. A model within the model counts as one layer in .h5 files of Keras 2. */
export interface KerasLayerWeights {
  /** Keras's name of the layer. */
  name: string;
  /** Its weights, in the order of the file. */
  weights: KerasWeight[];
}

const floats = (file: Hdf5File, { path, shape }: StoredWeights['layers'][number]['weights'][number]): NdArray => ({
  shape,
  data: file.floats(path),
  dtype: 'f32',
});

/**
 * The weights of a .h5, .weights.h5 or .keras file of Keras 2 or 3, layer by layer in the order of the file; layers without weights are
 * left out.
 * @param bytes the file's
 * @param name the file's, for messages
 * @throws DataError for a file that is none, is cut short or damaged, or holds no weights
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
      weights: layer.weights.map((weight) => ({ name: weight.name, ...floats(file, weight) })),
    })),
  );
}

/** Options of `decodeKerasWeights` and `loadKerasWeights`. */
export interface KerasWeightsOptions {
  /**
   * The model within the model that the file is of, by its name: with `mobilenetv2/`, a network saved on its own is loaded into one that
   * contains it. Default: the whole model.
   */
  prefix?: string;
}

/**
 * Gives a model the weights of a .h5, .weights.h5 or .keras file of Keras 2 or 3; one that is not built yet begins with them, see
 * `Model.setInitialWeights`. Of .h5 files layers are matched by name if file and model have the same names, else by order, as in Keras, of
 * the others by their class and number. All are checked before the first is changed. The optimizer's state is left alone.
 * @param name the file's, for messages
 * @returns the names of the weights that were loaded
 * @throws DataError for a file that is none, is cut short or damaged, or fits another model, saying in what they differ; ArgumentError
 *   for a `prefix` that no model within the model has
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
  const part = path.reduce(modelWithin, model);
  const tensors = await withStoredWeights(bytes, name, (stored, file) => tensorsFor(part, stored, file));
  checkNotTraining('decodeKerasWeights', model);
  return assignTensors(model, { tensors, metadata: {} }, { prefix: path.map((part) => `${part}/`).join('') }, name);
}

/** @throws ArgumentError unless a layer of that name is a model */
function modelWithin(model: Model, name: string): Model {
  const models = model.plannedLayers.filter(({ layer }) => layer instanceof Model);
  const found = models.find((planned) => planned.name === name);
  if (found) return found.layer as Model;
  const known = models.length > 0 ? models.map((planned) => planned.name).join(', ') : 'none';
  throw new ArgumentError(
    `decodeKerasWeights: prefix: there is no model ${formatValue(name)} in ${model.title}; the models in it are ${known}`,
  );
}

/** The values for the weights of a model, by their names. @throws DataError where file and model differ */
export function tensorsFor(model: Model, stored: StoredWeights, file: Hdf5File): Map<string, NdArray> {
  const pairs = pairWeights(model, stored, file.name); // first of all: reading takes memory
  return new Map([...pairs].map(([weight, from]) => [weight, floats(file, from)]));
}
