import { DataError } from '../base/errors.ts';

const SIDE = 32;
const PLANE = SIDE * SIDE;
const CHANNELS = 3;
const CLASSES = 10;

/** Bytes of one image: 32 * 32 * 3. */
export const CIFAR10_IMAGE_BYTES = PLANE * CHANNELS;
/** Bytes of one record: a label byte, then a red, a green and a blue plane of 32 x 32. */
export const CIFAR10_RECORD_BYTES = 1 + CIFAR10_IMAGE_BYTES;

/** Images and labels in host memory, `images` in NHWC. */
export interface ImageBytes {
  images: Uint8Array;
  labels: Uint8Array;
}

/**
 * Number of records in a batch file of `byteLength` bytes.
 * @throws {DataError} naming `file` if it is empty or not a whole number of records.
 */
export function countCifar10Records(byteLength: number, file: string): number {
  if (byteLength === 0) throw new DataError(`${file} is empty; a CIFAR-10 batch has 3073 bytes an image`);
  if (byteLength % CIFAR10_RECORD_BYTES !== 0) {
    const whole = Math.floor(byteLength / CIFAR10_RECORD_BYTES);
    throw new DataError(
      `${file} has ${byteLength} bytes, which is not a whole number of 3073-byte CIFAR-10 records ` +
        `(expected ${whole * CIFAR10_RECORD_BYTES} for ${whole} or ${(whole + 1) * CIFAR10_RECORD_BYTES} for ${whole + 1}); ` +
        'it is cut short or not a binary CIFAR-10 batch',
    );
  }
  return byteLength / CIFAR10_RECORD_BYTES;
}

/**
 * Decodes one batch of the official binary layout. The file holds color planes (CHW); the result is NHWC.
 * @param bytes the whole file, n records of 3073 bytes; any n >= 1
 * @param file name for messages
 * @param into arrays to decode into, from image `firstImage` on; default: new arrays
 * @returns images [n, 32, 32, 3] and labels [n]
 * @throws {DataError} if `bytes` is not a whole number of records, or a label is above 9 (with its record, counted from 0).
 */
export function decodeCifar10(bytes: Uint8Array, file: string, into?: ImageBytes, firstImage = 0): ImageBytes {
  const n = countCifar10Records(bytes.length, file);
  const { images, labels } = into ?? {
    images: new Uint8Array(n * CIFAR10_IMAGE_BYTES),
    labels: new Uint8Array(n),
  };
  for (let i = 0; i < n; i++) {
    const record = i * CIFAR10_RECORD_BYTES;
    const label = bytes[record]!;
    if (label >= CLASSES) throw new DataError(`${file}: record ${i} has label ${label}; CIFAR-10 labels are 0 to 9`);
    labels[firstImage + i] = label;
    const red = record + 1;
    let out = (firstImage + i) * CIFAR10_IMAGE_BYTES;
    for (let p = red; p < red + PLANE; p++) {
      images[out++] = bytes[p]!;
      images[out++] = bytes[p + PLANE]!;
      images[out++] = bytes[p + 2 * PLANE]!;
    }
  }
  return { images, labels };
}
