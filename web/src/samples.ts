import { DataError, FileError, type ImageSet } from '../../src/index.ts';
import { SETS } from './sets.ts';
import type { DataName } from './settings.ts';

/** Training and test images of the page's sample of a data set. */
export interface Samples {
  train: ImageSet;
  test: ImageSet;
}

/**
 * Fetches the sample of a data set, from files that the build creates from data/sample.
 * @param base address of the folder of `data/`
 * @throws FileError if a file cannot be fetched; DataError if it is not a file of the build
 */
export async function fetchSamples(name: DataName, base: string): Promise<Samples> {
  const [train, test] = await Promise.all(['train', 'test'].map((part) => fetchPart(name, part, base)));
  return { train: train!, test: test! };
}

async function fetchPart(name: DataName, part: string, base: string): Promise<ImageSet> {
  const url = new URL(`data/${name}-${part}.gz`, base).href;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    bytes = await unpack(new Uint8Array(await response.arrayBuffer()));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FileError(
      `${url}: the images cannot be fetched (${reason}); check the connection, and load the page again`,
      {
        cause,
      },
    );
  }
  return imagesOf(name, bytes, url);
}

/** Unpacks gzip data; some hosts serve `.gz` files with a header that makes browsers unpack them already. */
async function unpack(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Reads images. @param bytes all labels, one byte each, then the pixels of all images, NHWC. @throws DataError */
export function imagesOf(name: DataName, bytes: Uint8Array, file: string): ImageSet {
  const { shape, classes } = SETS[name];
  const [height, width, channels] = shape;
  const size = bytes.length / (1 + height * width * channels);
  if (!Number.isInteger(size) || size === 0) {
    throw new DataError(
      `${file}: ${bytes.length} bytes are not a whole number of images with labels; build the page again`,
    );
  }
  return {
    ...{ images: bytes.subarray(size), labels: bytes.slice(0, size), size },
    ...{ shape: [height, width, channels], classes: [...classes] },
  };
}
