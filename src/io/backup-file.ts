import { createHash } from 'node:crypto';
import { formatValue } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { parseJson } from '../base/json.ts';
import type { StateValue, TrainingState } from '../training/index.ts';
import type { NdArrayLike } from './nd-array.ts';
import { decodeSafetensors, encodeUnchecked, type Safetensors } from './safetensors.ts';

/**
 * A backup is a safetensors file. Its tensors are the typed arrays of a training state, named by their path in it, such as
 * `optimizer/slots/0`. Its metadata are `format`, `version`, `state` (the JSON of everything else) and `sha256`, the checksum of the
 * file with zeros in place of the checksum.
 */
const FORMAT = 'tilegrad backup';
/** Increased when older files would be misread. */
const VERSION = '2'; // 1 had running totals in floats

const ZERO_CHECKSUM = '0'.repeat(64);
/** Keys for values that JSON cannot hold: a typed array, as the name of its tensor; -0 or a number that is not finite, as text. */
const TENSOR = '$tensor';
const NUMBER = '$number';

/** Encodes a training state. @throws ArgumentError for a value that a callback's state cannot hold, such as a function */
export function encodeBackup(state: TrainingState): Uint8Array<ArrayBuffer> {
  const tensors: [string, NdArrayLike][] = [];
  const json = JSON.stringify(toJsonValue(state as unknown as StateValue, '', tensors));
  const metadata = { format: FORMAT, version: VERSION, sha256: ZERO_CHECKSUM, state: json };
  const bytes = encodeUnchecked(tensors, metadata);
  bytes.set(new TextEncoder().encode(sha256Of(bytes)), checksumOffset(bytes, ZERO_CHECKSUM));
  return bytes;
}

/**
 * Decodes a training state.
 * @param name name of the file, for messages
 * @throws DataError for a file that is not a backup, was cut short or changed, or has another version
 */
export function decodeBackup(bytes: Uint8Array, name = 'backup'): TrainingState {
  const { tensors, metadata } = decodeSafetensors(bytes, name);
  const { format, version, sha256 = '', state } = metadata;
  if (format !== FORMAT || state === undefined) {
    throw new DataError(
      `${name} is not a backup of a training: its format is ${formatValue(format)}, but must be "${FORMAT}"`,
    );
  }
  if (version !== VERSION) {
    throw new DataError(
      `${name} is of version ${formatValue(version)} of tilegrad's backups, but this tilegrad reads version ${VERSION}: ` +
        'continue with the tilegrad that wrote it, or delete the file to start again',
    );
  }
  if (!isIntact(bytes, sha256)) {
    throw new DataError(`${name} is damaged: its bytes are not those that were written. Delete it to start again`);
  }
  return parseState(state, tensors, name);
}

function sha256Of(...parts: (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Offset of the checksum; negative if it is missing. Quotes within `state` are escaped, so only the real key matches. */
const checksumOffset = (bytes: Uint8Array, sum: string) => {
  const key = '"sha256":"';
  const index = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(`${key}${sum}"`);
  return index < 0 ? index : index + key.length;
};

function isIntact(bytes: Uint8Array, sum: string): boolean {
  const offset = checksumOffset(bytes, sum);
  if (offset < 0 || sum.length !== ZERO_CHECKSUM.length) return false;
  return sha256Of(bytes.subarray(0, offset), ZERO_CHECKSUM, bytes.subarray(offset + ZERO_CHECKSUM.length)) === sum;
}

/** Converts a value to one that JSON can hold. Its typed arrays are added to `tensors`. */
function toJsonValue(value: StateValue, path: string, tensors: [string, NdArrayLike][]): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return { [NUMBER]: '-0' };
    return Number.isFinite(value) ? value : { [NUMBER]: String(value) };
  }
  const childPath = (key: string | number) => (path === '' ? String(key) : `${path}/${key}`);
  if (value instanceof Float32Array || value instanceof Uint32Array) {
    tensors.push([
      path,
      { shape: [value.length], data: value as Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> },
    ]);
    return { [TENSOR]: path };
  }
  if (Array.isArray(value)) return value.map((item, i) => toJsonValue(item, childPath(i), tensors));
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) {
    throw new ArgumentError(
      `backup: ${path} must be numbers, text, lists, plain objects and such, but is ${formatValue(value)}`,
    );
  }
  const entries = Object.entries(value as Record<string, StateValue>).filter(([, item]) => item !== undefined);
  const reserved = entries.find(([key]) => key === TENSOR || key === NUMBER);
  if (reserved) throw new ArgumentError(`backup: ${path} has the key ${reserved[0]}, which is reserved`);
  return Object.fromEntries(entries.map(([key, item]) => [key, toJsonValue(item, childPath(key), tensors)]));
}

function parseState(json: string, tensors: Safetensors['tensors'], name: string): TrainingState {
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
    throw new DataError(`${name}: its state is not JSON: ${cause.message}`, { cause });
  }
}
