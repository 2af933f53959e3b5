import type { PictureForm } from './picture-options.ts';

/** Rectangle of a picture, in pixels. */
interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Pixels of one picture as in `ImageData`: RGBA bytes, rows from the top, colors not multiplied by alpha. */
export interface Rgba {
  width: number;
  height: number;
  data: Uint8Array | Uint8ClampedArray;
}

/** The largest centered rectangle with the aspect ratio of [height, width], in whole pixels, at least 1 x 1. */
function centerBox(picture: { width: number; height: number }, [height, width]: readonly [number, number]): Box {
  const fitSide = (whole: number, other: number, ratio: number) =>
    Math.max(1, Math.min(whole, Math.round(other * ratio)));
  const boxWidth = fitSide(picture.width, picture.height, width / height);
  const boxHeight = fitSide(picture.height, picture.width, height / width);
  return {
    left: Math.floor((picture.width - boxWidth) / 2),
    top: Math.floor((picture.height - boxHeight) / 2),
    width: boxWidth,
    height: boxHeight,
  };
}

/**
 * Writes the pixels of an image to `into`, from `offset` on. Colors are blended with the background by their alpha. Gray is the luma of
 * ITU-R 601 in Pillow's integer arithmetic, which leaves gray pixels unchanged.
 */
export function writeChannels(
  rgba: Uint8Array | Uint8ClampedArray,
  { channels, background }: Pick<PictureForm, 'channels' | 'background'>,
  into: Uint8Array,
  offset: number,
): void {
  if (channels === 4) {
    into.set(rgba, offset);
    return;
  }
  for (let i = 0, to = offset; i < rgba.length; i += 4, to += channels) {
    const alpha = rgba[i + 3]!;
    const blend = (c: number) =>
      alpha === 255 ? rgba[i + c]! : Math.round((alpha * rgba[i + c]! + (255 - alpha) * background[c]!) / 255);
    const [red, green, blue] = [blend(0), blend(1), blend(2)];
    if (channels === 1) {
      into[to] = (19_595 * red + 38_470 * green + 7_471 * blue + 32_768) >> 16;
      continue;
    }
    into[to] = red;
    into[to + 1] = green;
    into[to + 2] = blue;
  }
}

/** The pixels of a line that contribute to one pixel of a resized line, with their weights, which add up to 1. */
interface Taps {
  first: number;
  weights: Float64Array;
}

/**
 * Weights of a triangle filter whose width is two pixels of the coarser line: bilinear interpolation that averages over all pixels if the
 * line gets shorter. Keras calls it `antialias`, Pillow `BILINEAR`. Pixels outside the line have no weight.
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

/** For each pixel of a resized line, the pixel that is nearest to its center. */
const nearestTaps = (length: number, resized: number, offset: number): Taps[] =>
  Array.from({ length: resized }, (_, i) => ({
    first: offset + Math.min(length - 1, Math.floor(((i + 0.5) * length) / resized)),
    weights: Float64Array.of(1),
  }));

/**
 * Resizes a picture to the size of `form`, if it has one. Computed on the host, so the bytes are the same everywhere. Colors are weighted
 * by their alpha, so those of transparent pixels have no effect.
 */
export function fitPicture(
  picture: Rgba,
  form: Pick<PictureForm, 'size' | 'cropToAspectRatio' | 'interpolation'>,
): Rgba {
  const { size, cropToAspectRatio, interpolation } = form;
  const { width, height } = picture;
  if (!size || (height === size[0] && width === size[1])) return picture;
  const box = cropToAspectRatio ? centerBox(picture, size) : { left: 0, top: 0, width, height };
  const taps = interpolation === 'nearest' ? nearestTaps : triangleTaps;
  const lines = resizeRows(picture, box, taps(box.width, size[1], box.left));
  return { height: size[0], width: size[1], data: resizeColumns(lines, size[1], taps(box.height, size[0], 0)) };
}

/** Resizes along the rows: [box.height, columns.length, 4], f32, the colors multiplied by alpha. */
function resizeRows({ data, width }: Rgba, { top, height }: Box, columns: readonly Taps[]): Float32Array {
  const lines = new Float32Array(height * columns.length * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < columns.length; x++) {
      const { first, weights } = columns[x]!;
      let [red, green, blue, alpha] = [0, 0, 0, 0];
      for (let k = 0, from = 4 * ((top + y) * width + first); k < weights.length; k++, from += 4) {
        const share = weights[k]! * data[from + 3]!;
        red += share * data[from]!;
        green += share * data[from + 1]!;
        blue += share * data[from + 2]!;
        alpha += share;
      }
      lines.set([red, green, blue, alpha], 4 * (y * columns.length + x));
    }
  }
  return lines;
}

/** Resizes along the columns: RGBA bytes [rows.length, width, 4]. */
function resizeColumns(lines: Float32Array, width: number, rows: readonly Taps[]): Uint8ClampedArray {
  const resized = new Uint8ClampedArray(rows.length * width * 4); // rounds the numbers written to it
  for (const [y, { first, weights }] of rows.entries()) {
    for (let x = 0; x < width; x++) {
      let [red, green, blue, alpha] = [0, 0, 0, 0];
      for (let k = 0; k < weights.length; k++) {
        const from = 4 * ((first + k) * width + x);
        red += weights[k]! * lines[from]!;
        green += weights[k]! * lines[from + 1]!;
        blue += weights[k]! * lines[from + 2]!;
        alpha += weights[k]! * lines[from + 3]!;
      }
      if (alpha > 0) resized.set([red / alpha, green / alpha, blue / alpha, alpha], 4 * (y * width + x));
    }
  }
  return resized;
}
