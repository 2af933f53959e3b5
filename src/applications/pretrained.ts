import { tryRead } from '../base/check.ts';
import { DataError } from '../base/errors.ts';
import { decodeKerasWeights, decodeSafetensors, type NdArray } from '../io/index.ts';
import { isHdf5, isZip } from '../io/keras/signature.ts';
import { assignTensors } from '../io/model-file.ts';
import type { Model } from '../training/model.ts';
import { type MobileNetV2Options, mobileNetV2 } from './mobilenet-v2-layers.ts';

/** The bytes of a file. */
export type WeightBytes = Uint8Array | ArrayBuffer;

/** @throws ArgumentError for a value that cannot be read */
export const isBytes = (value: unknown): value is WeightBytes =>
  tryRead('mobileNetV2: weights', () => value instanceof Uint8Array || value instanceof ArrayBuffer);

/** @throws ArgumentError for detached bytes */
export const bytesOf = (bytes: WeightBytes): Uint8Array =>
  tryRead('mobileNetV2: weights', () => (bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes));

/** Contents of a file of weights. */
export interface WeightFile {
  /** For messages. */
  name: string;
  bytes: Uint8Array;
}

/**
 * Sets the initial weights of a network that is not built yet, from one of Keras's files or from safetensors files that together hold
 * all weights.
 * @throws DataError for a file that has another format, is cut short, or does not fit the network
 */
export async function assignPretrained(model: Model, files: readonly WeightFile[]): Promise<void> {
  const keras = files.find(isKeras);
  if (keras && files.length === 1) {
    await decodeKerasWeights(model, keras.bytes, {}, keras.name);
    return;
  }
  if (keras) {
    throw new DataError(`${keras.name} is one of Keras's files, which hold all weights of a network; give it alone`);
  }
  const names = new Set(model.plan(model.inputShape).weights.map(({ name }) => name));
  const tensors = new Map<string, NdArray>();
  for (const { name, bytes } of files) {
    for (const [stored, array] of decodeSafetensors(bytes, name).tensors) {
      const weight = currentName(stored, names);
      if (tensors.has(weight)) throw new DataError(`${name}: ${stored} is in two of the files; give one of them`);
      tensors.set(weight, array);
    }
  }
  assignTensors(model, { tensors, metadata: {} }, {}, files.map(({ name }) => name).join(' and '));
}

/**
 * A network with the weights of files.
 * @throws DataError as `assignPretrained`, with a description of the network and a suggestion; ArgumentError, ShapeError
 */
export async function pretrainedNetwork(network: MobileNetV2Options, files: readonly WeightFile[]): Promise<Model> {
  const model = mobileNetV2(network);
  try {
    await assignPretrained(model, files);
    return model;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const { alpha = 1, includeTop = true, classes = 1000 } = network;
    const head = includeTop ? `with a head of ${classes} classes` : 'without a head (includeTop: false)';
    const hint =
      includeTop && (await canAssign(mobileNetV2({ ...network, includeTop: false }), files)) ? HEAD_HINT : '';
    throw new DataError(`${error.message}. The model is mobileNetV2 of alpha ${alpha}, ${head}${hint}`, causeOf(error));
  }
}

const HEAD_HINT =
  '. The file has no head: give includeTop: false, or a file with the head (from Keras, the one without _no_top in its name; for ' +
  'safetensors, a list of both files, because the head is in a separate one)';

const canAssign = (model: Model, files: readonly WeightFile[]): Promise<boolean> =>
  assignPretrained(model, files).then(
    () => true,
    () => false,
  );

/** The cause of an error, for an error that repeats its message: Node prints causes, so with the error itself the message would appear twice. */
export const causeOf = ({ cause }: Error): ErrorOptions => (cause === undefined ? {} : { cause });

/** Decides by the first bytes, or by the file's name, so that a message about a damaged file is about the intended format. */
const isKeras = ({ name, bytes }: WeightFile): boolean =>
  isHdf5(bytes) || isZip(bytes) || /\.(h5|hdf5|keras)$/i.test(name);

/** The weight's name here: Keras 2 calls the kernels of depthwise layers `depthwise_kernel`, this library and Keras 3 `kernel`. */
function currentName(stored: string, names: ReadonlySet<string>): string {
  const other = stored.replace(/\/depthwise_kernel$/, '/kernel');
  return !names.has(stored) && names.has(other) ? other : stored;
}
