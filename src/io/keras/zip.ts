import { DataError, TilegradError } from '../../errors.ts';

/** Bytes that one packed byte can stand for. */
const MOST_A_BYTE = 1032;

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
    return unzipSync(bytes, {
      filter({ name: file, originalSize, size }) {
        if (!Object.hasOwn(wanted, file)) return false;
        const unpacks = `${name}: ${file} would unpack to ${counted(originalSize)} bytes`;
        if (originalSize > wanted[file]!) {
          throw new DataError(`${unpacks}, but at most ${counted(wanted[file]!)} are read`);
        }
        if (originalSize > MOST_A_BYTE * size + 64) {
          throw new DataError(`${unpacks}, which its ${counted(size)} packed bytes cannot hold`);
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
