import { Resvg } from '@resvg/resvg-js';
import { describe, expect, test } from 'vitest';
import { ArgumentError } from '../../src/base/errors.ts';
import { drawFigure } from '../../src/report/draw.ts';
import { imageFromBytes, imageFromFloats, imageFromWeights, weightLimit } from '../../src/report/figures/images.ts';
import { encodePng } from '../../src/report/figures/png.ts';

/** The PNG decoded by another library: red, green and blue bytes of each pixel. */
function decode(png: Buffer, width: number, height: number): number[][] {
  const href = `data:image/png;base64,${png.toString('base64')}`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><image width="${width}" height="${height}" href="${href}"/></svg>`;
  const { pixels } = new Resvg(svg).render();
  return Array.from({ length: width * height }, (_, i) => [...pixels.subarray(4 * i, 4 * i + 3)]);
}

const bytesOf = ({ pixels }: { pixels: string }) => [...Buffer.from(pixels, 'base64')];

test('a PNG written here is read by resvg: gray and color', () => {
  const gray = Uint8Array.of(0, 50, 100, 150, 200, 255);
  expect(decode(encodePng(3, 2, 1, gray), 3, 2)).toEqual([...gray].map((v) => [v, v, v]));
  const color = Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7);
  expect(decode(encodePng(2, 2, 3, color), 2, 2)).toEqual([
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [9, 8, 7],
  ]);
});

describe('pixels', () => {
  const square = { width: 2, height: 2, channels: 1 };

  test('floats go from black to white over the range; values beyond it and NaN are at the ends', () => {
    expect(bytesOf(imageFromFloats([-1, 0, 0.5, 2], square))).toEqual([0, 0, 128, 255]);
    expect(bytesOf(imageFromFloats([-1, 0, 1, Number.NaN], square, [-1, 1]))).toEqual([0, 128, 255, 0]);
  });

  test('weights are blue below 0, white at 0 and red above', () => {
    const [low, zero, high, none] = [0, 3, 6, 9].map((offset) =>
      bytesOf(imageFromWeights([-2, 0, 2, Number.NaN], square, 2)).slice(offset, offset + 3),
    );
    expect(low![2]).toBeGreaterThan(low![0]!);
    expect(zero).toEqual([255, 255, 255]);
    expect(high![0]).toBeGreaterThan(high![2]!);
    expect(none).toEqual([128, 128, 128]);
  });

  test('the limit of weights is their largest magnitude, and never 0', () => {
    expect(weightLimit([0.5, -0.75, Number.NaN])).toBe(0.75);
    expect(weightLimit([0, 0])).toBe(1);
  });

  test('throws for the wrong number of values, and for two channels', () => {
    expect(() => imageFromBytes(new Uint8Array(5), square)).toThrow(/\[2, 2, 1\] has 4 values, but 5/);
    expect(() => imageFromBytes(new Uint8Array(8), { ...square, channels: 2 })).toThrow(ArgumentError);
  });
});

test('a grid has each image with its caption, shortened to two lines', async () => {
  const images = Array.from({ length: 10 }, (_, i) =>
    imageFromBytes(new Uint8Array(784).fill(i), {
      width: 28,
      height: 28,
      channels: 1,
      caption: `label ${i} `.repeat(9),
    }),
  );
  const { svg, narrow, alt } = await drawFigure({ type: 'images', name: 'first', title: 'the first ten', images });
  expect(svg.match(/<image /g)).toHaveLength(10);
  expect(svg.match(/text-anchor="middle"/g)).toHaveLength(20);
  expect(narrow!.match(/<image /g)).toHaveLength(10);
  expect(alt).toContain('10 images: label 0');
});
