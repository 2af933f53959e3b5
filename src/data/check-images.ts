import { listOf, readable, show } from '../check.ts';
import { ArgumentError, DataError } from '../errors.ts';
import { sizeOf } from '../kernels/array.ts';
import type { ImageSet } from './types.ts';

/**
 * Every field of a set of images, before a count in it is believed: a wrong one would read past the bytes or fill all memory.
 * @param what the operation, which begins the message
 * @throws ArgumentError for what is no set of images or has fields of other types; DataError for counts that do not fit each other,
 *   labels that are no classes, and classes of one name
 */
export function checkImageSet(what: string, set: ImageSet): void {
  readable(what, () => checkFields(what, set));
  const { images, labels, size, shape, classes } = set;
  const bytes = sizeOf(shape);
  if (images.length !== size * bytes || labels.length !== size) {
    throw new DataError(
      `${what}: ${size} images of ${shape.join('x')} need ${size * bytes} bytes and ${size} labels, ` +
        `but there are ${images.length} and ${labels.length}`,
    );
  }
  const bad = labels.findIndex((label) => label >= classes.length);
  if (bad >= 0) {
    throw new DataError(`${what}: label ${labels[bad]} of image ${bad} is none of the ${classes.length} classes`);
  }
  const twice = classes.find((name, i) => classes.indexOf(name) !== i);
  if (twice !== undefined)
    throw new DataError(`${what}: two classes are called ${show(twice)}; give each its own name`);
}

function checkFields(what: string, set: ImageSet): void {
  const refuse = (field: string, rule: string, value: unknown) => {
    throw new ArgumentError(`${what}: ${field} must be ${rule}, but is ${show(value)}`);
  };
  if (typeof set !== 'object' || set === null || !('images' in set)) {
    const half = typeof set === 'object' && set !== null && 'train' in set ? '; give its train or its test part' : '';
    throw new ArgumentError(
      `${what}: takes a set of images, { images, labels, size, shape, classes }, but was given ${show(set)}${half}`,
    );
  }
  const { images, labels, size, shape, classes } = set;
  if (!(images instanceof Uint8Array)) {
    refuse('images', 'a Uint8Array of bytes from 0 to 255 (numbers of other kinds go into an ArrayLoader)', images);
  }
  if (!(labels instanceof Uint8Array)) {
    const named = Array.isArray(labels) && typeof labels[0] === 'string'; // Uint8Array.from would make zeros of them
    const how = named ? 'labels.map((label) => classes.indexOf(label))' : 'list';
    refuse('labels', `a Uint8Array, as Uint8Array.from(${how}) makes it`, labels);
  }
  const sizes = listOf(what, shape);
  if (sizes?.length !== 3 || !sizes.every((n) => Number.isSafeInteger(n) && (n as number) > 0)) {
    refuse('shape', '[height, width, channels] of one image', shape);
  }
  if (!Number.isSafeInteger(size) || size < 0) refuse('size', 'the number of images', size);
  const names = listOf(what, classes);
  if (!names?.length || !names.every((name) => typeof name === 'string')) {
    refuse('classes', 'the names of the classes, a list of strings', classes);
  }
}
