import { crc32 } from '../../base/crc32c.ts';
import { DataError, TilegradError } from '../../base/errors.ts';

/** Maximum number of bytes per packed byte. */
const MAX_DEFLATE_RATIO = 1032;

const formatCount = (n: number): string => n.toLocaleString('en-US');

/**
 * Unpacks the wanted files of a zip that exist in it.
 * @param name name of the zip, for messages
 * @param wanted maximum size in bytes of each wanted file, by name
 * @throws DataError for a damaged zip, and for files above their maximum size
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
        const unpacks = `${name}: ${file} would unpack to ${formatCount(originalSize)} bytes`;
        if (originalSize > wanted[file]!) {
          throw new DataError(`${unpacks}, but at most ${formatCount(wanted[file]!)} are read`);
        }
        if (originalSize > MAX_DEFLATE_RATIO * size + 64) {
          throw new DataError(`${unpacks}, which its ${formatCount(size)} packed bytes cannot hold`);
        }
        return true;
      },
    });
    for (const [file, crc] of checksumsOf(bytes)) {
      const unpacked = Object.hasOwn(files, file) ? files[file] : undefined;
      if (unpacked && crc32(unpacked) !== crc) throw new Error(`${file} does not match its checksum`);
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

/** Checksums by file, as the list at the end of a zip ("central directory") states them; fflate does not check them. */
function* checksumsOf(bytes: Uint8Array): Generator<[file: string, crc: number]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) return;
  let offset = view.getUint32(end + 16, true);
  for (let remaining = view.getUint16(end + 10, true); remaining > 0 && offset + 46 <= end; remaining--) {
    const nameLength = view.getUint16(offset + 28, true);
    yield [
      new TextDecoder().decode(bytes.subarray(offset + 46, offset + 46 + nameLength)),
      view.getUint32(offset + 16, true),
    ];
    offset += 46 + nameLength + view.getUint16(offset + 30, true) + view.getUint16(offset + 32, true);
  }
}
