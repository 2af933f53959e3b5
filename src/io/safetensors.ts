import { checkObject, checkText, formatValue, tryRead } from '../base/check.ts';
import { checksumOf, EMPTY_CHECKSUM, writeChecksum } from '../base/checksum.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { measureJson, parseJson } from '../base/json.ts';
import { sizeOf } from '../kernels/array.ts';
import {
  bytesOf,
  bytesOfData,
  checkBytes,
  checkNdArray,
  dataOf,
  type NdArray,
  type NdArrayLike,
  type StoredType,
} from './nd-array.ts';

/** Content of a safetensors file: named arrays and metadata. */
export interface Safetensors {
  /** The arrays by name. */
  tensors: Map<string, NdArray>;
  /** Texts by name; empty if the file has none. */
  metadata: Record<string, string>;
}

const TYPES: Record<string, StoredType> = {
  F64: 'f64',
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  I64: 'i64',
  U64: 'u64',
  I32: 'i32',
  U32: 'u32',
  I16: 'i16',
  U16: 'u16',
  I8: 'i8',
  U8: 'u8',
  BOOL: 'bool',
};
const nameOf = (type: StoredType) => Object.keys(TYPES).find((name) => TYPES[name] === type)!;

/** Longer headers are refused, as the format's own reader does: only an attack would have one. */
const MAX_HEADER = 100_000_000;
/** Limit of tensors: models of 100,000 layers have as many, and checking more would take seconds. */
const MAX_TENSORS = 200_000;
const METADATA = '__metadata__';
/**
 * The last entry of the metadata is the checksum of the whole file, header included. The first one says that there is a checksum, so
 * that damage to the name of the last entry is noticed. `decodeSafetensors` checks and removes both.
 */
const SUM = 'tilegrad.crc32c';
const HAS_SUM = 'tilegrad.checksum';

/**
 * Encodes named arrays as a safetensors file, readable by the `safetensors` packages of Python and Rust. Such files contain no code.
 * Two entries are added to the metadata: a checksum of the file, which `decodeSafetensors` checks.
 * @throws ArgumentError, ShapeError for invalid arrays, and for metadata that are not text or longer than readers allow
 */
export function encodeSafetensors(
  tensors: Iterable<readonly [name: string, array: NdArrayLike]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  checkObject('encodeSafetensors: metadata', metadata);
  const { [HAS_SUM]: _, [SUM]: __, ...rest } = tryRead('encodeSafetensors: metadata', () => ({ ...metadata }));
  const bytes = encodeUnchecked(tensors, { [HAS_SUM]: 'crc32c', ...rest, [SUM]: EMPTY_CHECKSUM });
  writeChecksum(bytes, checksumOffset(headerTextOf(bytes), EMPTY_CHECKSUM)!);
  return bytes;
}

/** Encodes without a checksum, for files that have their own. */
export function encodeUnchecked(
  tensors: Iterable<readonly [name: string, array: NdArrayLike]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const arrays = readNamed(tensors).map(([name, array]) => ({
    name,
    array: checkNdArray(`encodeSafetensors: ${name}`, array),
  }));
  checkObject('encodeSafetensors: metadata', metadata);
  arrays.sort((a, b) => bytesOf(b.array.dtype) - bytesOf(a.array.dtype)); // so that every array is aligned
  const entries = new Map<string, unknown>();
  if (tryRead('encodeSafetensors: metadata', () => Object.keys(metadata)).length > 0) entries.set(METADATA, metadata);
  for (const [key, value] of tryRead('encodeSafetensors: metadata', () => Object.entries(metadata))) {
    if (typeof value !== 'string') {
      throw new ArgumentError(`encodeSafetensors: metadata is text, but ${key} is ${formatValue(value)}`);
    }
  }
  if (arrays.length > MAX_TENSORS) {
    throw new ArgumentError(`encodeSafetensors: a file holds ${MAX_TENSORS} tensors at most, not ${arrays.length}`);
  }
  let end = 0;
  for (const { name, array } of arrays) {
    if (name === METADATA || entries.has(name)) {
      throw new ArgumentError(`encodeSafetensors: a tensor cannot be called ${name}, which the format uses`);
    }
    const begin = end;
    end += array.data.byteLength;
    entries.set(name, { dtype: nameOf(array.dtype), shape: array.shape, data_offsets: [begin, end] });
  }
  const json = [...entries].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',');
  const text = new TextEncoder().encode(`{${json}}`);
  const header = Math.ceil(text.length / 8) * 8;
  if (header > MAX_HEADER) {
    throw new ArgumentError(
      `encodeSafetensors: names and metadata take ${header} bytes, more than the ${MAX_HEADER} that readers allow; store long text in a separate file`,
    );
  }
  const bytes = new Uint8Array(8 + header + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header), true);
  bytes.fill(0x20, 8, 8 + header).set(text, 8);
  let at = 8 + header;
  for (const { array } of arrays) {
    bytes.set(bytesOfData(array), at);
    at += array.data.byteLength;
  }
  return bytes;
}

/** Returns pairs of names and arrays. @throws ArgumentError for anything else */
function readNamed(tensors: Iterable<readonly [name: string, array: NdArrayLike]>) {
  const invalidTensorsError = () =>
    new ArgumentError(
      `encodeSafetensors: takes a Map of arrays by name, or such pairs, but was given ${formatValue(tensors)}`,
    );
  return tryRead('encodeSafetensors', () => {
    if (typeof tensors?.[Symbol.iterator] !== 'function') throw invalidTensorsError();
    const pairs = Array.from(tensors);
    if (!pairs.every((pair) => Array.isArray(pair) && typeof pair[0] === 'string')) throw invalidTensorsError();
    return pairs;
  });
}

/**
 * Decodes a safetensors file. Half floats (F16, BF16) become f32. A file without a checksum is accepted.
 * @param name name of the file, for messages
 * @throws DataError for other files and one that is cut short, for tensors that overlap or leave gaps, for a name used twice, for
 *   element types that are not supported, and for a file whose checksum does not match its bytes
 */
export function decodeSafetensors(bytes: Uint8Array, name = 'safetensors'): Safetensors {
  checkBytes('decodeSafetensors', bytes);
  checkText('decodeSafetensors: name', name);
  const { entries, start } = headerOf(bytes, name);
  const { [METADATA]: metadata = {}, ...described } = entries;
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw new DataError(`${name}: its metadata must be text by name, but is ${formatValue(metadata)}`);
  }
  const found = Object.entries(described).map(([tensor, value]) => entryOf(value, `${name}: tensor ${tensor}`, tensor));
  const length = bytes.length - start;
  let end = 0;
  for (const { tensor, begin, end: next } of [...found].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== end) {
      const problem = begin < end ? 'overlaps the one before it' : 'leaves a gap before it';
      throw new DataError(`${name}: tensor ${tensor} ${problem}: it begins at byte ${begin} instead of ${end}`);
    }
    if (next > length) {
      throw new DataError(
        `${name} is cut short: tensor ${tensor} has the bytes ${begin} to ${next}, but there are ${length}`,
      );
    }
    end = next;
  }
  if (end !== length) throw new DataError(`${name}: has ${length - end} bytes that belong to no tensor`);
  const { [HAS_SUM]: hasSum, [SUM]: sum, ...userMetadata } = metadata as Record<string, string>;
  if (hasSum !== undefined || sum !== undefined) verifyChecksum(bytes, sum, name);
  const tensors = found.map(({ tensor, stored, shape, begin, end }) => {
    return [tensor, { shape, ...dataOf(bytes.subarray(start + begin, start + end), stored) }] as const;
  });
  return { tensors: new Map(tensors), metadata: userMetadata };
}

const headerTextOf = (bytes: Uint8Array): string => {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + length));
};

/** Offset of the checksum's digits in a file. Quotes within text are escaped, so only the real entry matches. */
function checksumOffset(header: string, sum: string): number | undefined {
  const entry = `"${SUM}":"`;
  const at = header.indexOf(`${entry}${sum}"`);
  return at < 0 ? undefined : 8 + new TextEncoder().encode(header.slice(0, at + entry.length)).length;
}

/** @throws DataError if the file does not match its checksum */
function verifyChecksum(bytes: Uint8Array, sum: string | undefined, name: string): void {
  const offset = sum?.length === EMPTY_CHECKSUM.length ? checksumOffset(headerTextOf(bytes), sum) : undefined;
  const found = offset === undefined ? undefined : checksumOf(bytes, offset);
  if (found !== undefined && found === sum) return;
  const problem = found
    ? `its bytes have the CRC-32C ${found}, but were written with ${sum}`
    : 'it was written with a checksum, but the checksum is missing';
  throw new DataError(
    `${name} is damaged: ${problem}; take another copy, or save it again. If another program changed it on purpose, it must remove ` +
      `the metadata ${HAS_SUM} and ${SUM}`,
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function headerOf(bytes: Uint8Array, name: string): { entries: Record<string, unknown>; start: number } {
  if (bytes.length < 8)
    throw new DataError(`${name} is cut short: ${bytes.length} bytes are less than its first field`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER) {
    throw new DataError(
      `${name}: its header would have ${length} bytes, more than the ${MAX_HEADER} allowed; is it a safetensors file?`,
    );
  }
  if (bytes.length < 8 + length) {
    throw new DataError(`${name} is cut short: its header has ${length} bytes, but the file only ${bytes.length}`);
  }
  let text: string;
  let header: unknown;
  try {
    text = headerTextOf(bytes);
    const { entries } = measureJson(text);
    if (entries > MAX_TENSORS + 1)
      throw new SyntaxError(`it has ${entries} entries; at most ${MAX_TENSORS} tensors are read`);
    header = parseJson(text);
  } catch (cause) {
    throw new DataError(
      `${name}: its header is not valid JSON (${(cause as Error).message}); is it a safetensors file?`,
      {
        cause,
      },
    );
  }
  if (!isRecord(header))
    throw new DataError(`${name}: its header must be a JSON object, but is ${formatValue(header)}`);
  const seen = new Set<string>();
  for (const key of keysOf(text)) {
    if (seen.has(key)) throw new DataError(`${name}: ${key} occurs twice`);
    seen.add(key);
  }
  return { entries: header, start: 8 + length };
}

/** Returns the keys of the outermost object of a valid JSON text, also duplicates, which `JSON.parse` drops. */
function* keysOf(json: string): Generator<string> {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json[at]!;
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    if (character !== '"') continue;
    const begin = at;
    // Without a regular expression, which runs out of stack on a text of millions of characters.
    for (at++; json[at] !== '"'; at++) if (json[at] === '\\') at++;
    if (depth !== 1) continue;
    let next = at + 1;
    while (/\s/.test(json[next]!)) next++;
    if (json[next] === ':') yield JSON.parse(json.slice(begin, at + 1));
  }
}

/** @throws DataError unless shape, type and offsets agree */
function entryOf(value: unknown, subject: string, tensor: string) {
  const { dtype, shape, data_offsets: offsets } = isRecord(value) ? value : {};
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !Array.isArray(offsets) || offsets.length !== 2) {
    throw new DataError(`${subject} needs dtype, shape and data_offsets, but is ${formatValue(value)}`);
  }
  const stored = Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;
  if (!stored) {
    throw new DataError(
      `${subject}: elements of type ${dtype} are not supported; those of ${Object.keys(TYPES).join(', ')} are`,
    );
  }
  const [begin, end] = offsets as [unknown, unknown];
  if (!shape.every(isCount) || !isCount(begin) || !isCount(end) || end < begin) {
    throw new DataError(`${subject}: its sizes and offsets must be integers from 0 up, but are ${formatValue(value)}`);
  }
  if (sizeOf(shape) * bytesOf(stored) !== end - begin) {
    throw new DataError(
      `${subject}: shape [${shape}] of ${dtype} takes ${sizeOf(shape) * bytesOf(stored)} bytes, but it has ${end - begin}`,
    );
  }
  return { tensor, stored, shape: shape as number[], begin, end };
}
