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

/** @throws ArgumentError for bytes that were given away */
export const bytesOf = (bytes: WeightBytes): Uint8Array =>
  tryRead('mobileNetV2: weights', () => (bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes));

/** A file of weights that was read. */
export interface WeightFile {
  /** For messages. */
  name: string;
  bytes: Uint8Array;
}

/**
 * Gives a network that is not built yet the weights of files: of one of Keras's, or of safetensors files that hold them together.
 * @throws DataError for a file that is none, is cut short, or does not fit the network
 */
export async function assignPretrained(model: Model, files: readonly WeightFile[]): Promise<void> {
  const keras = files.find(isKeras);
  if (keras && files.length === 1) {
    await decodeKerasWeights(model, keras.bytes, {}, keras.name);
    return;
  }
  if (keras) {
    throw new DataError(`${keras.name} is a file of Keras's, which holds all weights of a network; give it alone`);
  }
  const names = new Set(model.plan(model.inputShape).weights.map(({ name }) => name));
  const tensors = new Map<string, NdArray>();
  for (const { name, bytes } of files) {
    for (const [stored, array] of decodeSafetensors(bytes, name).tensors) {
      const weight = currentName(stored, names);
      if (tensors.has(weight))
        throw new DataError(`${name}: ${stored} is in another of the files, too; give one of them`);
      tensors.set(weight, array);
    }
  }
  assignTensors(model, { tensors, metadata: {} }, {}, files.map(({ name }) => name).join(' and '));
}

/**
 * A network with the weights of files.
 * @throws DataError as `assignPretrained`, with what the network is, and what may have been meant; ArgumentError, ShapeError
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
  '. The file has no head: take includeTop: false, or give the file with the head (of Keras the one without _no_top in its name; of ' +
  'safetensors, which hold it alone, both files in a list)';

const canAssign = (model: Model, files: readonly WeightFile[]): Promise<boolean> =>
  assignPretrained(model, files).then(
    () => true,
    () => false,
  );

/** What an error has as its cause gets the one whose message begins with its: Node prints causes, and would print the message twice. */
export const causeOf = ({ cause }: Error): ErrorOptions => (cause === undefined ? {} : { cause });

/** By how the file begins, for bytes have no name; also by a name, so that the message is about the format that was meant. */
const isKeras = ({ name, bytes }: WeightFile): boolean =>
  isHdf5(bytes) || isZip(bytes) || /\.(h5|hdf5|keras)$/i.test(name);

/** Keras 2 calls the kernels of depthwise layers `depthwise_kernel`, this library and Keras 3 `kernel`. */
function currentName(stored: string, names: ReadonlySet<string>): string {
  const other = stored.replace(/\/depthwise_kernel$/, '/kernel');
  return !names.has(stored) && names.has(other) ? other : stored;
}
