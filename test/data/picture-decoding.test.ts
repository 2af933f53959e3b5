import sharp from 'sharp';
import { expect, test } from 'vitest';
import { type ImageFolderOptions, imageFolder } from '../../src/node.ts';
import golden from '../golden/files/pictures.json' with { type: 'json' };
import { chunk, folderOf, png } from './pictures.ts';

/** The pixels of one picture, read from a folder. */
async function decode(name: string, bytes: Uint8Array, options: ImageFolderOptions = {}) {
  const { images, shape } = await imageFolder(folderOf({ [`a/${name}`]: bytes }), options);
  return { shape, pixels: [...images] };
}
const maxDifference = (pixels: readonly number[], expected: ArrayLike<number>) =>
  Math.max(...pixels.map((value, i) => Math.abs(value - expected[i]!)), Math.abs(pixels.length - expected.length));
const fromBase64 = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'));

const rgb = Array.from({ length: 5 * 3 * 3 }, (_, i) => (i * 83) % 256);
const rgba = Array.from({ length: 5 * 3 * 4 }, (_, i) =>
  i % 4 === 3 ? [255, 0, 51, 204][(i >> 2) % 4]! : (i * 83) % 256,
);

test('PNG in RGB: has the bytes that were encoded', async () => {
  expect(await decode('a.png', png(5, 3, 'rgb', rgb))).toEqual({ shape: [3, 5, 3], pixels: rgb });
});

test('PNG in gray: three equal channels, or one', async () => {
  const gray = [0, 1, 127, 128, 254, 255];
  const file = png(3, 2, 'gray', gray);
  expect((await decode('a.png', file)).pixels).toEqual(gray.flatMap((v) => [v, v, v]));
  expect(await decode('a.png', file, { colorMode: 'grayscale' })).toEqual({ shape: [2, 3, 1], pixels: gray });
});

test('PNG of 1 bit, and with a palette', async () => {
  expect(
    (await decode('a.png', png(8, 1, 'gray', [0b10110001], { depth: 1 }), { colorMode: 'grayscale' })).pixels,
  ).toEqual([1, 0, 1, 1, 0, 0, 0, 1].map((bit) => 255 * bit));
  const colors = [255, 0, 0, 0, 200, 7];
  const palette = png(3, 1, 'palette', [1, 0, 1], { more: [chunk('PLTE', Uint8Array.from(colors))] });
  expect((await decode('a.png', palette)).pixels).toEqual([0, 200, 7, 255, 0, 0, 0, 200, 7]);
});

test.each(['gray', 'rgb'] as const)('PNG of 16 bits in %s: takes the upper eight bits', async (kind) => {
  const values = [0, 255, 256, 257, 511, 32767, 32768, 65279, 65280, 65535, 4096, 12345];
  const bytes = values.flatMap((v) => [v >> 8, v & 255]);
  const width = kind === 'rgb' ? 4 : 12;
  const { pixels } = await decode('a.png', png(width, 1, kind, bytes, { depth: 16 }));
  const eight = values.map((v) => v >> 8);
  expect(pixels).toEqual(kind === 'rgb' ? eight : eight.flatMap((v) => [v, v, v]));
});

test('alpha: kept in RGBA, else blended with white or another background', async () => {
  const file = png(5, 3, 'rgba', rgba);
  expect(await decode('a.png', file, { colorMode: 'rgba' })).toEqual({ shape: [3, 5, 4], pixels: rgba });
  for (const background of [undefined, [10, 200, 30] as const]) {
    const backgroundColor = background ?? [255, 255, 255];
    const over = Array.from({ length: 45 }, (_, i) => {
      const [offset, c] = [4 * Math.floor(i / 3), i % 3];
      const alpha = rgba[offset + 3]! / 255;
      return Math.round(alpha * rgba[offset + c]! + (1 - alpha) * backgroundColor[c]!);
    });
    const { pixels } = await decode('a.png', file, background ? { background } : {});
    expect(maxDifference(pixels, over)).toBeLessThanOrEqual(1); // halves may be rounded either way
  }
});

test("gray: is Pillow's luma of the colors", async () => {
  const file = png(5, 7, 'rgb', golden.resize.rgb);
  expect((await decode('a.png', file, { colorMode: 'grayscale' })).pixels).toEqual(golden.resize.luma);
});

test.each(['jpeg', 'progressive'] as const)('JPEG (%s): the same pixels as Pillow', async (kind) => {
  const { file, rgb: expected } = golden[kind];
  const { shape, pixels } = await decode('a.jpg', fromBase64(file));
  expect(shape).toEqual([16, 16, 3]);
  expect(maxDifference(pixels, fromBase64(expected))).toBeLessThanOrEqual(2);
});

test('JPEG in CMYK: white, red, cyan, black', async () => {
  const { pixels, shape } = await decode('a.JPEG', fromBase64(golden.cmyk));
  expect(shape).toEqual([8, 32, 3]);
  const block = (i: number) => pixels.slice(3 * (8 * i + 4), 3 * (8 * i + 4) + 3) as [number, number, number];
  expect(Math.min(...block(0))).toBeGreaterThan(245);
  const [red, green, blue] = block(1);
  expect(red).toBeGreaterThan(180);
  expect(Math.max(green, blue)).toBeLessThan(90);
  const cyan = block(2);
  expect(cyan[0]).toBeLessThan(90);
  expect(Math.min(cyan[1], cyan[2])).toBeGreaterThan(120);
  expect(Math.max(...block(3))).toBeLessThan(70);
});

// EXIF's orientation defines where row 0 and column 0 of the file are displayed. Each entry maps a displayed pixel of h x w to the file's.
const ORIENTATIONS: Record<number, (y: number, x: number, h: number, w: number) => [number, number]> = {
  1: (y, x) => [y, x],
  2: (y, x, _h, w) => [y, w - 1 - x],
  3: (y, x, h, w) => [h - 1 - y, w - 1 - x],
  4: (y, x, h) => [h - 1 - y, x],
  5: (y, x) => [x, y],
  6: (y, x, _h, w) => [w - 1 - x, y],
  7: (y, x, h, w) => [w - 1 - x, h - 1 - y],
  8: (y, x, h) => [x, h - 1 - y],
};

test.each(Object.keys(ORIENTATIONS).map(Number))(
  'EXIF orientation %i is applied, with and without resizing',
  async (orientation) => {
    const [height, width] = [3, 5];
    const file = await sharp(Uint8Array.from(rgb), { raw: { width, height, channels: 3 } })
      .withExif({})
      .withMetadata({ orientation })
      .png()
      .toBuffer();
    expect((await sharp(file).metadata()).orientation).toBe(orientation);
    const [h, w] = orientation > 4 ? [width, height] : [height, width];
    const seen = Array.from({ length: h * w }, (_, i) => {
      const [y, x] = ORIENTATIONS[orientation]!(Math.floor(i / w), i % w, h, w);
      return rgb.slice(3 * (y * width + x), 3 * (y * width + x) + 3);
    }).flat();
    expect(await decode('a.png', file)).toEqual({ shape: [h, w, 3], pixels: seen });
    expect(await decode('a.png', file, { size: [h, w] })).toEqual({ shape: [h, w, 3], pixels: seen });
  },
);

const frames = [Array(12).fill(255), Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 255 : 0))].flat();
const animation = () =>
  sharp(Uint8Array.from(frames), { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } as never });

test.each([
  ['a.gif', () => animation().gif().toBuffer()],
  ['a.webp', () => animation().webp({ lossless: true }).toBuffer()],
])('animation, %s: takes the first picture', async (name, make) => {
  const file = await make();
  expect((await sharp(file).metadata()).pages).toBe(2);
  expect(await decode(name, file)).toEqual({ shape: [2, 2, 3], pixels: frames.slice(0, 12) });
});

test('animated PNG: takes the default picture', async () => {
  const control = Buffer.alloc(8);
  control.writeUInt32BE(1);
  expect((await decode('a.png', png(5, 3, 'rgb', rgb, { more: [chunk('acTL', control)] }))).pixels).toEqual(rgb);
});

test('uses the format of the content, not that of the file extension', async () => {
  expect((await decode('a.jpg', png(5, 3, 'rgb', rgb))).pixels).toEqual(rgb);
});

test.each(golden.resize.to)(
  'bilinear: resizes to $size as Pillow, within rounding',
  async ({ size, rgb: expected }) => {
    const { shape, pixels } = await decode('a.png', png(5, 7, 'rgb', golden.resize.rgb), {
      size: size as [number, number],
    });
    expect(shape).toEqual([...size, 3]);
    expect(maxDifference(pixels, expected)).toBeLessThanOrEqual(1);
  },
);

test('stretches by default, and crops the center with cropToAspectRatio', async () => {
  // Columns red, green, green, blue, all 2 high.
  const columns = [[255, 0, 0], [0, 255, 0], [0, 255, 0], [0, 0, 255]]; // biome-ignore format: as a row
  const file = png(4, 2, 'rgb', [...columns, ...columns].flat());
  const cropped = await decode('a.png', file, { size: 2, cropToAspectRatio: true });
  expect(cropped).toEqual({ shape: [2, 2, 3], pixels: [0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0] });
  const { pixels } = await decode('a.png', file, { size: 2 });
  expect(pixels[0]).toBeGreaterThan(100); // red is in it
  expect(pixels[5]).toBeGreaterThan(100); // and blue
});

test('nearest: takes pixels unchanged', async () => {
  const { pixels } = await decode('a.png', png(2, 1, 'gray', [10, 200]), {
    size: [2, 4],
    interpolation: 'nearest',
    colorMode: 'grayscale',
  });
  expect(pixels).toEqual([10, 10, 200, 200, 10, 10, 200, 200]);
});
