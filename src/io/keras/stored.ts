import { DataError } from '../../base/errors.ts';
import type { Shape } from '../../kernels/array.ts';
import { type Hdf5File, readHdf5 } from './hdf5.ts';
import { isZip } from './signature.ts';
import { unzip } from './zip.ts';

/** A weight in a file of Keras. */
export interface StoredWeight {
  /** Keras's name without TensorFlow's suffix, such as `Conv1/kernel`; in files of Keras 3, its number. */
  name: string;
  shape: Shape;
  /** Its path in the file. */
  path: string;
}

/** A layer with weights, or a nested model with all weights of its layers. */
export interface StoredLayer {
  name: string;
  weights: StoredWeight[];
}

/** The weights of a file, without their values. */
export interface StoredWeights {
  /**
   * `order`: layers and weights in Keras's order, as in .h5 files of Keras 2 and of Keras 3's `save('x.h5')`. `path`: layers by where they
   * are in the model, such as `layers/conv2d_1`, as in the .weights.h5 and .keras files of Keras 3.
   */
  layout: 'order' | 'path';
  layers: StoredLayer[];
}

/** Limits of the layers and of the depth of nested models, because groups of a file may contain themselves. */
const MAX_LAYERS = 100_000;
const MAX_NESTING = 32;

/**
 * Opens a .h5 or .keras file and returns the result of `read` for its weights. @throws DataError for a file that is damaged, of another
 * format or without weights
 */
export async function withStoredWeights<T>(
  bytes: Uint8Array,
  name: string,
  read: (stored: StoredWeights, file: Hdf5File) => T,
): Promise<T> {
  return readHdf5(isZip(bytes) ? await weightsOfZip(bytes, name) : bytes, name, (file) =>
    read(readStoredWeights(file), file),
  );
}

/** Name of the file with the weights within a .keras file. */
export const WEIGHTS_FILE = 'model.weights.h5';
/** Limit of its bytes, because the HDF5 library holds them in a heap of 2 GiB. */
export const MAX_WEIGHTS = 2 ** 30;

async function weightsOfZip(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  const { [WEIGHTS_FILE]: weights } = await unzip(bytes, name, { [WEIGHTS_FILE]: MAX_WEIGHTS });
  if (weights) return weights;
  throw new DataError(
    `${name} is a zip file without ${WEIGHTS_FILE}, so it is not a .keras file with weights; save the model again with Keras`,
  );
}

/** @throws DataError for a file without weights */
export function readStoredWeights(file: Hdf5File): StoredWeights {
  const group = file.isGroup('/model_weights') ? '/model_weights' : '/';
  const names = attributeOf(file, group, 'layer_names');
  if (names) return { layout: 'order', layers: layersByOrder(file, group, names) };
  // Keras 2.12 to 2.15 used the second name.
  const list = ['layers', '_layer_checkpoint_dependencies'].find((name) => file.isGroup(`/${name}`));
  if (list) return { layout: 'path', layers: layersByPath(file, list) };
  throw new DataError(
    `${file.name} is an HDF5 file without the weights of a Keras model; save them with Keras's save or save_weights`,
  );
}

/** Returns a list of texts, which Keras splits into `layer_names0`, `layer_names1`, ... if it is long; null if it does not exist. */
function attributeOf(file: Hdf5File, group: string, name: string): string[] | null {
  const list = file.readTexts(group, name);
  if (list) return list;
  const parts: string[][] = [];
  for (let part = file.readTexts(group, `${name}0`); part; part = file.readTexts(group, `${name}${parts.length}`))
    parts.push(part);
  return parts.length > 0 ? parts.flat() : null;
}

function layersByOrder(file: Hdf5File, group: string, names: readonly string[]): StoredLayer[] {
  const layers = names.map((name) => {
    const path = `${group === '/' ? '' : group}/${name}`;
    if (!file.isGroup(path)) throw new DataError(`${file.name} lists a layer ${name}, but does not hold it`);
    const weights = (attributeOf(file, path, 'weight_names') ?? []).map((weight) => ({
      name: weight.replace(/:\d+$/, ''),
      path: `${path}/${weight}`,
    }));
    for (const weight of weights) {
      if (!file.isDataset(weight.path))
        throw new DataError(`${file.name} lists a weight ${weight.path}, but does not hold it`);
    }
    return { name, weights: weights.map((weight) => ({ ...weight, shape: file.readShape(weight.path) })) };
  });
  return layers.filter(({ weights }) => weights.length > 0);
}

function layersByPath(file: Hdf5File, list: string): StoredLayer[] {
  const layers: StoredLayer[] = [];
  const descend = (path: string, name: string, depth: number): void => {
    for (const child of file.listNames(path)) {
      if (layers.length > MAX_LAYERS || depth > MAX_NESTING) {
        throw new DataError(
          `${file.name} has more than ${MAX_LAYERS} layers, or models within models more than ${MAX_NESTING} deep`,
        );
      }
      const childPath = `${path}/${child}`;
      if (!file.isGroup(childPath)) continue;
      const weights = file.isGroup(`${childPath}/vars`) ? readVariables(file, `${childPath}/vars`) : [];
      if (weights.length > 0) layers.push({ name: `${name}/${child}`, weights });
      if (file.isGroup(`${childPath}/${list}`)) descend(`${childPath}/${list}`, `${name}/${child}/layers`, depth + 1);
    }
  };
  descend(`/${list}`, 'layers', 0);
  return layers;
}

const readVariables = (file: Hdf5File, path: string): StoredWeight[] =>
  file
    .listNames(path)
    .filter((name) => file.isDataset(`${path}/${name}`))
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => ({ name, path: `${path}/${name}`, shape: file.readShape(`${path}/${name}`) }));
