import { createGunzip } from 'node:zlib';
import { DataError } from '../base/errors.ts';

/** Limit of the bytes to which a file or archive of images may unpack: the largest official one has 184 MB. */
export const MAX_UNPACKED_BYTES = 2 ** 30;
/** Largest compression ratio of deflate (zlib's documentation): a header that promises more is wrong. */
const MAX_DEFLATE_RATIO = 1032;

const formatNumber = (n: number) => n.toLocaleString('en-US');

/**
 * Unpacks a gzip file whose first unpacked bytes state its length, in one streaming pass. Memory never holds more than that length.
 * @param header number of unpacked bytes from which `lengthOf` computes the length
 * @param lengthOf returns the unpacked length
 * @returns the unpacked bytes; fewer than promised if the file ends early
 * @throws {DataError} naming `file` if it is damaged or cut short, unpacks to more than promised, or promises an impossible length
 */
export async function gunzipSized(
  packed: Uint8Array,
  file: string,
  header: number,
  lengthOf: (head: Uint8Array) => number,
): Promise<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  gunzip.end(packed);
  let unpacked: Uint8Array = new Uint8Array(0);
  let offset = 0;
  const add = (chunk: Uint8Array) => {
    if (offset + chunk.length > unpacked.length) {
      throw new DataError(
        `${file} unpacks to more than the ${formatNumber(unpacked.length)} bytes that its header promises: it is damaged, or made to ` +
          'fill the memory; fetch it again',
      );
    }
    unpacked.set(chunk, offset);
    offset += chunk.length;
  };
  let head: Uint8Array = new Uint8Array(0);
  let isSized = false;
  try {
    for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
      if (isSized) {
        add(chunk);
        continue;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length < header) continue;
      unpacked = new Uint8Array(checkLength(lengthOf(head), packed.length, file));
      isSized = true;
      add(head);
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${file} is a damaged or cut-short gzip file (${(error as Error).message}); fetch it again`, {
      cause: error,
    });
  }
  return isSized ? unpacked.subarray(0, offset) : new Uint8Array(head);
}

/** @throws {DataError} for a length that the packed bytes cannot have, or that exceeds the limit */
function checkLength(length: number, packed: number, file: string): number {
  if (length > MAX_UNPACKED_BYTES) {
    throw new DataError(
      `${file}: its header promises ${formatNumber(length)} bytes, more than the limit of ${formatNumber(MAX_UNPACKED_BYTES)}; fetch it again`,
    );
  }
  if (length > MAX_DEFLATE_RATIO * packed) {
    throw new DataError(
      `${file}: its header promises ${formatNumber(length)} bytes, which its ${formatNumber(packed)} packed bytes cannot hold; it is damaged`,
    );
  }
  return length;
}
