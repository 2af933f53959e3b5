import { checkOptions, formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { checkSeed, RandomStream } from '../base/random.ts';
import { sizeOf } from '../kernels/array.ts';
import { checkImageSet, checkLabeled } from './check-images.ts';
import type { ImageSet, LabelArray, PixelArray } from './types.ts';

/** The rows of `width` numbers with the given indices, in that order. */
function pickRows<Rows extends PixelArray | LabelArray>(rows: Rows, indices: ArrayLike<number>, width: number): Rows {
  const picked = emptyLike(rows, indices.length * width);
  for (let i = 0; i < indices.length; i++) {
    const offset = indices[i]! * width;
    picked.set(rows.subarray(offset, offset + width), i * width);
  }
  return picked;
}

/** A new plain typed array: constructor and `slice` of a Buffer behave differently. */
function emptyLike<Rows extends PixelArray | LabelArray>(rows: Rows, length: number): Rows {
  const types = [Uint8ClampedArray, Float32Array, Uint16Array, Uint32Array];
  const type = types.find((type) => rows instanceof type) ?? Uint8Array;
  return new type(length) as Rows;
}

/**
 * The images with the given indices, in that order, with their labels and files.
 * @throws ArgumentError for an index out of range; DataError for an inconsistent set
 */
export function pickImages<Pixels extends PixelArray>(
  set: ImageSet<Pixels>,
  indices: ArrayLike<number>,
): ImageSet<Pixels> {
  const { images, labels, size, shape, classes, files } = checkImageSet('pickImages', set);
  const length = typeof indices === 'object' ? tryRead('pickImages', () => indices?.length) : undefined;
  if (!Number.isInteger(length) || length! < 0) {
    throw new ArgumentError(`pickImages: takes a list of image numbers, but was given ${formatValue(indices)}`);
  }
  // Checked one by one without a copy: an object that only looks like a list may have any length.
  tryRead('pickImages', () => {
    for (let k = 0; k < indices.length; k++) {
      const i = indices[k]!;
      if (Number.isInteger(i) && i >= 0 && i < size) continue;
      throw new ArgumentError(
        `pickImages: indices must be integers from 0 to ${size - 1}, but index ${k} is ${formatValue(i)}`,
      );
    }
  });
  return {
    ...tryRead('pickImages', () => ({ ...set })),
    ...{ shape, classes },
    images: pickRows(images, indices, sizeOf(shape)),
    labels: classes.length > 0 ? pickRows(labels, indices, 1) : labels,
    size: indices.length,
    ...(files ? { files: Array.from(indices, (i) => files[i]!) } : {}),
  };
}

/** The first `count` images with their labels. @throws ArgumentError if there are fewer; DataError for an inconsistent set */
export function firstImages<Pixels extends PixelArray>(set: ImageSet<Pixels>, count: number): ImageSet<Pixels> {
  checkImageSet('firstImages', set);
  if (!Number.isInteger(count) || count < 1 || count > set.size) {
    throw new ArgumentError(
      `firstImages: count must be from 1 to ${set.size}, the images there are, but is ${formatValue(count)}`,
    );
  }
  return pickImages(
    set,
    Array.from({ length: count }, (_, i) => i),
  );
}

/**
 * The images of the given classes, which are names or indices. Labels and class names are renumbered 0, 1, ... in the given order.
 * @throws ArgumentError for an unknown class, or a class given twice; DataError for a class without images, or an inconsistent set
 */
export function chooseClasses<Pixels extends PixelArray>(
  set: ImageSet<Pixels>,
  classes: readonly (string | number)[],
): ImageSet<Pixels> {
  checkLabeled('chooseClasses', checkImageSet('chooseClasses', set));
  const wantedClasses = readList('chooseClasses', classes) as (string | number)[] | null;
  if (!wantedClasses || wantedClasses.length === 0) {
    throw new ArgumentError(`chooseClasses: takes a list of classes, but was given ${formatValue(classes)}`);
  }
  const oldLabels = wantedClasses.map((wanted) => {
    const label = typeof wanted === 'number' ? wanted : set.classes.indexOf(wanted);
    if (Number.isInteger(label) && label >= 0 && label < set.classes.length) return label;
    throw new ArgumentError(
      `chooseClasses: there is no class ${formatValue(wanted)}; there are ${set.classes.join(', ')}`,
    );
  });
  const duplicate = oldLabels.find((label, i) => oldLabels.indexOf(label) !== i);
  if (duplicate !== undefined)
    throw new ArgumentError(`chooseClasses: class ${set.classes[duplicate]} was given twice`);
  const indices = Array.from({ length: set.size }, (_, i) => i).filter((i) => oldLabels.includes(set.labels[i]!));
  const chosen = pickImages(set, indices);
  const labels = chosen.labels.map((label) => oldLabels.indexOf(label));
  const emptyClass = oldLabels.findIndex((_, label) => !labels.includes(label));
  if (emptyClass >= 0)
    throw new DataError(`chooseClasses: the data has no image of class ${set.classes[oldLabels[emptyClass]!]}`);
  return { ...chosen, labels, classes: oldLabels.map((label) => set.classes[label]!) };
}

/**
 * `count` images of each class. With a seed, they are drawn and ordered at random; without one, they are the first images in stored order.
 * @param options.seed an integer from 0 up; the same seed draws the same images everywhere. Default: the first images
 * @throws ArgumentError; DataError for a class with fewer images, or an inconsistent set
 */
export function choosePerClass<Pixels extends PixelArray>(
  set: ImageSet<Pixels>,
  count: number,
  options: { seed?: number } = {},
): ImageSet<Pixels> {
  checkLabeled('choosePerClass', checkImageSet('choosePerClass', set));
  checkOptions('choosePerClass', options, { seed: true });
  if (options.seed !== undefined) checkSeed(options.seed, 'choosePerClass');
  if (!Number.isInteger(count) || count < 1) {
    throw new ArgumentError(`choosePerClass: count must be a positive integer, but is ${formatValue(count)}`);
  }
  const taken = set.classes.map(() => 0);
  const order =
    options.seed === undefined
      ? Array.from({ length: set.size }, (_, i) => i)
      : Array.from(new RandomStream(options.seed, 'split', 0).permutation(set.size));
  const indices = order.filter((i) => taken[set.labels[i]!]!++ < count);
  const tooSmall = taken.findIndex((available) => available < count);
  if (tooSmall >= 0) {
    throw new DataError(
      `choosePerClass: class ${set.classes[tooSmall]} has ${taken[tooSmall]} images, fewer than count, ${count}`,
    );
  }
  return pickImages(set, indices);
}
