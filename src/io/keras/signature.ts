const HDF5 = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** Whether bytes begin as an HDF5 file does. */
export const isHdf5 = (bytes: Uint8Array): boolean => HDF5.every((byte, i) => bytes[i] === byte);

/** Whether bytes begin as a safetensors file does: with the length of the header in 8 bytes, the lowest first, and a brace. */
export const isSafetensors = (bytes: Uint8Array): boolean =>
  bytes[8] === 0x7b && bytes.subarray(4, 8).every((byte) => byte === 0);

/** Whether bytes begin as a zip file does: with a file, or with the end of an empty list of files. */
export const isZip = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x50 && bytes[1] === 0x4b && ((bytes[2] === 3 && bytes[3] === 4) || (bytes[2] === 5 && bytes[3] === 6));
