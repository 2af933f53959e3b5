import { DataError } from '../../base/errors.ts';
import type { Shape } from '../../kernels/array.ts';
import { type Hdf5File, readHdf5 } from './hdf5.ts';
import { isZip } from './signature.ts';
import { unzip } from './zip.ts';

/** A weight as a file of Keras's holds it. */
export interface StoredWeight {
  /** Keras's name of it, without what TensorFlow appends: `Conv1/kernel`. In files of Keras 3 its number. */
  name: string;
  shape: Shape;
  /** Where it is in the file. */
  path: string;
}

/** A layer that has weights, or a model within the model with all weights of its layers. */
export interface StoredLayer {
  name: string;
  weights: StoredWeight[];
}

/** What a file says of its weights, before their values are read. */
export interface StoredWeights {
  /**
   * `order`: layers and weights in Keras's order, as in .h5 files of Keras 2 and of Keras 3's `save('x.h5')`. `path`: layers by where they
   * are in the model, such as `layers/conv2d_1`, as in the .weights.h5 and .keras files of Keras 3.
   */
  layout: 'order' | 'path';
  layers: StoredLayer[];
}

/** Layers at most, those within models included, and models within models: groups of a file may contain themselves. */
const MAX_LAYERS = 100_000;
const MAX_NESTING = 32;

/** What `read` makes of the weights of a .h5 or .keras file. @throws DataError for a file that is none, is damaged or holds no weights */
export async function withStoredWeights<T>(
  bytes: Uint8Array,
  name: string,
  read: (stored: StoredWeights, file: Hdf5File) => T,
): Promise<T> {
  return readHdf5(isZip(bytes) ? await weightsOfZip(bytes, name) : bytes, name, (file) =>
    read(storedWeights(file), file),
  );
}

/** Where a .keras file has its weights. */
export const WEIGHTS_FILE = 'model.weights.h5';
/** Bytes that it may have: the HDF5 library holds them in its heap of 2 GiB. */
export const MAX_WEIGHTS = 2 ** 30;

async function weightsOfZip(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  const { [WEIGHTS_FILE]: weights } = await unzip(bytes, name, { [WEIGHTS_FILE]: MAX_WEIGHTS });
  if (weights) return weights;
  throw new DataError(
    `${name} is a zip file without ${WEIGHTS_FILE}, so it is no .keras file with weights; save the model again with Keras`,
  );
}

/** @throws DataError for a file without weights */
export function storedWeights(file: Hdf5File): StoredWeights {
  const group = file.isGroup('/model_weights') ? '/model_weights' : '/';
  const names = attributeOf(file, group, 'layer_names');
  if (names) return { layout: 'order', layers: layersByOrder(file, group, names) };
  // Keras 2.12 to 2.15 called the list of layers so.
  const list = ['layers', '_layer_checkpoint_dependencies'].find((list) => file.isGroup(`/${list}`));
  if (list) return { layout: 'path', layers: layersByPath(file, list) };
  throw new DataError(
    `${file.name} is an HDF5 file, but none with a Keras model's weights; save them with Keras's save or save_weights`,
  );
}

/** A list of texts, which Keras cuts into `layer_names0`, `layer_names1`, ... where it is long; null where there is none. */
function attributeOf(file: Hdf5File, group: string, name: string): string[] | null {
  const whole = file.texts(group, name);
  if (whole) return whole;
  const parts: string[][] = [];
  for (let part = file.texts(group, `${name}0`); part; part = file.texts(group, `${name}${parts.length}`))
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
    return { name, weights: weights.map((weight) => ({ ...weight, shape: file.shape(weight.path) })) };
  });
  return layers.filter(({ weights }) => weights.length > 0);
}

function layersByPath(file: Hdf5File, list: string): StoredLayer[] {
  const layers: StoredLayer[] = [];
  const descend = (path: string, name: string, depth: number): void => {
    for (const child of file.names(path)) {
      if (layers.length > MAX_LAYERS || depth > MAX_NESTING) {
        throw new DataError(
          `${file.name} has more than ${MAX_LAYERS} layers, or models within models more than ${MAX_NESTING} deep`,
        );
      }
      const at = `${path}/${child}`;
      if (!file.isGroup(at)) continue;
      const weights = file.isGroup(`${at}/vars`) ? variables(file, `${at}/vars`) : [];
      if (weights.length > 0) layers.push({ name: `${name}/${child}`, weights });
      if (file.isGroup(`${at}/${list}`)) descend(`${at}/${list}`, `${name}/${child}/layers`, depth + 1);
    }
  };
  descend(`/${list}`, 'layers', 0);
  return layers;
}

const variables = (file: Hdf5File, path: string): StoredWeight[] =>
  file
    .names(path)
    .filter((name) => file.isDataset(`${path}/${name}`))
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => ({ name, path: `${path}/${name}`, shape: file.shape(`${path}/${name}`) }));
