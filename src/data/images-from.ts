import { checkOptions, formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { emptyLabels } from './check-images.ts';
import { checkPictureOptions, PICTURE_HINTS, PICTURE_OPTIONS, type PictureOptions } from './picture-options.ts';
import { fitPicture, type Rgba, writeChannels } from './pixels.ts';
import type { ImageSet, LabelArray } from './types.ts';

/** A picture for `imagesFrom`: an `ImageData`, an `ImageBitmap` or a canvas. */
export interface PictureSource {
  /** Pixels from left to right. */
  readonly width: number;
  /** Pixels from top to bottom. */
  readonly height: number;
  /** RGBA bytes, as in `ImageData`. If undefined, the picture is drawn on an `OffscreenCanvas` to read its pixels. */
  readonly data?: ArrayLike<number>;
}

/** Options of `imagesFrom`. */
export interface ImagesFromOptions extends PictureOptions {
  /** The class of each picture: its name, or its index from 0. Undefined for images without labels, for `predict`. */
  labels?: readonly (string | number)[];
  /** The classes in the order of their labels. Default: the names in `labels`, sorted. Needed if `labels` are numbers. */
  classNames?: readonly string[];
}

/**
 * Images from pictures of a web page, for an `ImageLoader`. Pictures of another size are resized on the host, with the same bytes in
 * every browser and in Node:
 *
 *     const images = imagesFrom([await createImageBitmap(file)], { size: [32, 32] });
 *     const outputs = await model.predict(new ImageLoader(device, images));
 *
 * @throws ArgumentError for values that are not pictures, and impossible options; DataError for pictures of different sizes without
 *   `size`, labels outside the classes, and a picture whose pixels cannot be read
 */
export function imagesFrom(pictures: readonly PictureSource[], options: ImagesFromOptions = {}): ImageSet {
  const subject = 'imagesFrom';
  const list = readList(subject, pictures) as PictureSource[] | null;
  if (!list) {
    throw new ArgumentError(
      `${subject}: takes a list of pictures, such as [imageData], but was given ${formatValue(pictures)}`,
    );
  }
  if (list.length === 0) throw new DataError(`${subject}: there are no pictures in the list; give at least one`);
  checkOptions(subject, options, { ...PICTURE_OPTIONS, labels: true, classNames: true }, [], PICTURE_HINTS);
  const form = checkPictureOptions(subject, options);
  const { labels, classes } = readLabels(subject, options, list.length);
  const sizes = list.map((picture, i) => tryRead(subject, () => readSize(`${subject}: picture ${i}`, picture)));
  const size = form.size ?? sizes[0]!;
  const mismatch = sizes.findIndex(([height, width]) => !form.size && (height !== size[0] || width !== size[1]));
  if (mismatch >= 0) {
    throw new DataError(
      `${subject}: picture 0 is ${size.join(' x ')} (height x width), but picture ${mismatch} is ${sizes[mismatch]!.join(' x ')}; ` +
        'give size: [height, width] to resize all',
    );
  }
  const length = size[0] * size[1] * form.channels;
  const images = new Uint8Array(list.length * length);
  for (const [i, picture] of list.entries()) {
    const rgba = tryRead(subject, () => readPixels(`${subject}: picture ${i}`, picture, sizes[i]!));
    writeChannels(fitPicture(rgba, form).data, form, images, i * length);
  }
  return { images, labels, size: list.length, shape: [size[0], size[1], form.channels], classes };
}

/** Size of a picture. @throws ArgumentError for a value that is not a picture */
function readSize(subject: string, picture: PictureSource): [height: number, width: number] {
  const { width, height } = picture ?? {};
  const isSide = (side: unknown) => Number.isSafeInteger(side) && (side as number) > 0;
  if (isSide(width) && isSide(height)) return [height, width];
  throw new ArgumentError(
    `${subject} must be an ImageData, an ImageBitmap or a canvas, with a width and a height from 1 up (a closed ImageBitmap has none), but is ` +
      `${formatValue(picture)}; ` +
      'createImageBitmap creates an ImageBitmap from files, elements and frames',
  );
}

/** Pixels of a picture. @throws ArgumentError for data that are not RGBA bytes; DataError if the pixels cannot be read */
function readPixels(subject: string, picture: PictureSource, [height, width]: readonly [number, number]): Rgba {
  const { data } = picture;
  if (data === undefined) return drawPixels(subject, picture, height, width);
  if (!(ArrayBuffer.isView(data) && (data instanceof Uint8ClampedArray || data instanceof Uint8Array))) {
    throw new ArgumentError(`${subject}: data must be RGBA bytes, a Uint8ClampedArray, but is ${formatValue(data)}`);
  }
  if (data.length !== 4 * height * width) {
    throw new ArgumentError(
      `${subject}: ${height} x ${width} pixels need ${4 * height * width} bytes of RGBA, but data has ${data.length}`,
    );
  }
  return { data, height, width };
}

/** The members of an `OffscreenCanvas` that are used: the DOM's types are not available here. */
interface Canvas {
  getContext(
    kind: '2d',
    options: object,
  ): {
    drawImage(picture: unknown, x: number, y: number): void;
    getImageData(x: number, y: number, width: number, height: number): { data: Uint8ClampedArray };
  } | null;
}

/** Draws a picture to read its pixels. */
function drawPixels(subject: string, picture: PictureSource, height: number, width: number): Rgba {
  const { OffscreenCanvas } = globalThis as { OffscreenCanvas?: new (width: number, height: number) => Canvas };
  if (!OffscreenCanvas) {
    throw new DataError(
      `${subject}: only a browser can draw a picture to read its pixels; give { width, height, data } with RGBA bytes`,
    );
  }
  try {
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
    context.drawImage(picture, 0, 0);
    return { data: context.getImageData(0, 0, width, height).data, height, width };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : formatValue(cause);
    throw new DataError(
      `${subject}: its pixels cannot be read (${reason}); give an ImageBitmap that is not closed, and a picture that the page is allowed to read`,
      { cause },
    );
  }
}

/** @throws ArgumentError, DataError */
function readLabels(
  subject: string,
  { labels, classNames }: ImagesFromOptions,
  size: number,
): { labels: LabelArray; classes: string[] } {
  const names = classNames === undefined ? undefined : readList(subject, classNames);
  if (names === null || names?.length === 0 || names?.some((name) => typeof name !== 'string')) {
    throw new ArgumentError(`${subject}: classNames must be a list of strings, but is ${formatValue(classNames)}`);
  }
  if (labels === undefined) {
    if (names)
      throw new ArgumentError(`${subject}: classNames needs labels, the class of each picture; give both or neither`);
    return { labels: new Uint8Array(0), classes: [] };
  }
  const given = readList(subject, labels);
  if (given?.length !== size) {
    throw new ArgumentError(
      `${subject}: labels must be a list with one for each of ${size} pictures, but is ${formatValue(labels)}`,
    );
  }
  const isNamed = given.every((label) => typeof label === 'string');
  if (!isNamed && !given.every((label) => Number.isInteger(label))) {
    throw new ArgumentError(`${subject}: labels must all be names or all be integers, but are ${formatValue(labels)}`);
  }
  if (!isNamed && !names) {
    throw new ArgumentError(
      `${subject}: labels that are numbers need classNames, the names in the order of the numbers`,
    );
  }
  const classes = (names as string[] | undefined) ?? [...new Set(given as string[])].sort();
  const duplicate = classes.find((name, i) => classes.indexOf(name) !== i);
  if (duplicate !== undefined)
    throw new DataError(`${subject}: two classes are called ${formatValue(duplicate)}; give each its own name`);
  const indices = emptyLabels(classes.length, size);
  for (const [i, label] of given.entries()) {
    const index = typeof label === 'string' ? classes.indexOf(label) : (label as number);
    if (index < 0 || index >= classes.length) {
      throw new DataError(
        `${subject}: label ${formatValue(label)} of picture ${i} is not one of the ${classes.length} classes`,
      );
    }
    indices[i] = index;
  }
  return { labels: indices, classes };
}
