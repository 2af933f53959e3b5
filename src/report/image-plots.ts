import { checkText, formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError, ShapeError } from '../base/errors.ts';
import { imageFromBytes, imageFromFloats, imageFromWeights, weightLimit } from './figures/images.ts';
import type { Figure } from './figures/schema.ts';
import { Plot } from './plot.ts';
import { headingOf, type PlotOptions, plotOptions, readOptions } from './plots.ts';

/** Maximum number of images of one figure; a page with more would be unusable. */
const MAX_PICTURES = 1000;
const MAX_SIDE = 4096;

/** Values on the host, row-major: the result of `loadNpy`, or `{ shape: tensor.shape, data: await tensor.data() }`. */
export interface PlottedArray {
  /** Sizes along the axes. */
  readonly shape: readonly number[];
  /** The values. */
  readonly data: ArrayLike<number>;
}

/** Labeled images, as `loadDataset` and `imageFolder` return them. */
export interface PlottedImages {
  /** NHWC: the pixels of all images, bytes or floats. */
  readonly images: ArrayLike<number>;
  /** One class index for each image. */
  readonly labels?: ArrayLike<number>;
  /** [height, width, channels] of one image. */
  readonly shape: readonly number[];
  /** Class names in label order. */
  readonly classes?: readonly string[];
}

interface GridOptions extends PlotOptions {
  /** Number of images to draw, from the first; default 64. */
  count?: number;
  /** Images in a row; default: as many as fit. */
  columns?: number;
  /** A line below each image; default: the names of the classes, if there are any. */
  captions?: readonly string[];
}

/** Options of `plotImages`. */
export interface PlotImagesOptions extends GridOptions {
  /** The values of black and white; default: 0 and 255 for bytes, 0 and 1 for floats. */
  range?: readonly [number, number];
}

const gridOptions = { ...plotOptions, count: true, columns: true, captions: true } as const;

/**
 * Plots images side by side, each with the name of its class.
 *
 *     const { train } = await loadDataset('cifar10');
 *     await plotImages(train, { count: 25 }).save('images.png');
 *
 * @param images an image set, or an array [images, height, width, channels] or [images, height, width] of bytes or floats
 * @throws ArgumentError, ShapeError for anything else
 */
export function plotImages(images: PlottedImages | PlottedArray, rawOptions: PlotImagesOptions = {}): Plot {
  const options = readOptions('plotImages', rawOptions, { ...gridOptions, range: true });
  const { shape, data, labels } = tryRead('plotImages', () => arrayOf(images));
  const sizes = shapeOf('plotImages', shape);
  if (sizes.length !== 3 && sizes.length !== 4) {
    throw new ShapeError(
      `plotImages: an array of images is [images, height, width, channels], but its shape is ${formatValue(sizes)}`,
    );
  }
  const [size = 0, height = 0, width = 0, channels = 1] = sizes;
  if (channels !== 1 && channels !== 3) {
    throw new ShapeError(
      `plotImages: images have 1 or 3 channels, but the shape is ${formatValue(sizes)}; draw each channel by itself`,
    );
  }
  checkSize('plotImages', sizes, data);
  const isBytes = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  const { range = isBytes ? [0, 255] : [0, 1] } = options;
  if (!Array.isArray(range) || range.length !== 2 || !range.every(Number.isFinite) || range[0]! >= range[1]!) {
    throw new ArgumentError(`plotImages: range must be two numbers, the smaller first, but is ${formatValue(range)}`);
  }
  const length = height * width * channels;
  return gridOf('plotImages', options, size, (i) => {
    const values = Array.prototype.slice.call(data, i * length, (i + 1) * length) as number[];
    const picture = { width, height, channels, caption: labels?.[i] ?? '' };
    return options.range === undefined && isBytes
      ? imageFromBytes(Uint8Array.from(values), picture)
      : imageFromFloats(values, picture, range as [number, number]);
  });
}

/** Returns an array of images, and the names of their classes. */
function arrayOf(images: PlottedImages | PlottedArray): PlottedArray & { labels?: string[] } {
  if (typeof images !== 'object' || images === null) throw invalidImagesError(images);
  if (!('images' in images)) {
    if (!isList(images.data)) throw invalidImagesError(images);
    return images;
  }
  const { images: data, shape, labels, classes } = images;
  if (!isList(data) || !Array.isArray(shape)) throw invalidImagesError(images);
  const imageSize = shape.reduce((product: number, n: number) => product * n, 1);
  const size = imageSize > 0 ? Math.floor(data.length / imageSize) : 0;
  const names = labels === undefined ? undefined : Array.from(labels, (label) => classes?.[label] ?? String(label));
  return { shape: [size, ...shape], data, ...(names ? { labels: names } : {}) };
}

const isList = (value: unknown): value is ArrayLike<number> =>
  (ArrayBuffer.isView(value) && !(value instanceof DataView)) || Array.isArray(value);

const invalidImagesError = (given: unknown) =>
  new ArgumentError(
    `plotImages: takes an image set, or { shape, data } with numbers on the host, but was given ${formatValue(given)}; for a tensor, give { shape: tensor.shape, data: await tensor.data() }`,
  );

/** Options of `plotFilters`. */
export interface PlotFiltersOptions extends GridOptions {
  /** For a dense kernel [inputs, units]: the shape [height, width, channels] of its inputs. */
  inputShape?: readonly number[];
  /** Whether each picture has its own color scale, which shows faint ones; default: false, one scale for all. */
  ownScale?: boolean;
}

/**
 * Plots weights as images, blue below 0, white at 0, red above: one for each filter of a convolution or unit of a dense layer. With several
 * input channels, each has its own image.
 *
 *     const [kernel] = await model.getWeights();
 *     await plotFilters(kernel).save('filters.png');
 *
 * @param kernel [height, width, channels, filters], or [inputs, units] with `inputShape`
 * @throws ArgumentError, ShapeError for anything else
 */
export function plotFilters(kernel: PlottedArray, rawOptions: PlotFiltersOptions = {}): Plot {
  const options = readOptions('plotFilters', rawOptions, { ...gridOptions, inputShape: true, ownScale: true });
  const { data, shape } = tryRead('plotFilters', () => ({ data: kernel?.data, shape: kernel?.shape }));
  if (!isList(data)) {
    throw new ArgumentError(
      `plotFilters: takes { shape, data } with numbers on the host, but was given ${formatValue(kernel)}; for a tensor, give { shape: tensor.shape, data: await tensor.data() }`,
    );
  }
  const sizes = shapeOf('plotFilters', shape);
  const [height, width, channels, filters] = kernelShape(sizes, options.inputShape);
  checkSize('plotFilters', sizes, data);
  const pictures = channels * filters;
  const values = (i: number) => {
    const [filter, channel] = [Math.floor(i / channels), i % channels];
    return Array.from({ length: height * width }, (_, pixel) => data[(pixel * channels + channel) * filters + filter]!);
  };
  const shownCount = Math.min(pictures, countOf('plotFilters', options));
  const limits = Array.from({ length: shownCount }, (_, i) => weightLimit(values(i)));
  const limit = Math.max(...limits);
  const name = (i: number) => {
    const filter = `${sizes.length === 2 ? 'unit' : 'filter'} ${Math.floor(i / channels)}`;
    return channels === 1 ? filter : `${filter}, channel ${i % channels}`;
  };
  return gridOf(
    'plotFilters',
    options,
    pictures,
    (i) => imageFromWeights(values(i), { width, height, caption: name(i) }, options.ownScale ? limits[i]! : limit),
    options.ownScale ? undefined : limit,
  );
}

/** Returns [height, width, channels, filters] of a kernel. @throws ShapeError */
function kernelShape(shape: number[], inputShape: readonly number[] | undefined): [number, number, number, number] {
  if (shape.length === 4) return shape as [number, number, number, number];
  if (shape.length !== 2) {
    throw new ShapeError(
      `plotFilters: a kernel is [height, width, channels, filters] or [inputs, units], but its shape is ${formatValue(shape)}`,
    );
  }
  const [inputs, units] = shape as [number, number];
  const [height = 0, width = 0, channels = 1] =
    inputShape === undefined ? [] : shapeOf('plotFilters: inputShape', inputShape);
  if (height * width * channels !== inputs) {
    throw new ShapeError(
      `plotFilters: a dense kernel of ${formatValue(shape)} needs the shape of its ${inputs} inputs, such as inputShape: [28, 28, 1], but inputShape is ${formatValue(inputShape)}`,
    );
  }
  return [height, width, channels, units];
}

/** Returns a shape as a list. @throws ShapeError unless it is a list of positive integers */
function shapeOf(subject: string, shape: unknown): number[] {
  const sizes = readList(subject, shape);
  if (sizes && sizes.length > 0 && sizes.every((n) => Number.isSafeInteger(n) && (n as number) > 0))
    return sizes as number[];
  throw new ShapeError(`${subject}: a shape is a list of positive integers, but is ${formatValue(shape)}`);
}

function checkSize(subject: string, shape: readonly number[], data: ArrayLike<number>): void {
  const size = shape.reduce((product, n) => product * n, 1);
  if (size === data.length) return;
  throw new ShapeError(`${subject}: shape ${formatValue(shape)} has ${size} values, but data has ${data.length}`);
}

function countOf(subject: string, { count = 64 }: GridOptions): number {
  if (Number.isInteger(count) && count >= 1 && count <= MAX_PICTURES) return count;
  throw new ArgumentError(
    `${subject}: count must be an integer from 1 to ${MAX_PICTURES}, but is ${formatValue(count)}`,
  );
}

type Picture = Extract<Figure, { type: 'images' }>['images'][number];

/** Creates a grid of the first images. */
function gridOf(
  subject: string,
  options: GridOptions,
  size: number,
  picture: (i: number) => Picture,
  limit?: number,
): Plot {
  const { columns, captions, caption } = options;
  const shownCount = Math.min(size, countOf(subject, options));
  if (columns !== undefined && !(Number.isInteger(columns) && columns >= 1)) {
    throw new ArgumentError(`${subject}: columns must be an integer from 1, but is ${formatValue(columns)}`);
  }
  const names = captions === undefined ? undefined : readList(`${subject}: captions`, captions);
  if (names === null || (names && names.length !== shownCount)) {
    throw new ShapeError(
      `${subject}: captions must be a list of ${shownCount} texts, one a picture, but is ${formatValue(captions)}`,
    );
  }
  const images = Array.from({ length: shownCount }, (_, i) => {
    const image = picture(i);
    if (image.width > MAX_SIDE || image.height > MAX_SIDE) {
      throw new ShapeError(
        `${subject}: a picture has at most ${MAX_SIDE} pixels a side, but these are [${image.height},${image.width}]`,
      );
    }
    if (names) checkText(`${subject}: captions`, names[i]);
    return names ? { ...image, caption: names[i] as string } : image;
  });
  const noun = subject === 'plotImages' ? 'images' : 'weights';
  const heading = headingOf(subject, options, noun === 'images' ? 'Images' : 'Weights', noun);
  const countNote = shownCount < size ? [`the first ${shownCount} of ${size}`] : [];
  const figure: Figure = {
    ...{ type: 'images', ...heading, subtitle: [...(heading.subtitle ?? []), ...countNote], images },
    ...(columns === undefined ? {} : { columns }),
    ...(limit === undefined ? {} : { limit }),
  };
  return new Plot(subject, [figure], caption);
}
