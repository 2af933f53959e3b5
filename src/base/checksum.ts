import { crc32c } from './crc32c.ts';
import { DataError } from './errors.ts';
import { parseJson } from './json.ts';

/**
 * Placeholder of a file's checksum, which is in the file itself: the CRC-32C of all bytes, computed with zeros in place of its eight hex digits.
 */
export const EMPTY_CHECKSUM = '00000000';

const encoder = new TextEncoder();
const zeros = encoder.encode(EMPTY_CHECKSUM);

/** The checksum of a file as eight hex digits, which belong at byte `offset`. */
export function checksumOf(bytes: Uint8Array, offset: number): string {
  const before = crc32c(bytes.subarray(0, offset));
  const sum = crc32c(bytes.subarray(offset + EMPTY_CHECKSUM.length), crc32c(zeros, before));
  return sum.toString(16).padStart(EMPTY_CHECKSUM.length, '0');
}

/** Writes a file's checksum over the zeros at byte `offset`. */
export function writeChecksum(bytes: Uint8Array, offset: number): void {
  bytes.set(encoder.encode(checksumOf(bytes, offset)), offset);
}

/** The last entry of a JSON file is its checksum. */
const KEY = 'crc32c';
/** Matches any key: a file whose key was damaged must not pass as a file without a checksum. */
const LAST_ENTRY = new RegExp(`"([^"]*)": ?"([0-9a-f]{${EMPTY_CHECKSUM.length}})"\\s*\\}\\s*$`);

/** Text of a JSON file whose last entry, `crc32c`, is its checksum. @param space as for `JSON.stringify` */
export function toChecksummedJson(value: object, space?: number): string {
  const { [KEY]: _, ...rest } = value as Record<string, unknown>;
  const text = `${JSON.stringify({ ...rest, [KEY]: EMPTY_CHECKSUM }, null, space)}\n`;
  const place = text.lastIndexOf(EMPTY_CHECKSUM);
  const sum = checksumOf(encoder.encode(text), encoder.encode(text.slice(0, place)).length);
  return text.slice(0, place) + sum + text.slice(place + EMPTY_CHECKSUM.length);
}

/**
 * Whether the text of a JSON file is unchanged since `toChecksummedJson`. A file without a checksum counts as intact: it is older, or
 * was edited on purpose.
 * @param value the parsed text
 */
export function isIntactJson(text: string, value: unknown): boolean {
  const [entry = '', key, sum = ''] = LAST_ENTRY.exec(text) ?? [];
  if (key !== KEY) return entry === '' && !(typeof value === 'object' && value !== null && Object.hasOwn(value, KEY));
  const place = text.lastIndexOf(sum);
  return checksumOf(encoder.encode(text), encoder.encode(text.slice(0, place)).length) === sum;
}

/**
 * Parses the text of a JSON file of `toChecksummedJson`, with `schemaVersion` 1.
 * @param path path of the file, for messages
 * @param advice what to do, for messages
 * @throws DataError if the text is not JSON, is truncated, has another version or is damaged
 */
export function parseChecksummedJson(text: string, path: string, advice: string): unknown {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (cause) {
    throw new DataError(`${path} is not JSON, or cut short: ${(cause as Error).message}. ${advice}`, { cause });
  }
  const version = (json as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (typeof version === 'number' && version !== 1) {
    throw new DataError(
      `${path} is of version ${version}, but this tilegrad reads version 1. Use the tilegrad that wrote it. ${advice}`,
    );
  }
  if (!isIntactJson(text, json)) {
    throw new DataError(`${path} is damaged: its checksum is not that of its text. ${advice}`);
  }
  return json;
}
