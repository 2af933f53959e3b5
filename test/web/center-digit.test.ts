import { expect, it } from 'vitest';
import { loadDataset } from '../../src/node.ts';
import { centerDigit } from '../../web/src/page/center-digit.ts';

/** A drawing of `size` x `size` pixels with ink in rectangles [left, top, width, height]. */
function draw(size: number, ...rectangles: [number, number, number, number][]): Uint8Array {
  const ink = new Uint8Array(size * size);
  for (const [left, top, width, height] of rectangles) {
    for (let y = top; y < top + height; y++) ink.fill(255, y * size + left, y * size + left + width);
  }
  return ink;
}

/** Bounding box and center of mass of the pixels that are not 0. */
function measure(image: Uint8Array) {
  const pixels = Array.from(image, (value, i) => ({ value, x: i % 28, y: Math.floor(i / 28) })).filter((p) => p.value);
  const mass = pixels.reduce((sum, { value }) => sum + value, 0);
  const [xs, ys] = [pixels.map(({ x }) => x), pixels.map(({ y }) => y)];
  return {
    width: Math.max(...xs) - Math.min(...xs) + 1,
    height: Math.max(...ys) - Math.min(...ys) + 1,
    x: pixels.reduce((sum, { value, x }) => sum + value * x, 0) / mass,
    y: pixels.reduce((sum, { value, y }) => sum + value * y, 0) / mass,
  };
}

it('centerDigit: does not change images of MNIST', async () => {
  const { images, size } = (await loadDataset('mnist')).test;
  const changed = Array.from({ length: size }, (_, i) => i).filter((i) => {
    const image = images.subarray(i * 784, (i + 1) * 784);
    return !Buffer.from(image).equals(centerDigit(image, 28)!);
  });
  expect(changed).toEqual([]);
});

it('centerDigit: restores an image of MNIST that is drawn ten times as large, elsewhere', async () => {
  const { images } = (await loadDataset('mnist')).test;
  for (let i = 0; i < 20; i++) {
    const image = images.slice(i * 784, (i + 1) * 784);
    const ink = new Uint8Array(400 * 400);
    for (let index = 0; index < 280 * 280; index++) {
      const [x, y] = [index % 280, Math.floor(index / 280)];
      ink[(y + 90) * 400 + x + 15] = image[Math.floor(y / 10) * 28 + Math.floor(x / 10)]!;
    }
    expect(centerDigit(ink, 400), `image ${i}`).toEqual(image);
  }
});

it('centerDigit: scales the longer side to 20 pixels and puts the center of mass at pixel 14', () => {
  for (const [ink, ratio] of [
    [draw(280, [100, 40, 20, 160]), 1 / 8],
    [draw(280, [30, 10, 24, 200], [54, 186, 90, 24]), 114 / 200], // an L: its mass is not in the middle of its box
    [draw(300, [3, 290, 240, 9]), 240 / 9],
    [draw(280, [5, 5, 7, 9]), 7 / 9], // smaller than the image itself
  ] as const) {
    const size = Math.sqrt(ink.length);
    const { width, height, x, y } = measure(centerDigit(ink, size)!);
    expect(Math.max(width, height)).toBe(20);
    expect(Math.min(width, height)).toBe(Math.ceil(20 * Math.min(ratio, 1 / ratio)));
    expect(Math.abs(x - 14)).toBeLessThanOrEqual(0.5);
    expect(Math.abs(y - 14)).toBeLessThanOrEqual(0.5);
  }
});

it('centerDigit: keeps the amount of ink, in units of an image pixel', () => {
  const ink = draw(280, [100, 40, 23, 157], [123, 91, 61, 29]);
  const step = 157 / 20;
  const expected = (255 * (23 * 157 + 61 * 29)) / step ** 2;
  const sum = centerDigit(ink, 280)!.reduce((total, value) => total + value, 0);
  expect(Math.abs(sum / expected - 1)).toBeLessThan(0.002); // each gray is rounded to a byte
});

it('centerDigit: keeps all of a digit whose mass is at one end', () => {
  const ink = draw(280, [10, 10, 100, 100], [110, 10, 160, 4]); // mass far to the left, a thin line to the right
  const { width } = measure(centerDigit(ink, 280)!);
  expect(width).toBe(20);
});

it('centerDigit: returns null if nothing is drawn', () => {
  expect(centerDigit(new Uint8Array(280 * 280), 280)).toBeNull();
});
