import { conversionHint, describePosition, type Numbers, readNumbers, toNumber } from '../autograd/host-data.ts';
import { checkObject, formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError, DataError, ShapeError } from '../base/errors.ts';
import { showShape } from '../kernels/array.ts';
import { isLabels } from '../training/batches/host-batch.ts';
import { checkImageSet } from './check-images.ts';
import type { ImageSet, PixelArray } from './types.ts';

/** A number x becomes scale * x + offset. */
export interface Scaling {
  /** Factor, for all channels or one for each. */
  scale: number | readonly number[];
  /** Added after the multiplication, for all channels or one for each. */
  offset: number | readonly number[];
}

/** Scaling for an `ImageLoader`: maps bytes 0 .. 255 to low .. high, such as 0 .. 1 or -1 .. 1. @throws ArgumentError unless low < high */
export function scaleTo(
  low: number,
  high: number,
): {
  /** (high - low) / 255. */
  scale: number;
  /** low. */
  offset: number;
} {
  if (!Number.isFinite(low) || !Number.isFinite(high) || low >= high) {
    throw new ArgumentError(
      `scaleTo: takes two numbers in ascending order, but was given ${formatValue(low)} and ${formatValue(high)}`,
    );
  }
  return { scale: (high - low) / 255, offset: low };
}

/**
 * Scaling that gives each channel mean 0 and standard deviation 1 (over n, as in NumPy and scikit-learn) on the given images or numbers.
 * Compute it from the training data, and use it for training and test data:
 *
 *     const scaling = standardization(train);
 *     const loaders = [train, test].map((set) => new ImageLoader(device, set, scaling));
 *
 * A constant channel becomes 0.
 * @param numbers images, or numbers [..., channels]
 * @param channels default: the last axis of the numbers' shape, or 1 for a flat list
 * @throws DataError for an empty list, or a number that is not finite; ArgumentError if the numbers are not a multiple of `channels`
 */
export function standardization(
  numbers: ImageSet<PixelArray> | Numbers,
  channels?: number,
): {
  /** Factor of each channel: 1 / deviation. */
  scale: number[];
  /** Added to each channel after the multiplication: -mean / deviation. */
  offset: number[];
  /** Mean of each channel. */
  mean: number[];
  /** Standard deviation of each channel, over n. */
  deviation: number[];
} {
  const isSet = typeof numbers === 'object' && numbers !== null && 'images' in numbers;
  if (isSet) checkImageSet('standardization', numbers);
  const { values, width } = isSet
    ? { values: numbers.images, width: numbers.shape[2] }
    : channelsOf('standardization', numbers, channels);
  if (values.length === 0) throw new DataError('standardization: there are no numbers to compute it from');
  const rows = values.length / width;
  const changes = Array<boolean>(width).fill(false);
  const mean = Array<number>(width).fill(0);
  const squares = Array<number>(width).fill(0);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) {
      throw new DataError(
        `standardization: number ${i} is ${value} (${describePosition(i, [width])}); clean the data first`,
      );
    }
    mean[i % width]! += value;
    if (value !== values[i % width]) changes[i % width] = true;
  }
  // The rounded mean of equal numbers may differ from the number, and the deviation from 0.
  for (let c = 0; c < width; c++) mean[c] = changes[c] ? mean[c]! / rows : values[c]!;
  // From differences to the mean, not from sums of squares, which cancel if the mean is large.
  for (let i = 0; i < values.length; i++) squares[i % width]! += (values[i]! - mean[i % width]!) ** 2;
  const deviation = squares.map((sum) => Math.sqrt(sum / rows));
  const scale = deviation.map((d) => (d > 0 ? 1 / d : 1));
  return { scale, offset: mean.map((m, c) => -m * scale[c]!), mean, deviation };
}

/** Numbers and the number of channels. @throws ArgumentError or ShapeError if the channels contradict the numbers */
function channelsOf(
  subject: string,
  numbers: Numbers,
  channels?: number,
): { values: ArrayLike<number>; width: number } {
  const { flat, shape } = readNumbers(subject, numbers);
  const width = channels ?? shape?.at(-1) ?? 1;
  if (!Number.isInteger(width) || width < 1 || flat.length % width !== 0) {
    throw new ArgumentError(`${subject}: ${flat.length} numbers are not a multiple of ${formatValue(width)} channels`);
  }
  if (shape && shape.at(-1) !== width) {
    throw new ShapeError(
      `${subject}: numbers of shape ${showShape(shape)} have ${shape.at(-1)} channels, not ${width}`,
    );
  }
  if (ArrayBuffer.isView(flat) && typeof flat[0] !== 'bigint') return { values: flat as ArrayLike<number>, width };
  const values = Float64Array.from(flat, (_, i) => {
    const value = toNumber(flat, i);
    if (value !== null) return value;
    throw new DataError(
      `${subject}: number ${i} is ${formatValue(flat[i])} (${describePosition(i, [width])}), ${conversionHint(flat[i])}`,
    );
  });
  return { values, width };
}

/**
 * Scales numbers on the host, as an `ImageLoader` scales bytes on the GPU.
 * @throws ArgumentError or ShapeError if the channels contradict the numbers
 */
export function rescale(values: Numbers, scaling: Scaling): Float32Array<ArrayBuffer> {
  checkObject('rescale', scaling, ['offset', 'scale']);
  const { scale, offset } = tryRead('rescale', () => ({ scale: scaling.scale, offset: scaling.offset }));
  const lists = { scale, offset };
  for (const [name, list] of Object.entries(lists)) {
    if (Number.isFinite(list) || isFiniteList(readList('rescale', list))) continue;
    throw new ArgumentError(
      `rescale: ${name} must be finite, a number or one for each channel, but is ${formatValue(list)}`,
    );
  }
  const scales = typeof scale === 'number' ? [scale] : scale;
  const offsets = typeof offset === 'number' ? [offset] : offset;
  const numbers = [scales, offsets].map(({ length }) => channelsOf('rescale', values, length > 1 ? length : undefined));
  return Float32Array.from(
    numbers[0]!.values,
    (value, i) => scales[i % scales.length]! * value + offsets[i % offsets.length]!,
  );
}

const isFiniteList = (list: unknown[] | null): boolean =>
  list !== null && list.length > 0 && list.every(Number.isFinite);

/** Limit of the elements of one host array: 4 GiB. */
const MAX_ROW_ELEMENTS = 2 ** 30;

/**
 * Converts labels [N] to one-hot rows [N, classes] on the host; Keras's `to_categorical`.
 * @param classes default: the largest label plus 1
 * @throws DataError for a label outside the classes; ArgumentError for an impossible number of classes
 */
export function toCategorical(labels: Numbers, classes?: number): Float32Array<ArrayBuffer> {
  const numbers = readNumbers('toCategorical: labels', labels);
  const { flat } = numbers;
  if (!isLabels(numbers, flat.length)) {
    throw new ShapeError(
      `toCategorical: takes one label for each sample, but was given numbers of shape ${showShape(numbers.shape!)}`,
    );
  }
  if (classes !== undefined && !(Number.isInteger(classes) && classes > 0)) {
    throw new ArgumentError(`toCategorical: classes must be a positive integer, but is ${formatValue(classes)}`);
  }
  let count = classes ?? 1;
  const all = Float64Array.from(flat, (given, i) => {
    const label = toNumber(flat, i);
    if (label === null) {
      throw new DataError(`toCategorical: the label of sample ${i} is ${formatValue(given)}, ${conversionHint(given)}`);
    }
    if (!Number.isSafeInteger(label) || label < 0 || (classes !== undefined && label >= classes)) {
      const range = classes === undefined ? 'an integer from 0 up' : `an integer from 0 to ${classes - 1}`;
      throw new DataError(`toCategorical: label ${label} of sample ${i} must be ${range}`);
    }
    count = classes ?? Math.max(count, label + 1);
    return label;
  });
  if (all.length * count > MAX_ROW_ELEMENTS) {
    throw new ArgumentError(
      `toCategorical: ${all.length} rows of ${count} classes are too many numbers; number the classes from 0 without gaps`,
    );
  }
  const rows = new Float32Array(all.length * count);
  for (const [i, label] of all.entries()) rows[i * count + label] = 1;
  return rows;
}
