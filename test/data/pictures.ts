import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { tempDir } from './helpers.ts';

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** CRC-32 from the PNG specification, annex D. */
const crc32 = (bytes: Uint8Array) =>
  (bytes.reduce((crc, byte) => crcTable[(crc ^ byte) & 255]! ^ (crc >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;

export function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  crc.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, crc]);
}

export const PNG = { gray: 0, rgb: 2, palette: 3, grayAlpha: 4, rgba: 6 } as const;
const SAMPLES = { gray: 1, rgb: 3, palette: 1, grayAlpha: 2, rgba: 4 } as const;

/** The bytes of a PNG file, written from the specification and not by a decoder's library. `data` holds the rows without filter bytes. */
export function png(
  width: number,
  height: number,
  kind: keyof typeof PNG,
  data: ArrayLike<number>,
  { depth = 8, more = [] as Buffer[], claims = [width, height] as [number, number] } = {},
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(claims[0], 0);
  header.writeUInt32BE(claims[1], 4);
  header.set([depth, PNG[kind]], 8);
  const row = Math.ceil((width * SAMPLES[kind] * depth) / 8);
  const rows = Buffer.alloc(height * (row + 1));
  for (let y = 0; y < height; y++) {
    rows.set(
      Array.from({ length: row }, (_, i) => data[y * row + i]!),
      y * (row + 1) + 1,
    ); // filter 0
  }
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    ...more,
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A PNG of one color. */
export const solidPng = (color: readonly [number, number, number], width = 4, height = 4): Buffer =>
  png(
    width,
    height,
    'rgb',
    Array.from({ length: 3 * width * height }, (_, i) => color[i % 3]!),
  );

/** A folder with these files, whose names may contain folders; a value of null creates a folder. */
export function folderOf(files: Record<string, Uint8Array | string | null>): string {
  const dir = tempDir();
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name);
    mkdirSync(content === null ? path : dirname(path), { recursive: true });
    if (content !== null) writeFileSync(path, content);
  }
  return dir;
}
