import { keyOf, PURPOSES, philox } from '../../src/base/random.ts';
import { type NdArray, ndarray } from './ndarray.ts';

/** What determines the numbers of an image: the seed of its replica, the layer's index, the step and the index in the batch. */
export interface ImageDraw {
  seed: number;
  layer: number;
  step: number;
  image: number;
  /** Whether `layer` is the layer's `seed` option. */
  hasOwnSeed?: boolean;
}

/** The four random words of an image; the second four decide whether it is erased. */
export function randomWords({ seed, layer, step, image, hasOwnSeed = false }: ImageDraw, block = 0): number[] {
  return philox([image + block * 2 ** 31, layer, PURPOSES.augmentation + (hasOwnSeed ? 256 : 0), step], keyOf(seed));
}

/** Maps a random word to low .. high. */
export const uniformIn = (word: number, [low, high]: readonly [number, number]): number =>
  low + (word / 2 ** 32) * (high - low);

/** Source of an output pixel: [row, column] in the input for [row, column] in the output. */
export type SourceOf = (row: number, column: number) => [row: number, column: number];

/** Keras's maps for an image of height h and width w, relative to the center. */
export const maps = {
  flip:
    (h: number, w: number, vertical: boolean, horizontal: boolean): SourceOf =>
    (row, column) => [vertical ? h - 1 - row : row, horizontal ? w - 1 - column : column],
  /** Shift by pixels, down and to the right. */
  shift:
    (down: number, right: number): SourceOf =>
    (row, column) => [row - down, column - right],
  /** Rotation by an angle in radians, counterclockwise as displayed (rows go down). */
  rotation(h: number, w: number, angle: number): SourceOf {
    const [middleRow, middleColumn] = [(h - 1) / 2, (w - 1) / 2];
    return (row, column) => {
      const [up, right] = [middleRow - row, column - middleColumn];
      // The source of a point is the point rotated by minus the angle.
      const radius = Math.hypot(up, right);
      const before = Math.atan2(up, right) - angle;
      return [middleRow - radius * Math.sin(before), middleColumn + radius * Math.cos(before)];
    };
  },
  zoom:
    (h: number, w: number, rows: number, columns: number): SourceOf =>
    (row, column) => [(h - 1) / 2 + rows * (row - (h - 1) / 2), (w - 1) / 2 + columns * (column - (w - 1) / 2)],
};

export type Fill = 'constant' | 'nearest' | 'reflect' | 'wrap';

/** The pixel at index i of an axis that is extended beyond its ends by `fillMode`; null for the fill value. */
function extendedIndex(i: number, size: number, fill: Fill): number | null {
  const axis = Array.from({ length: size }, (_, k) => k);
  if (fill === 'constant') return axis[i] ?? null;
  if (fill === 'nearest') return axis.at(i < 0 ? 0 : Math.min(i, size - 1))!;
  const period = fill === 'wrap' ? axis : [...axis, ...axis.toReversed()];
  const turns = Math.floor(i / period.length);
  return period[i - turns * period.length]!;
}

/** Inputs of an output pixel: pixels of the image by [row, column], null for the fill value, and their weights. */
export function tapsAt(
  [row, column]: readonly [number, number],
  h: number,
  w: number,
  { fill, nearest }: { fill: Fill; nearest: boolean },
): { pixel: [number, number] | null; weight: number }[] {
  const axis = (position: number, size: number) => {
    const first = nearest ? Math.floor(position + 0.5) : Math.floor(position);
    const part = nearest ? 0 : position - first;
    return [0, 1]
      .map((k) => ({ index: extendedIndex(first + k, size, fill), weight: k === 0 ? 1 - part : part }))
      .filter(({ weight }) => weight > 0);
  };
  return axis(row, h).flatMap((down) =>
    axis(column, w).map((across) => ({
      pixel: down.index === null || across.index === null ? null : ([down.index, across.index] as [number, number]),
      weight: down.weight * across.weight,
    })),
  );
}

export interface Sampled {
  fill: Fill;
  nearest: boolean;
  fillValue?: number;
}

/** Images x [N,H,W,C] with one map each -> y [N,height,width,C], and the gradient of x for a gradient of y. */
export function sampleImages(
  x: NdArray,
  dy: NdArray | null,
  [height, width]: readonly [number, number],
  placeOf: (image: number) => SourceOf,
  { fill, nearest, fillValue = 0 }: Sampled,
): { y: NdArray; dx: NdArray } {
  const [batch = 0, h = 0, w = 0, channels = 0] = x.shape;
  const y = ndarray([batch, height, width, channels]);
  const dx = ndarray(x.shape);
  for (let n = 0; n < batch; n++) {
    const place = placeOf(n);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        for (const { pixel, weight } of tapsAt(place(row, column), h, w, { fill, nearest })) {
          for (let c = 0; c < channels; c++) {
            const to = ((n * height + row) * width + column) * channels + c;
            const from = pixel && ((n * h + pixel[0]) * w + pixel[1]) * channels + c;
            y.data[to]! += weight * (from === null ? fillValue : x.data[from]!);
            if (from !== null && dy) dx.data[from]! += weight * dy.data[to]!;
          }
        }
      }
    }
  }
  return { y, dx };
}

/** (x - mean) f + mean of one channel of one image, clipped, and the gradient. */
export function contrastOf(
  x: readonly number[],
  dy: readonly number[],
  f: number,
  [low, high]: readonly [number, number],
): { y: number[]; dx: number[] } {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const z = x.map((value) => mean + f * (value - mean));
  const g = dy.map((value, i) => (z[i]! < low || z[i]! > high ? 0 : value));
  // d z[j] / d x[i] = f (i = j) + (1 - f) / n
  const dx = x.map((_, i) => g.reduce((sum, value, j) => sum + value * ((1 - f) / x.length + (i === j ? f : 0)), 0));
  return { y: z.map((value) => Math.min(Math.max(value, low), high)), dx };
}

/** The erased rectangle of an image, as in Keras: begin and end of rows and columns; null if nothing is erased. */
export function rectangleOf(
  draw: ImageDraw,
  h: number,
  w: number,
  scale: readonly [number, number],
  factor: readonly [number, number],
): { rows: [number, number]; columns: [number, number] } | null {
  const [width, height, left, top] = randomWords(draw) as [number, number, number, number];
  const [probability, chance] = randomWords(draw, 1) as [number, number];
  if (chance / 2 ** 32 >= uniformIn(probability, factor)) return null;
  const side = (size: number, share: number, begin: number): [number, number] => {
    const length = size * Math.sqrt(uniformIn(share, scale));
    const first = (begin / 2 ** 32) * (size - length);
    return [first, first + length];
  };
  return { rows: side(h, height, top), columns: side(w, width, left) };
}
