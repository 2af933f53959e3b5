import { crc32 } from '../../base/crc32c.ts';
import { DataError, TilegradError } from '../../base/errors.ts';

/** Bytes that one packed byte can stand for. */
const MAX_DEFLATE_RATIO = 1032;

const counted = (n: number): string => n.toLocaleString('en-US');

/**
 * Files of a zip by their names, of those that are wanted and there.
 * @param name the zip's, for messages
 * @param wanted how many bytes each may have
 * @throws DataError for a damaged zip, and for files that are larger
 */
export async function unzip(
  bytes: Uint8Array,
  name: string,
  wanted: Readonly<Record<string, number>>,
): Promise<Record<string, Uint8Array | undefined>> {
  const { unzipSync } = await import('fflate/browser');
  try {
    const files = unzipSync(bytes, {
      filter({ name: file, originalSize, size }) {
        if (!Object.hasOwn(wanted, file)) return false;
        const unpacks = `${name}: ${file} would unpack to ${counted(originalSize)} bytes`;
        if (originalSize > wanted[file]!) {
          throw new DataError(`${unpacks}, but at most ${counted(wanted[file]!)} are read`);
        }
        if (originalSize > MAX_DEFLATE_RATIO * size + 64) {
          throw new DataError(`${unpacks}, which its ${counted(size)} packed bytes cannot hold`);
        }
        return true;
      },
    });
    for (const [file, crc] of checksumsOf(bytes)) {
      const unpacked = Object.hasOwn(files, file) ? files[file] : undefined;
      if (unpacked && crc32(unpacked) !== crc) throw new Error(`${file} is not as it was when it was packed`);
    }
    return files;
  } catch (cause) {
    if (cause instanceof TilegradError) throw cause;
    throw new DataError(
      `${name} is a zip file that is cut short or damaged (${(cause as Error).message}); fetch it again`,
      { cause },
    );
  }
}

/** Checksums by file, as the list at the end of a zip ("central directory") states them; fflate does not look at them. */
function* checksumsOf(bytes: Uint8Array): Generator<[file: string, crc: number]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) return;
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0 && at + 46 <= end; left--) {
    const name = view.getUint16(at + 28, true);
    yield [new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name)), view.getUint32(at + 16, true)];
    at += 46 + name + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
}
