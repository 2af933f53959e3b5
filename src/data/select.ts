import { checkOptions, formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { checkSeed, RandomStream } from '../base/random.ts';
import { sizeOf } from '../kernels/array.ts';
import { checkImageSet, checkLabeled } from './check-images.ts';
import type { ImageSet, LabelArray, PixelArray } from './types.ts';

/** Rows of `width` numbers each, those that `indices` name, in that order. */
function pickRows<Rows extends PixelArray | LabelArray>(rows: Rows, indices: ArrayLike<number>, width: number): Rows {
  const picked = emptyLike(rows, indices.length * width);
  for (let i = 0; i < indices.length; i++) {
    const offset = indices[i]! * width;
    picked.set(rows.subarray(offset, offset + width), i * width);
  }
  return picked;
}

/** A plain array: a Buffer's own constructor, and its `slice`, do other things. */
function emptyLike<Rows extends PixelArray | LabelArray>(rows: Rows, length: number): Rows {
  const types = [Uint8ClampedArray, Float32Array, Uint16Array, Uint32Array];
  const type = types.find((type) => rows instanceof type) ?? Uint8Array;
  return new type(length) as Rows;
}

/** The images that `indices` name, in that order, with their labels and files. @throws ArgumentError for an image there is not; DataError */
export function pickImages<Pixels extends PixelArray>(
  set: ImageSet<Pixels>,
  indices: ArrayLike<number>,
): ImageSet<Pixels> {
  const { images, labels, size, shape, classes, files } = checkImageSet('pickImages', set);
  const length = typeof indices === 'object' ? tryRead('pickImages', () => indices?.length) : undefined;
  if (!Number.isInteger(length) || length! < 0) {
    throw new ArgumentError(`pickImages: takes a list of image numbers, but was given ${formatValue(indices)}`);
  }
  // One by one, as what only looks like a list may have any length.
  tryRead('pickImages', () => {
    for (let k = 0; k < indices.length; k++) {
      const i = indices[k]!;
      if (Number.isInteger(i) && i >= 0 && i < size) continue;
      throw new ArgumentError(`pickImages: there is no image ${formatValue(i)} among ${size}`);
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

/** The first `count` images with their labels. @throws ArgumentError when there are fewer; DataError for a set that does not fit itself */
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
 * The images of some classes alone, named or numbered. Their labels become 0, 1, ... in the order in which the classes are given;
 * the names go with them.
 * @throws ArgumentError for a class there is not, or one given twice; DataError for one without images, or a set that does not fit itself
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
  const empty = oldLabels.findIndex((_, label) => !labels.includes(label));
  if (empty >= 0)
    throw new DataError(`chooseClasses: the data has no image of class ${set.classes[oldLabels[empty]!]}`);
  return { ...chosen, labels, classes: oldLabels.map((label) => set.classes[label]!) };
}

/**
 * `count` images of each class: drawn by `seed` and in random order, or without a seed the first ones as they lie.
 * @param options.seed an integer from 0 up; the same seed draws the same images everywhere. Default: the first images are taken
 * @throws ArgumentError; DataError for a class with fewer images, or a set that does not fit itself
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
  const short = taken.findIndex((available) => available < count);
  if (short >= 0) {
    throw new DataError(
      `choosePerClass: class ${set.classes[short]} has ${taken[short]} images, fewer than the ${count} asked for`,
    );
  }
  return pickImages(set, indices);
}
