import { DataError, TilegradError } from '../../errors.ts';

/** Bytes of a file in a zip that are unpacked at most. */
const MOST_BYTES = 2 ** 30;

/**
 * Files of a zip by their names, those of `names` that are there.
 * @param name the zip's, for messages
 * @throws DataError for a damaged zip, and for files of more than a gibibyte
 */
export async function unzip(
  bytes: Uint8Array,
  name: string,
  names: readonly string[],
): Promise<Record<string, Uint8Array | undefined>> {
  const { unzipSync } = await import('fflate/browser');
  try {
    return unzipSync(bytes, {
      filter({ name: file, originalSize, size }) {
        if (!names.includes(file)) return false;
        // A byte packs 1032 at most: other sizes would only take memory.
        if (originalSize > MOST_BYTES || originalSize > 1032 * size + 64) {
          throw new DataError(
            `${name}: ${file} would unpack to ${originalSize} bytes, more than its ${size} hold or than are read`,
          );
        }
        return true;
      },
    });
  } catch (cause) {
    if (cause instanceof TilegradError) throw cause;
    throw new DataError(
      `${name} is a zip file that is cut short or damaged (${(cause as Error).message}); fetch it again`,
      { cause },
    );
  }
}
