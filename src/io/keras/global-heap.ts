/** First bytes of a collection of texts: `GCOL`, version 1, three zeros. Weights almost never contain these eight bytes. */
const START = [0x47, 0x43, 0x4f, 0x4c, 1, 0, 0, 0];
/** Size in bytes of the header of a collection and of each object. */
const HEADER_SIZE = 16;

/**
 * Whether the HDF5 library can read the collections of texts ("global heaps") of a file without an endless loop. It steps from object to
 * object by their sizes. In versions up to at least 2.0, it never ends if an object of 0 bytes stands for the rest of a collection.
 * @see https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, "Disk Format: Level 1E - Global Heap"
 */
export function hasValidHeaps(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = bytes.indexOf(START[0]!); offset >= 0; offset = bytes.indexOf(START[0]!, offset + 1)) {
    if (START.every((byte, i) => bytes[offset + i] === byte) && !isValidHeap(view, offset)) return false;
  }
  return true;
}

/** Whether one collection is valid. Sizes have 8 bytes, as in all of Keras's files. */
function isValidHeap(view: DataView, start: number): boolean {
  if (start + HEADER_SIZE > view.byteLength) return true; // cut short: the library refuses it
  const end = start + sizeAt(view, start + 8);
  if (end > view.byteLength) return true;
  let offset = start + HEADER_SIZE;
  while (offset + HEADER_SIZE <= end) {
    const size = sizeAt(view, offset + 8);
    const isFree = view.getUint16(offset, true) === 0; // the free rest of the collection, its header included
    const length = isFree ? size : HEADER_SIZE + 8 * Math.ceil(size / 8);
    if (length === 0 || offset + length > end) return false;
    offset += length;
  }
  return true;
}

const sizeAt = (view: DataView, offset: number): number => Number(view.getBigUint64(offset, true));

/** Whether sizes in the file have 8 bytes, by a field of its superblock. Version 2 moved that field. */
export const hasWideSizes = (bytes: Uint8Array): boolean => bytes[(bytes[8] ?? 0) < 2 ? 14 : 10] === 8;
