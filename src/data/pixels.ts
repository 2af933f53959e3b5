import type { PictureForm } from './picture-options.ts';

/** Part of a picture, in its pixels. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Pixels of one picture: RGBA bytes, rows from the top, colors not multiplied by alpha; as `ImageData` has them. */
export interface Rgba {
  width: number;
  height: number;
  data: Uint8Array | Uint8ClampedArray;
}

/** The largest part, in the middle, that has the aspect ratio of [height, width]: whole pixels, at least one. */
export function centerBox(picture: { width: number; height: number }, [height, width]: readonly [number, number]): Box {
  const fitted = (whole: number, other: number, ratio: number) =>
    Math.max(1, Math.min(whole, Math.round(other * ratio)));
  const boxWidth = fitted(picture.width, picture.height, width / height);
  const boxHeight = fitted(picture.height, picture.width, height / width);
  return {
    left: Math.floor((picture.width - boxWidth) / 2),
    top: Math.floor((picture.height - boxHeight) / 2),
    width: boxWidth,
    height: boxHeight,
  };
}

/**
 * Writes the pixels of an image from `at` on. Colors are laid over the background by their alpha; gray is the luma of ITU-R 601, in
 * the integers that Pillow calculates with, so that a gray pixel stays as it is.
 */
export function writeChannels(
  rgba: Uint8Array | Uint8ClampedArray,
  { channels, background }: Pick<PictureForm, 'channels' | 'background'>,
  into: Uint8Array,
  at: number,
): void {
  if (channels === 4) {
    into.set(rgba, at);
    return;
  }
  for (let i = 0, to = at; i < rgba.length; i += 4, to += channels) {
    const alpha = rgba[i + 3]!;
    const over = (c: number) =>
      alpha === 255 ? rgba[i + c]! : Math.round((alpha * rgba[i + c]! + (255 - alpha) * background[c]!) / 255);
    const [red, green, blue] = [over(0), over(1), over(2)];
    if (channels === 1) {
      into[to] = (19_595 * red + 38_470 * green + 7_471 * blue + 32_768) >> 16;
      continue;
    }
    into[to] = red;
    into[to + 1] = green;
    into[to + 2] = blue;
  }
}

/** The pixels of a line that make one of a resized line, and how much each counts; the weights add up to 1. */
interface Taps {
  first: number;
  weights: Float64Array;
}

/**
 * Weights of a triangle filter, as wide as two pixels of the coarser line: bilinear interpolation that takes all pixels into
 * account where it makes a line shorter. Keras calls it `antialias`, Pillow `BILINEAR`. Nothing outside the line counts.
 */
function triangleTaps(length: number, resized: number, offset: number): Taps[] {
  const step = length / resized;
  const support = Math.max(1, step);
  return Array.from({ length: resized }, (_, i) => {
    const center = (i + 0.5) * step;
    const first = Math.max(0, Math.floor(center - support + 0.5));
    const end = Math.min(length, Math.floor(center + support + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, k) =>
      Math.max(0, 1 - Math.abs(first + k + 0.5 - center) / support),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first: offset + first, weights: weights.map((weight) => weight / sum) };
  });
}

/**
 * A part of a picture in another size, RGBA bytes; bilinear (see `triangleTaps`). Colors count by their alpha, so that those of
 * transparent pixels do not shine through. Calculated on the host in float64: the same bytes everywhere.
 */
export function resizeRgba(
  { data, width }: Rgba,
  box: Box,
  [height, wide]: readonly [number, number],
): Uint8ClampedArray {
  const columns = triangleTaps(box.width, wide, box.left);
  const rows = triangleTaps(box.height, height, 0);
  // Along the rows first: [box.height, wide, 4], colors multiplied by alpha.
  const lines = new Float32Array(box.height * wide * 4);
  for (let y = 0; y < box.height; y++) {
    for (const [x, { first, weights }] of columns.entries()) {
      const to = 4 * (y * wide + x);
      for (let k = 0; k < weights.length; k++) {
        const from = 4 * ((box.top + y) * width + first + k);
        const share = weights[k]! * data[from + 3]!;
        for (let c = 0; c < 3; c++) lines[to + c]! += share * data[from + c]!;
        lines[to + 3]! += share;
      }
    }
  }
  const resized = new Uint8ClampedArray(height * wide * 4); // rounds what is written to it
  for (const [y, { first, weights }] of rows.entries()) {
    for (let x = 0; x < wide; x++) {
      const sums = [0, 0, 0, 0];
      for (let k = 0; k < weights.length; k++) {
        const from = 4 * ((first + k) * wide + x);
        for (let c = 0; c < 4; c++) sums[c]! += weights[k]! * lines[from + c]!;
      }
      const to = 4 * (y * wide + x);
      for (let c = 0; c < 3; c++) resized[to + c] = sums[3]! > 0 ? sums[c]! / sums[3]! : 0;
      resized[to + 3] = sums[3]!;
    }
  }
  return resized;
}
