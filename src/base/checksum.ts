import { crc32c } from './crc32c.ts';
import { DataError } from './errors.ts';
import { parseJson } from './json.ts';

/**
 * A file's checksum stands in the file itself: the CRC-32C of all its bytes, in eight hex digits that count as zeros in the sum.
 */
export const NO_SUM = '00000000';

const encoder = new TextEncoder();
const zeros = encoder.encode(NO_SUM);

/** The checksum of a file, as its eight hex digits at byte `place` must be. */
export function checksumOf(bytes: Uint8Array, place: number): string {
  const before = crc32c(bytes.subarray(0, place));
  const sum = crc32c(bytes.subarray(place + NO_SUM.length), crc32c(zeros, before));
  return sum.toString(16).padStart(NO_SUM.length, '0');
}

/** Writes a file's checksum over the zeros at byte `place`. */
export function writeChecksum(bytes: Uint8Array, place: number): void {
  bytes.set(encoder.encode(checksumOf(bytes, place)), place);
}

/** The last entry of a JSON file is its checksum. */
const KEY = 'crc32c';
/** Whatever its name: one whose name was damaged must not pass for a file without a checksum. */
const LAST_ENTRY = new RegExp(`"([^"]*)": ?"([0-9a-f]{${NO_SUM.length}})"\\s*\\}\\s*$`);

/** An object as the text of a JSON file with a checksum, `crc32c`, at its end. @param space as `JSON.stringify` takes it */
export function toChecksummedJson(value: object, space?: number): string {
  const { [KEY]: _, ...rest } = value as Record<string, unknown>;
  const text = `${JSON.stringify({ ...rest, [KEY]: NO_SUM }, null, space)}\n`;
  const place = text.lastIndexOf(NO_SUM);
  const sum = checksumOf(encoder.encode(text), encoder.encode(text.slice(0, place)).length);
  return text.slice(0, place) + sum + text.slice(place + NO_SUM.length);
}

/**
 * Whether the text of a JSON file is what `checkedJson` wrote. A file without a checksum is taken as it is: it is older, or
 * somebody changed it on purpose and took the checksum out.
 * @param value what the text was parsed to
 */
export function isIntactJson(text: string, value: unknown): boolean {
  const [entry = '', key, sum = ''] = LAST_ENTRY.exec(text) ?? [];
  if (key !== KEY) return entry === '' && !(typeof value === 'object' && value !== null && Object.hasOwn(value, KEY));
  const place = text.lastIndexOf(sum);
  return checksumOf(encoder.encode(text), encoder.encode(text.slice(0, place)).length) === sum;
}

/**
 * Parses the text of a JSON file that `checkedJson` wrote, of the layout `schemaVersion` 1.
 * @param path for messages, as is `advice`: what to do
 * @throws DataError if it is not JSON, cut short, of another version, or damaged
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
