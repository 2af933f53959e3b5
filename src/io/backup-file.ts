import { createHash } from 'node:crypto';
import { formatValue } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { parseJson } from '../base/json.ts';
import type { StateValue, TrainingState } from '../training/index.ts';
import type { NdArrayLike } from './nd-array.ts';
import { decodeSafetensors, encodeUnchecked, type Safetensors } from './safetensors.ts';

/**
 * A backup is a safetensors file: the typed arrays of a training state by their place in it, such as `optimizer/slots/0`, and in
 * the metadata `format`, `version`, `state`, the JSON of all else, and `sha256` of the file's bytes, those of the sum taken
 * as zeros.
 */
const FORMAT = 'tilegrad backup';
/** Grows when a file of the old kind would be misread. */
const VERSION = '2'; // 1 had running totals in floats

const NO_SUM = '0'.repeat(64);
/** What JSON has no words for: a typed array, by the name of its tensor; a number that is not finite, or -0, as text. */
const TENSOR = '$tensor';
const NUMBER = '$number';

/** A state of training as the bytes of a file. @throws ArgumentError for what a callback's state cannot hold, such as a function */
export function encodeBackup(state: TrainingState): Uint8Array<ArrayBuffer> {
  const tensors: [string, NdArrayLike][] = [];
  const json = JSON.stringify(packed(state as unknown as StateValue, '', tensors));
  const metadata = { format: FORMAT, version: VERSION, sha256: NO_SUM, state: json };
  const bytes = encodeUnchecked(tensors, metadata);
  bytes.set(new TextEncoder().encode(sumOf(bytes)), placeOfSum(bytes, NO_SUM));
  return bytes;
}

/**
 * The state of training that a file holds.
 * @param name the file's, for messages
 * @throws DataError for a file that is none, was cut short or changed, or is of another version
 */
export function decodeBackup(bytes: Uint8Array, name = 'backup'): TrainingState {
  const { tensors, metadata } = decodeSafetensors(bytes, name);
  const { format, version, sha256 = '', state } = metadata;
  if (format !== FORMAT || state === undefined) {
    throw new DataError(
      `${name} is no backup of a training: its format is ${formatValue(format)}, but must be "${FORMAT}"`,
    );
  }
  if (version !== VERSION) {
    throw new DataError(
      `${name} is of version ${formatValue(version)} of tilegrad's backups, but this tilegrad reads version ${VERSION}: ` +
        'go on with the tilegrad that wrote it, or delete the file to begin anew',
    );
  }
  if (!intact(bytes, sha256)) {
    throw new DataError(`${name} is damaged: its bytes are not those that were written. Delete it to begin anew`);
  }
  return unpacked(state, tensors, name);
}

function sumOf(...parts: (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Quotes within `state` are escaped, so this is found where it stands as a key alone. */
const placeOfSum = (bytes: Uint8Array, sum: string) => {
  const key = '"sha256":"';
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(`${key}${sum}"`);
  return at < 0 ? at : at + key.length;
};

function intact(bytes: Uint8Array, sum: string): boolean {
  const place = placeOfSum(bytes, sum);
  if (place < 0 || sum.length !== NO_SUM.length) return false;
  return sumOf(bytes.subarray(0, place), NO_SUM, bytes.subarray(place + NO_SUM.length)) === sum;
}

/** What JSON can hold of a value; its typed arrays go to `tensors`. */
function packed(value: StateValue, path: string, tensors: [string, NdArrayLike][]): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return { [NUMBER]: '-0' };
    return Number.isFinite(value) ? value : { [NUMBER]: String(value) };
  }
  const inner = (key: string | number) => (path === '' ? String(key) : `${path}/${key}`);
  if (value instanceof Float32Array || value instanceof Uint32Array) {
    tensors.push([
      path,
      { shape: [value.length], data: value as Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> },
    ]);
    return { [TENSOR]: path };
  }
  if (Array.isArray(value)) return value.map((item, i) => packed(item, inner(i), tensors));
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) {
    throw new ArgumentError(
      `backup: ${path} must be numbers, text, lists, plain objects and such, but is ${formatValue(value)}`,
    );
  }
  const entries = Object.entries(value as Record<string, StateValue>).filter(([, item]) => item !== undefined);
  const taken = entries.find(([key]) => key === TENSOR || key === NUMBER);
  if (taken) throw new ArgumentError(`backup: ${path} has the key ${taken[0]}, which is taken`);
  return Object.fromEntries(entries.map(([key, item]) => [key, packed(item, inner(key), tensors)]));
}

function unpacked(json: string, tensors: Safetensors['tensors'], name: string): TrainingState {
  const tensorOf = (key: string) => {
    const tensor = tensors.get(key);
    if (!tensor) throw new DataError(`${name}: its state refers to the tensor ${key}, which it does not have`);
    return tensor.data;
  };
  try {
    return parseJson(json, (_, value: unknown) => {
      if (typeof value !== 'object' || value === null) return value;
      const { [TENSOR]: tensor, [NUMBER]: number } = value as Record<string, unknown>;
      if (typeof tensor === 'string') return tensorOf(tensor);
      return typeof number === 'string' ? Number(number) : value;
    }) as TrainingState;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new DataError(`${name}: its state is no JSON: ${cause.message}`, { cause });
  }
}
