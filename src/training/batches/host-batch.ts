import {
  conversionHint,
  describePosition,
  type HostNumbers,
  type Numbers,
  readNumbers,
  toFloats,
  toNumber,
} from '../../autograd/host-data.ts';
import { checkPositiveShape, formatValue } from '../../base/check.ts';
import { ArgumentError, DataError, ShapeError } from '../../base/errors.ts';
import { type Shape, sameShape, showShape, sizeOf } from '../../kernels/array.ts';

/** Whether two shapes differ at most in a last axis of 1, as [28, 28] and [28, 28, 1]; Keras adds and removes it too. */
export function equalUpToTrailingOne(a: Shape, b: Shape): boolean {
  const [longer, shorter] = a.length >= b.length ? [a, b] : [b, a];
  return sameShape(longer, shorter) || (longer.at(-1) === 1 && sameShape(longer.slice(0, -1), shorter));
}

/**
 * Converts samples: an array of shape [size, ...sampleShape], or all numbers in one flat array.
 * @param taker name of the model or loader in messages
 * @throws ShapeError for an array of another shape; DataError for a value that is not a finite number
 */
export function readSamples(
  subject: string,
  sampleShape: Shape,
  x: Numbers,
  taker = 'the model',
): { values: Float32Array<ArrayBuffer>; size: number } {
  if (typeof x === 'object' && x !== null && ('x' in x || 'images' in x)) {
    const hint =
      'x' in x ? 'give only its x, and its y as a second argument if there is one' : 'make an ImageLoader of it';
    throw new ArgumentError(`${subject} must be an array of numbers, but is ${formatValue(x)}; ${hint}`);
  }
  const numbers = readNumbers(subject, x);
  const size = countSamples(subject, sampleShape, numbers, taker);
  return { values: toFloats(subject, numbers, sampleShape), size };
}

function countSamples(subject: string, sampleShape: Shape, { flat, shape }: HostNumbers, taker: string): number {
  const takes = `${taker} takes [${['samples', ...sampleShape].join(',')}]`;
  if (shape) {
    if (shape[0]! > 0 && equalUpToTrailingOne(shape.slice(1), sampleShape)) return shape[0]!;
    throw new ShapeError(`${subject} has shape ${showShape(shape)}, but ${takes}; ${shapeAdvice(shape, sampleShape)}`);
  }
  if (flat instanceof Uint8ClampedArray && sampleShape.at(-1) !== 4) {
    throw new ShapeError(
      `${subject} is a Uint8ClampedArray, in which a canvas stores red, green, blue and alpha of each pixel, but ${takes}; ` +
        'copy the channels that the model takes to a Uint8Array',
    );
  }
  const sampleSize = sizeOf(sampleShape);
  const size = flat.length / sampleSize;
  if (Number.isInteger(size) && size > 0) return size;
  if (size === 0)
    throw new ShapeError(`${subject} has no samples; give at least one, of shape ${showShape(sampleShape)}`);
  throw new ShapeError(
    `${subject}: ${takes}, so the length of a flat array must be a multiple of ${sampleSize}, but is ${flat.length}`,
  );
}

/** What to do about an array of another shape. */
function shapeAdvice(shape: Shape, sampleShape: Shape): string {
  const sorted = (axes: Shape) => [...axes].sort((a, b) => a - b);
  const others = (axis: number) => shape.filter((_, i) => i !== axis);
  if (shape[0] === 0) return 'give at least one sample';
  if (equalUpToTrailingOne(shape, sampleShape)) {
    return `this is one sample without the axis of samples: give [x], or the shape ${showShape([1, ...sampleShape])}`;
  }
  if (shape.some((_, axis) => sameShape(sorted(others(axis)), sorted(sampleShape)))) {
    return 'the axes are in another order: transpose it, samples first and channels last';
  }
  if (sizeOf(shape.slice(1)) === sizeOf(sampleShape)) {
    return 'if the numbers of a sample are in that order, give all of them in one flat array, or as { data, shape }';
  }
  return `bring it into that shape, or make a model with inputShape ${showShape(shape.slice(1))}`;
}

/** Converts targets that are numbers: of shape [size, ...targetShape], or in one flat array. @throws ShapeError, DataError */
export function readTargets(
  subject: string,
  numbers: HostNumbers,
  size: number,
  targetShape?: Shape,
): { values: Float32Array<ArrayBuffer>; shape: Shape } {
  const { flat, shape: given } = numbers;
  if (targetShape) checkPositiveShape(`${subject}: targetShape`, targetShape);
  const shape = targetShape ?? (given && given.length > 1 ? given.slice(1) : [flat.length / size]);
  const whole = shape.every((n) => Number.isInteger(n) && n > 0) && flat.length === size * sizeOf(shape);
  if (!whole || (given && !(given[0] === size && equalUpToTrailingOne(given.slice(1), shape)))) {
    const wanted = targetShape ? `shape ${showShape([size, ...shape])}` : 'a target for each';
    throw new ShapeError(
      `${subject}: there are ${size} samples, so y must have ${wanted}, but has ${given ? `shape ${showShape(given)}` : `${flat.length} numbers`}`,
    );
  }
  return { values: toFloats(subject, numbers, shape), shape };
}

/** Converts labels to integers, one for each sample. @throws ShapeError for another number of labels; DataError for one that is not a class */
export function readLabels(
  subject: string,
  { flat, shape }: HostNumbers,
  size: number,
  classes: number,
): Uint32Array<ArrayBuffer> {
  if (!isLabels({ flat, shape }, size)) {
    throw new ShapeError(
      `${subject}: there are ${size} samples, so there must be ${size} labels, but y has shape ${showShape(shape ?? [flat.length])}`,
    );
  }
  const labels = new Uint32Array(size);
  for (let i = 0; i < size; i++) {
    const label = toNumber(flat, i);
    if (label === null)
      throw new DataError(
        `${subject}: the label of sample ${i} is ${formatValue(flat[i])}, ${conversionHint(flat[i])}`,
      );
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new DataError(
        `${subject}: label ${label} of ${describePosition(i, [1])} is not one of the ${classes} classes 0 to ${classes - 1}`,
      );
    }
    labels[i] = label;
  }
  return labels;
}

/** Whether numbers can be one label for each sample: shape [size], or [size, 1] as in Keras. */
export function isLabels({ flat, shape }: HostNumbers, size: number): boolean {
  return flat.length === size && (shape === null || equalUpToTrailingOne(shape, [size]));
}
