import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const read = (name: string) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));

/** An array in the golden files: its elements as text, in row-major order. */
export interface Told {
  shape: number[];
  values: string[];
}

/** Files written by NumPy. See make_files.py. */
export const npyFiles: { read: Record<string, Told & { file: string }>; refused: Record<string, string> } =
  read('npy.json');

/** A file written by the safetensors package. */
export const safetensorsFile: { file: string; tensors: Record<string, Told> } = read('safetensors.json');

/** Files written by TensorBoard: serialized `Event`s, and a file with all of them. */
export const eventFiles: { events: Record<string, string>; values: number[]; png: string; file: string } =
  read('events.json');

export const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));

/** Elements as in the golden files: all NaNs are equal, -0 differs from 0. */
export const textOf = (data: ArrayLike<number | bigint>) =>
  Array.from(data as ArrayLike<number>, (v) => (Object.is(v, -0) ? '-0' : String(v)));
/** The same for text from Python. `integers` is whether the elements are integers. */
export const textOfPython = (values: string[], integers: boolean) =>
  integers ? values : textOf(values.map((text) => Number(text.replace('inf', 'Infinity'))));

/** An .h5 file that h5py wrote, packed. */
interface Packed {
  file: string;
}

/** Files of weights as Keras lays them out. See make_keras_weights.py. */
export const kerasWeights: { mobilenet: Packed & { weights: [string, number[]][] }; types: Packed; inner: Packed } =
  read('keras-weights.json');

/** A model in Keras's file formats, and its outputs for three samples of `kerasSamples`, in float64. */
interface KerasModelFiles {
  inputShape: number[];
  layers: string[];
  outputs: number[];
  files: Record<'model-2.h5' | 'model-3.h5' | 'model.keras', string>;
}

/** Whole models as Keras 2 and 3 write them, and logits of the real file. See make_keras_models.py. */
export const kerasModels: Record<'sequential' | 'branches' | 'nested', KerasModelFiles> & {
  teachableMachine: { samples: number[]; photos: number[] };
} = read('keras-models.json');

/** The inputs that those outputs belong to. */
export const kerasSamples = (count: number, shape: readonly number[]): Float32Array => {
  const length = count * shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length }, (_, j) => ((7919 * j) % 1009) / 504.5 - 1);
};

/** The bytes of a packed file. */
export const unpacked = (base64: string) => new Uint8Array(gunzipSync(Buffer.from(base64, 'base64')));
