import { DataError } from '../base/errors.ts';

/** An array of bytes from an IDX file, the format of MNIST and similar data sets. */
export interface IdxArray {
  /** Sizes of the dimensions; the first is the number of items. */
  dims: number[];
  /** The values in row-major order: a view of the input, not a copy. */
  data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;

/** Bytes of an IDX file's header. @param rank number of dimensions */
export const idxHeaderBytes = (rank: number): number => 4 + 4 * rank;

/**
 * Decodes the header of an IDX file of unsigned bytes.
 * @param bytes the file, or its beginning
 * @returns sizes of the dimensions, and the number of bytes that the whole file must have
 * @throws {DataError} for a wrong magic number, and for fewer bytes than a header has
 */
export function idxHeader(bytes: Uint8Array, file: string, rank: number): { dims: number[]; size: number } {
  if (bytes.length === 0) throw new DataError(`${file} is empty; expected an IDX file`);
  const header = idxHeaderBytes(rank);
  if (bytes.length < 4) {
    throw new DataError(`${file} has ${bytes.length} bytes, an IDX header ${header}; it is cut short`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const expected = (UNSIGNED_BYTE << 8) | rank;
  if (magic !== expected) {
    throw new DataError(
      `${file} has magic number ${hex(magic)}, expected ${hex(expected)} ` +
        `(IDX, unsigned bytes, ${rank} dimension${rank === 1 ? '' : 's'}); it is not ${rank === 1 ? 'a label' : 'an image'} file`,
    );
  }
  if (bytes.length < header) {
    throw new DataError(`${file} has ${bytes.length} bytes, its IDX header alone ${header}; it is cut short`);
  }
  const dims = Array.from({ length: rank }, (_, d) => view.getUint32(4 + 4 * d));
  return { dims, size: header + dims.reduce((product, d) => product * d, 1) };
}

/** @throws {DataError} unless the images of a header are height x width */
export function checkImageSize({ dims }: { dims: readonly number[] }, file: string, height: number, width: number) {
  if (dims[1] === height && dims[2] === width) return;
  throw new DataError(`${file} holds images of ${dims[1]} x ${dims[2]}, expected ${height} x ${width}`);
}

/**
 * Decodes an IDX file of unsigned bytes (unpacked; big-endian header of 4 + 4 * rank bytes, then the values).
 * @param bytes the whole file
 * @param file name for messages
 * @param rank number of dimensions it must have: 3 for images, 1 for labels
 * @throws {DataError} for a wrong magic number, no items, or a length that differs from the header.
 */
export function decodeIdx(bytes: Uint8Array, file: string, rank: number): IdxArray {
  const { dims, size } = idxHeader(bytes, file, rank);
  const header = idxHeaderBytes(rank);
  if (bytes.length !== size) {
    throw new DataError(
      `${file} has ${bytes.length} bytes but its header [${dims.join(', ')}] promises ${size}; ` +
        (bytes.length < size ? 'it is cut short' : 'it has extra bytes, so the header or the file is damaged'),
    );
  }
  if (size === header) throw new DataError(`${file} holds no items: its header is [${dims.join(', ')}]`);
  return { dims, data: bytes.subarray(header) };
}

/**
 * Decodes IDX images.
 * @returns data [n, height, width] (one channel, so also NHWC with C = 1)
 * @throws {DataError} as `decodeIdx`, and if the images are not height x width.
 */
export function decodeIdxImages(bytes: Uint8Array, file: string, height: number, width: number): IdxArray {
  const array = decodeIdx(bytes, file, 3);
  checkImageSize(array, file, height, width);
  return array;
}

/**
 * Decodes IDX labels.
 * @returns data [n], each below `classes`
 * @throws {DataError} as `decodeIdx`, and for a label out of range (with its record, counted from 0).
 */
export function decodeIdxLabels(bytes: Uint8Array, file: string, classes: number): IdxArray {
  const array = decodeIdx(bytes, file, 1);
  const bad = array.data.findIndex((label) => label >= classes);
  if (bad >= 0) {
    throw new DataError(`${file}: record ${bad} has label ${array.data[bad]}; labels are 0 to ${classes - 1}`);
  }
  return array;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
