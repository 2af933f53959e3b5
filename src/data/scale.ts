import { checkNumbers, checkObject, readable, show } from '../check.ts';
import { ArgumentError, DataError } from '../errors.ts';
import type { ImageSet } from './types.ts';

/** What happens to a number: scale * number + offset, the same for all or one pair for each channel. */
export interface Scaling {
  scale: number | readonly number[];
  offset: number | readonly number[];
}

/** For an `ImageLoader`: bytes 0 .. 255 become low .. high, such as 0 .. 1 or -1 .. 1. @throws ArgumentError */
export function scaleTo(low: number, high: number): { scale: number; offset: number } {
  if (!Number.isFinite(low) || !Number.isFinite(high) || low >= high) {
    throw new ArgumentError(
      `scaleTo: takes two numbers in ascending order, but was given ${show(low)} and ${show(high)}`,
    );
  }
  return { scale: (high - low) / 255, offset: low };
}

/**
 * Scaling that gives each channel mean 0 and standard deviation 1 (over n, as NumPy and scikit-learn have it) on the images or
 * numbers it is computed from. Compute it from the training data, and use it for both:
 *
 *     const scaling = standardization(train);
 *     const loaders = [train, test].map((set) => new ImageLoader(device, set, scaling));
 *
 * A channel that never changes becomes 0.
 * @param numbers images, or numbers of which every `channels` belong together, the last axis of their shape
 * @throws DataError without numbers, or for one that is not finite; ArgumentError for channels that do not fit
 */
export function standardization(
  numbers: ImageSet | ArrayLike<number>,
  channels?: number,
): { scale: number[]; offset: number[]; mean: number[]; deviation: number[] } {
  checkObject('standardization', numbers);
  const values = 'images' in numbers ? numbers.images : checkNumbers('standardization', numbers);
  const width = 'images' in numbers ? numbers.shape[2] : (channels ?? 1);
  if (values.length === 0) throw new DataError('standardization: there are no numbers to compute it from');
  if (!Number.isInteger(width) || width < 1 || values.length % width !== 0) {
    throw new ArgumentError(`standardization: ${values.length} numbers are no multiple of ${show(width)} channels`);
  }
  const rows = values.length / width;
  const changes = Array<boolean>(width).fill(false);
  const mean = Array<number>(width).fill(0);
  const squares = Array<number>(width).fill(0);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) throw new DataError(`standardization: number ${i} is ${value}; clean the data first`);
    mean[i % width]! += value;
    if (value !== values[i % width]) changes[i % width] = true;
  }
  // The mean of equal numbers, rounded, need not be that number, and the deviation from it not 0.
  for (let c = 0; c < width; c++) mean[c] = changes[c] ? mean[c]! / rows : values[c]!;
  // From the mean, not from sums of squares: those cancel where the mean is large.
  for (let i = 0; i < values.length; i++) squares[i % width]! += (values[i]! - mean[i % width]!) ** 2;
  const deviation = squares.map((sum) => Math.sqrt(sum / rows));
  const scale = deviation.map((d) => (d > 0 ? 1 / d : 1));
  return { scale, offset: mean.map((m, c) => -m * scale[c]!), mean, deviation };
}

/** Scaled numbers on the host: what an `ImageLoader` does with bytes on the GPU. @throws ArgumentError for channels that do not fit */
export function rescale(numbers: ArrayLike<number>, scaling: Scaling): Float32Array<ArrayBuffer> {
  const values = checkNumbers('rescale', numbers);
  checkObject('rescale', scaling);
  const factors = (name: 'scale' | 'offset') => {
    const factor = readable('rescale', () => scaling[name]);
    return typeof factor === 'number' ? [factor] : checkNumbers(`rescale: ${name}`, factor);
  };
  const [scales, offsets] = [factors('scale'), factors('offset')];
  for (const { length } of [scales, offsets]) {
    if (length === 0 || values.length % length !== 0) {
      throw new ArgumentError(`rescale: ${values.length} numbers are no multiple of ${length} channels`);
    }
  }
  return Float32Array.from(values, (value, i) => scales[i % scales.length]! * value + offsets[i % offsets.length]!);
}

/**
 * Labels as one-hot rows [N, classes], on the host; Keras's `to_categorical`.
 * @param classes default: one more than the largest label
 * @throws DataError for a label that is no class; ArgumentError for an impossible number of classes
 */
export function toCategorical(labels: ArrayLike<number>, classes?: number): Float32Array<ArrayBuffer> {
  const all = Array.from(checkNumbers('toCategorical: labels', labels));
  if (classes !== undefined && !(Number.isInteger(classes) && classes > 0)) {
    throw new ArgumentError(`toCategorical: classes must be a positive integer, but is ${show(classes)}`);
  }
  const count = classes ?? all.reduce((largest, label) => Math.max(largest, label), -1) + 1;
  const bad = all.findIndex((label) => !Number.isInteger(label) || label < 0 || label >= count);
  if (bad >= 0)
    throw new DataError(`toCategorical: label ${all[bad]} of sample ${bad} is none of the ${count} classes`);
  const rows = new Float32Array(all.length * count);
  for (const [i, label] of all.entries()) rows[i * count + label] = 1;
  return rows;
}
