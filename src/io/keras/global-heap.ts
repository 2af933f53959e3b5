/** How a collection of texts begins: `GCOL`, version 1, three zeros. In weights these eight bytes are next to impossible. */
const START = [0x47, 0x43, 0x4f, 0x4c, 1, 0, 0, 0];
/** Bytes before the first object of a collection, and of the head of each object. */
const HEAD = 16;

/**
 * Whether the HDF5 library comes to an end with the collections of texts ("global heaps") of a file. It goes from object to object by
 * their sizes, and in versions up to 2.0 at least it never ends where one of no bytes stands for the rest of a collection.
 * @see https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, "Disk Format: Level 1E - Global Heap"
 */
export function hasSoundHeaps(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = bytes.indexOf(START[0]!); at >= 0; at = bytes.indexOf(START[0]!, at + 1)) {
    if (START.every((byte, i) => bytes[at + i] === byte) && !isSound(view, at)) return false;
  }
  return true;
}

/** Sizes are of 8 bytes, as in all files of Keras's. */
function isSound(view: DataView, start: number): boolean {
  if (start + HEAD > view.byteLength) return true; // cut short: the library refuses it
  const end = start + sizeAt(view, start + 8);
  if (end > view.byteLength) return true;
  let at = start + HEAD;
  while (at + HEAD <= end) {
    const size = sizeAt(view, at + 8);
    const isFree = view.getUint16(at, true) === 0; // what is left of the collection, its head included
    const length = isFree ? size : HEAD + 8 * Math.ceil(size / 8);
    if (length === 0 || at + length > end) return false;
    at += length;
  }
  return true;
}

const sizeAt = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

/** Whether sizes in the file are of 8 bytes: a field of its head ("superblock"), which is elsewhere from version 2 on. */
export const hasWideSizes = (bytes: Uint8Array): boolean => bytes[(bytes[8] ?? 0) < 2 ? 14 : 10] === 8;
