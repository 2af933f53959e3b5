import { describePosition, toFloats } from '../autograd/host-data.ts';
import { Tensor } from '../autograd/tensor.ts';
import {
  checkF32,
  checkOptions,
  checkSurplus,
  formatValue,
  type OptionNames,
  readList,
  tryRead,
} from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { checkDevice, type Device } from '../gpu/device.ts';
import { DeviceArray, type DType } from '../kernels/array.ts';
import {
  type ByteTransform,
  channelTable,
  gatherImages,
  gatherLabels,
  gatherSamples,
  type StoredSamples,
} from '../kernels/gather/gather.ts';
import type { StepState } from '../kernels/optimizers/step-state.ts';
import type { BatchSource } from '../training/batches/batch-source.ts';
import { disposeRows, uploadRows } from '../training/batches/stored-rows.ts';
import { checkImageSet, isFloats } from './check-images.ts';
import { rescale, type Scaling } from './scale.ts';
import type { ImageSet, LabelArray, PixelArray } from './types.ts';

/** Options of `ImageLoader`. */
export interface ImageLoaderOptions {
  /**
   * A pixel p becomes scale * p + offset; a number for all channels, or a list with one for each. Default scale: 1 / 255 for bytes, which
   * gives 0 .. 1, and 1 for floats. Default offset: 0. See `scaleTo` and `standardization`.
   */
  scale?: number | readonly number[];
  /** See `scale`. */
  offset?: number | readonly number[];
}

/**
 * A set of labeled images on the GPU. Bytes are uploaded once, as bytes (a quarter of the size of floats); a kernel gathers and scales
 * each batch. Floats are scaled on the host; a kernel copies their bits.
 */
export class ImageLoader implements BatchSource {
  readonly size: number;
  readonly sampleShape: readonly [number, number, number];
  /** Number of classes; null for images without labels, for `predict`. */
  readonly classes: number | null;
  private readonly images: StoredSamples;
  /** Class index of each image, as in the set; empty for images without labels. */
  readonly labels: LabelArray;
  private readonly storedLabels: DeviceArray;
  /** Scaling on the GPU; null for floats, which are already scaled. */
  private readonly transform: ByteTransform | null;

  /**
   * @throws ArgumentError for impossible options; DataError for an empty set, labels out of range, counts that contradict each other, and
   *   floats that are not finite; OutOfMemoryError
   */
  constructor(
    readonly device: Device,
    set: ImageSet<PixelArray>,
    options: ImageLoaderOptions = {},
    ...surplus: never[]
  ) {
    checkSurplus('ImageLoader', surplus);
    checkDevice('ImageLoader', device, 'new ImageLoader(device, images)');
    const { images, labels, size, shape, classes } = checkImageSet('ImageLoader', set);
    checkImageLoaderOptions(options);
    if (size === 0) throw new DataError('ImageLoader: the set has 0 images; there must be at least one');
    const scaling = readScaling(options, images, shape[2]);
    this.size = size;
    this.sampleShape = shape;
    const isLabeled = classes.length > 0;
    this.classes = isLabeled ? classes.length : null;
    this.labels = labels;
    const rows = isFloats(images) ? scaleFloats(images, scaling, shape) : images;
    const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
    const created: { dispose(): void }[] = [];
    try {
      this.images = uploadRows(device, bytes, size, bytes.length / size);
      created.push(...this.images.chunks.map(({ words }) => words));
      this.storedLabels = upload(device, isLabeled ? Uint32Array.from(labels) : new Uint32Array(size), 'u32', created);
      this.transform = isFloats(images) ? null : byteTransform(device, scaling, shape[2], created);
    } catch (error) {
      for (const array of created) array.dispose();
      throw error;
    }
  }

  batch(order: DeviceArray, state: StepState, batch: number): { x: Tensor; targets: Tensor | null } {
    const x = DeviceArray.empty(this.device, [batch, ...this.sampleShape], { replicas: order.replicas });
    const labels = DeviceArray.empty(this.device, [batch], { dtype: 'u32', replicas: order.replicas });
    if (this.transform) {
      gatherImages(this.images, this.storedLabels, order, state, { x, y: labels }, this.transform);
    } else {
      gatherSamples(this.images, order, state, x);
      if (this.classes !== null) gatherLabels(this.storedLabels, order, state, labels);
    }
    if (this.classes !== null) return { x: new Tensor(x), targets: new Tensor(labels) };
    labels.dispose(); // written with the images, but not needed
    return { x: new Tensor(x), targets: null };
  }

  /** Releases the images on the GPU. */
  dispose(): void {
    disposeRows(this.images);
    this.storedLabels.dispose();
    if (this.transform && 'table' in this.transform) this.transform.table.dispose();
  }

  /** Calls `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws ArgumentError */
function checkImageLoaderOptions(options: ImageLoaderOptions): void {
  const names: OptionNames<ImageLoaderOptions> = { scale: true, offset: true };
  // The result of `standardization` may be given as options. Without scale and offset, mean and deviation would have no effect.
  const standardized = { ...names, mean: true, deviation: true };
  const whole = tryRead('ImageLoader', () => options?.scale !== undefined && options.offset !== undefined);
  checkOptions('ImageLoader', options, whole ? standardized : names);
}

/** Uploads numbers to a new array, which is added to `made` before the upload, so that it is disposed after an error. */
function upload(
  device: Device,
  values: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
  dtype: DType,
  created: { dispose(): void }[],
): DeviceArray {
  const array = DeviceArray.empty(device, [values.length], { dtype }).keep('samples of a loader');
  created.push(array);
  device.upload(array.storage, values);
  return array;
}

/** Reads scale and offset: numbers for all channels, or lists with one for each. @throws ArgumentError */
function readScaling(options: ImageLoaderOptions, images: PixelArray, channels: number): Scaling {
  const { scale = isFloats(images) ? 1 : 1 / 255, offset = 0 } = options;
  const read = { scale, offset };
  for (const [subject, value] of Object.entries(read)) {
    const list = typeof value === 'number' ? [value] : readList('ImageLoader', value);
    if (!list?.every((number) => Number.isFinite(number))) {
      throw new ArgumentError(
        `ImageLoader: ${subject} must be finite, a number or one for each channel, but is ${formatValue(value)}`,
      );
    }
    for (const number of list) checkF32(`ImageLoader: ${subject}`, number as number);
    if (typeof value !== 'number' && list.length !== channels) {
      throw new ArgumentError(
        `ImageLoader: ${subject} has ${list.length} numbers, but the images have ${channels} channels`,
      );
    }
  }
  return read;
}

/** A list with a number for each channel. */
const perChannel = (value: number | readonly number[], channels: number): readonly number[] =>
  typeof value === 'number' ? Array<number>(channels).fill(value) : value;

/** Scale and offset for all channels, or a table with those of each. @throws ArgumentError if a byte would become infinite */
function byteTransform(
  device: Device,
  { scale, offset }: Scaling,
  channels: number,
  created: { dispose(): void }[],
): ByteTransform {
  const [scales, offsets] = [perChannel(scale, channels), perChannel(offset, channels)];
  const infinite = scales.findIndex(
    (s, c) => ![255 * s, 255 * s + offsets[c]!].every((v) => Number.isFinite(Math.fround(v))),
  );
  if (infinite >= 0) {
    throw new ArgumentError(
      `ImageLoader: a pixel of 255 becomes infinite with scale ${scales[infinite]} and offset ${offsets[infinite]}; give smaller ones`,
    );
  }
  if (typeof scale === 'number' && typeof offset === 'number') return { scale, offset };
  return { table: upload(device, channelTable(scales, offsets), 'f32', created) };
}

/** Scaled floats for the GPU. @throws DataError for a float that is not finite before or after scaling */
function scaleFloats(
  images: Float32Array,
  { scale, offset }: Scaling,
  shape: readonly [number, number, number],
): Float32Array {
  toFloats('ImageLoader: images', { flat: images, shape: null }, shape);
  if (scale === 1 && offset === 0) return images;
  const scaled = rescale(images, { scale, offset });
  const infinite = scaled.findIndex((value) => !Number.isFinite(value));
  if (infinite < 0) return scaled;
  throw new DataError(
    `ImageLoader: number ${infinite} of the images is ${images[infinite]} (${describePosition(infinite, shape)}), which becomes infinite with ` +
      `scale ${formatValue(scale)} and offset ${formatValue(offset)}; give smaller ones`,
  );
}
