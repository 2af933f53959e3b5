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
import { MAX_WEIGHTS, readStoredWeights, WEIGHTS_FILE } from './stored.ts';
import { readTensors } from './weights.ts';
import { unzip } from './zip.ts';

export interface LoadKerasOptions {
  /**
   * Classes of layers that tilegrad does not have, by their names in Keras. Each is constructed with the file's options, under Keras's
   * names and unchanged, and with `name`.
   */
  customLayers?: Record<string, LayerClass>;
  /** Shape of one sample, for a file that leaves sizes open, as `[null, null, null, 3]` does. Sizes that the file states do not change. */
  inputShape?: Shape;
}

const CONFIG_FILE = 'config.json';

/**
 * Decodes the model of a .keras file, or of a .h5 file that Keras's `model.save` has written: Sequential or functional, with nested models.
 * It is not built yet: `build(device)` starts with the weights of the file, in this model or in one that contains it. What Keras compiled,
 * and the state of its optimizer, are left out.
 * @param bytes content of the file
 * @param name name of the file, for messages
 * @throws DataError for other files, one that is cut short, damaged or without a model; for unsupported layers and options, naming all of
 *   them; for a model with several inputs or outputs. ArgumentError for an `inputShape` that the model does not accept
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
      `${name} is a zip file without ${missing}, so it is not a .keras file; save the model again with Keras`,
    );
  }
  return readHdf5(weights, name, (file) => modelOf(new TextDecoder().decode(config), options, file));
}

/** @throws ArgumentError for invalid options. @param subject name of the called function, for messages */
export function checkKerasOptions(subject: string, options: LoadKerasOptions): void {
  if (options instanceof Device) {
    throw new ArgumentError(
      `${subject}: takes no device; build the model afterwards: (await ${subject}(...)).build(device)`,
    );
  }
  const { customLayers, inputShape } = checkOptions(subject, options, { customLayers: true, inputShape: true });
  if (customLayers !== undefined) checkObject(`${subject}: customLayers`, customLayers);
  if (inputShape !== undefined) checkPositiveShape(`${subject}: inputShape`, inputShape);
}

/** Returns the configuration of a model in a .h5 file. */
function configOf(file: Hdf5File): string {
  const [config] = file.readTexts('/', 'model_config') ?? [];
  if (config !== undefined) return config;
  readStoredWeights(file); // throws if there are no weights, either
  throw new DataError(`${file.name} holds weights, but no model: create the model in code and use loadKerasWeights`);
}

function modelOf(config: string, options: LoadKerasOptions, file: Hdf5File): Model {
  const model = buildKerasModel(readModelConfig(parseConfig(config, file.name), file.name), options, file.name);
  if (model.countParams() === 0) return model;
  return model.setInitialWeights(readTensors(model, readStoredWeights(file), file));
}

function parseConfig(config: string, name: string): unknown {
  try {
    return parseJson(config);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new DataError(
      `${name}: the configuration of the model is not JSON (${cause.message}); save the model again with Keras`,
      { cause },
    );
  }
}
