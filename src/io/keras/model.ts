import { checkObject, checkOptions, checkPositiveShape, checkText } from '../../base/check.ts';
import { ArgumentError, DataError } from '../../base/errors.ts';
import { parseJson } from '../../base/json.ts';
import { Device } from '../../gpu/device.ts';
import type { Shape } from '../../kernels/array.ts';
import type { LayerClass, Model } from '../../training/index.ts';
import { checkBytes } from '../nd-array.ts';
import { buildKerasModel } from './build-model.ts';
import { readModelConfig } from './config.ts';
import { type Hdf5File, MAX_TEXT_BYTES, readHdf5 } from './hdf5.ts';
import { isZip } from './signature.ts';
import { MAX_WEIGHTS, storedWeights, WEIGHTS_FILE } from './stored.ts';
import { tensorsFor } from './weights.ts';
import { unzip } from './zip.ts';

export interface LoadKerasOptions {
  /**
   * Classes of layers that are none of tilegrad's, by their names in Keras. Each is constructed with the options of the file, by
   * Keras's names and as they stand there, and `name`.
   */
  customLayers?: Record<string, LayerClass>;
  /** Shape of one sample, for a file that leaves sizes open, as `[null, null, null, 3]` does. Sizes that it states are not changed. */
  inputShape?: Shape;
}

const CONFIG_FILE = 'config.json';

/**
 * The model of a .keras file, or of a .h5 file that Keras has written by `model.save`, Sequential or functional, with models within it.
 * It is not built yet: `build(device)` begins with the weights of the file, in this model or in one that contains it. What Keras had
 * compiled, and the state of its optimizer, are left out.
 * @param bytes the file's
 * @param name the file's, for messages
 * @throws DataError for a file that is none, is cut short or damaged, or holds no model; for layers and options that there are not here,
 *   all of them at once; for a model of several inputs or outputs. ArgumentError for an `inputShape` that the model does not take
 */
export async function decodeKeras(bytes: Uint8Array, options: LoadKerasOptions = {}, name = 'model'): Promise<Model> {
  checkBytes('decodeKeras', bytes);
  checkKerasOptions('decodeKeras', options);
  checkText('decodeKeras: name', name);
  if (!isZip(bytes)) return readHdf5(bytes, name, (file) => modelOf(configOf(file), options, file));
  const files = await unzip(bytes, name, { [CONFIG_FILE]: MAX_TEXT_BYTES, [WEIGHTS_FILE]: MAX_WEIGHTS });
  const { [CONFIG_FILE]: config, [WEIGHTS_FILE]: weights } = files;
  const missing = config ? WEIGHTS_FILE : CONFIG_FILE;
  if (!config || !weights) {
    throw new DataError(
      `${name} is a zip file without ${missing}, so it is no .keras file; save the model again with Keras`,
    );
  }
  return readHdf5(weights, name, (file) => modelOf(new TextDecoder().decode(config), options, file));
}

/** @throws ArgumentError for options that are none, under the name of the function that was called */
export function checkKerasOptions(subject: string, options: LoadKerasOptions): void {
  if (options instanceof Device) {
    throw new ArgumentError(
      `${subject}: takes no device; build the model behind it: (await ${subject}(...)).build(device)`,
    );
  }
  const { customLayers, inputShape } = checkOptions(subject, options, { customLayers: true, inputShape: true });
  if (customLayers !== undefined) checkObject(`${subject}: customLayers`, customLayers);
  if (inputShape !== undefined) checkPositiveShape(`${subject}: inputShape`, inputShape);
}

/** The configuration of a model in a .h5 file. */
function configOf(file: Hdf5File): string {
  const [config] = file.texts('/', 'model_config') ?? [];
  if (config !== undefined) return config;
  storedWeights(file); // throws where there are none either
  throw new DataError(`${file.name} holds weights, but no model: make the model in code and use loadKerasWeights`);
}

function modelOf(config: string, options: LoadKerasOptions, file: Hdf5File): Model {
  const model = buildKerasModel(readModelConfig(parseConfig(config, file.name), file.name), options, file.name);
  if (model.countParams() === 0) return model;
  return model.setInitialWeights(tensorsFor(model, storedWeights(file), file));
}

function parseConfig(config: string, name: string): unknown {
  try {
    return parseJson(config);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new DataError(
      `${name}: the configuration of the model is no JSON (${cause.message}); save the model again with Keras`,
      { cause },
    );
  }
}
