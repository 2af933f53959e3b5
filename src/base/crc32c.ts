const tableOf = (polynomial: number) =>
  Uint32Array.from({ length: 256 }, (_, byte) => {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? polynomial : 0);
    return rest;
  });
const CASTAGNOLI = tableOf(0x82f63b78);
const IEEE = tableOf(0xedb88320);

/**
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4) of bytes.
 * @param before CRC of the preceding bytes; default 0, for none
 */
export const crc32c = (bytes: Uint8Array, before = 0): number => remainder(CASTAGNOLI, bytes, before);

/** CRC-32 (IEEE 802.3) of bytes, as zip files have it. */
export const crc32 = (bytes: Uint8Array): number => remainder(IEEE, bytes, 0);

function remainder(table: Uint32Array, bytes: Uint8Array, before: number): number {
  let crc = ~before;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
