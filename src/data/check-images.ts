import { formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { sizeOf } from '../kernels/array.ts';
import type { ImageSet, LabelArray, PixelArray } from './types.ts';

/**
 * Checks every field of a set of images before its counts are used: a wrong count would read past the bytes or fill the memory.
 * @param subject name of the operation, for messages
 * @returns the set with copies of its lists, so later changes have no effect; pixels and labels are not copied
 * @throws ArgumentError if the value is not a set of images or fields have other types; DataError for counts that contradict each other,
 *   labels outside the classes, and two classes with the same name
 */
export function checkImageSet<Pixels extends PixelArray>(subject: string, set: ImageSet<Pixels>): ImageSet<Pixels> {
  const checked = tryRead(subject, () => readFields(subject, set));
  const { images, labels, size, shape, classes, files } = checked;
  const pixels = size * sizeOf(shape);
  const wanted = classes.length === 0 ? 0 : size;
  if (images.length !== pixels || labels.length !== wanted) {
    throw new DataError(
      `${subject}: ${size} images of ${shape.join('x')} need ${pixels} ${isFloats(images) ? 'numbers' : 'bytes'} and ` +
        `${wanted} labels, but there are ${images.length} and ${labels.length}`,
    );
  }
  if (files && files.length !== size) {
    throw new DataError(`${subject}: ${size} images need as many files, but there are ${files.length}`);
  }
  const bad = labels.findIndex((label) => label >= classes.length);
  if (bad >= 0) {
    throw new DataError(
      `${subject}: label ${labels[bad]} of image ${bad} is not below the number of classes, ${classes.length}`,
    );
  }
  const duplicate = classes.find((name, i) => classes.indexOf(name) !== i);
  if (duplicate !== undefined)
    throw new DataError(`${subject}: two classes are called ${formatValue(duplicate)}; give each its own name`);
  return checked;
}

export const isFloats = (images: PixelArray): images is Float32Array => images instanceof Float32Array;

/** Real typed arrays only: a Proxy of one, or an object that only inherits from one, has no memory to read. */
const isArrayOf = (value: unknown, ...types: (abstract new (...of: never[]) => object)[]): boolean =>
  ArrayBuffer.isView(value) && types.some((type) => value instanceof type);

function readFields<Pixels extends PixelArray>(subject: string, set: ImageSet<Pixels>): ImageSet<Pixels> {
  const refuse = (field: string, rule: string, value: unknown): never => {
    throw new ArgumentError(`${subject}: ${field} must be ${rule}, but is ${formatValue(value)}`);
  };
  if (typeof set !== 'object' || set === null || !('images' in set)) {
    const half = typeof set === 'object' && set !== null && 'train' in set ? '; give its train or its test part' : '';
    throw new ArgumentError(
      `${subject}: takes a set of images, { images, labels, size, shape, classes }, but was given ${formatValue(set)}${half}`,
    );
  }
  const { images, labels, size, shape, classes, files } = set;
  if (!isArrayOf(images, Uint8Array, Uint8ClampedArray, Float32Array)) {
    const floats = ArrayBuffer.isView(images) && !(images instanceof DataView) ? 'Float32Array.from(images)' : null;
    const how = floats ? `; ${floats} converts them to floats, which are not scaled by default` : '';
    refuse('images', `a Uint8Array of bytes from 0 to 255 or a Float32Array of numbers of any scale${how}`, images);
  }
  if (!isArrayOf(labels, Uint8Array, Uint16Array, Uint32Array)) {
    const named = Array.isArray(labels) && typeof labels[0] === 'string'; // Uint8Array.from would make zeros of them
    const how = named ? 'labels.map((label) => classes.indexOf(label))' : 'list';
    refuse('labels', `a Uint8Array, as Uint8Array.from(${how}) makes it (Uint16Array from 257 classes on)`, labels);
  }
  const sizes = readList(subject, shape);
  if (sizes?.length !== 3 || !sizes.every((n) => Number.isSafeInteger(n) && (n as number) > 0)) {
    refuse('shape', '[height, width, channels] of one image', shape);
  }
  if (!Number.isSafeInteger(size) || size < 0) refuse('size', 'the number of images', size);
  const names = readList(subject, classes);
  const unlabeled = names?.length === 0 && labels.length === 0;
  if (!unlabeled && (!names?.length || !names.every((name) => typeof name === 'string'))) {
    refuse('classes', 'the names of the classes, a list of strings', classes);
  }
  const paths = files === undefined ? undefined : readList(subject, files);
  if (paths === null || paths?.some((path) => typeof path !== 'string')) {
    refuse('files', 'left out or the file of each image, a list of strings', files);
  }
  return {
    ...{ images, labels, size },
    shape: sizes as [number, number, number],
    classes: names as string[],
    ...(paths ? { files: paths as string[] } : {}),
  };
}

/** @throws DataError if the images have no labels, which `subject` needs */
export function checkLabeled(subject: string, { classes, size }: ImageSet<PixelArray>): void {
  if (classes.length > 0) return;
  throw new DataError(`${subject}: needs the labels of images, but these ${size} images have none`);
}

/** A new array for labels, of the narrowest type for that number of classes. */
export function emptyLabels(classes: number, size: number): LabelArray {
  if (classes <= 2 ** 8) return new Uint8Array(size);
  return classes <= 2 ** 16 ? new Uint16Array(size) : new Uint32Array(size);
}
