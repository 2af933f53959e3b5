import { Tensor } from '../autograd/tensor.ts';
import { checkOptions, checkSurplus, type OptionNames, show } from '../check.ts';
import { ArgumentError, DataError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { DeviceArray, sizeOf } from '../kernels/array.ts';
import { type ByteTransform, channelTable, gatherImages, type StoredSamples } from '../kernels/gather.ts';
import type { StepState } from '../kernels/step-state.ts';
import type { BatchSource } from '../nn/batch-source.ts';
import { storeRows } from '../nn/stored-rows.ts';
import type { ImageSet } from './types.ts';

export interface ImageLoaderOptions {
  /**
   * A pixel p becomes scale * p + offset, with a number for all or one for each channel. Default 1 / 255 and 0: images in
   * 0 .. 1. See `scaleTo` and `standardization`.
   */
  scale?: number | readonly number[];
  offset?: number | readonly number[];
}

/**
 * A set of labelled images on the GPU. They are sent once, as bytes (a quarter of what floats take); a kernel gathers and
 * scales each batch.
 */
export class ImageLoader implements BatchSource {
  readonly size: number;
  readonly sampleShape: readonly [number, number, number];
  readonly classes: number;
  private readonly images: StoredSamples;
  /** One class index an image, as in the set. */
  readonly labels: Uint8Array;
  private readonly storedLabels: DeviceArray;
  private readonly transform: ByteTransform;

  /** @throws ArgumentError for options that do not fit; DataError for an empty set, labels out of range or counts that do not fit; OutOfMemoryError */
  constructor(
    readonly device: Device,
    set: ImageSet,
    options: ImageLoaderOptions = {},
    ...surplus: never[]
  ) {
    checkSurplus('ImageLoader', surplus);
    checkImageLoaderOptions(options);
    const { size, shape, classes } = set;
    const bytes = sizeOf(shape);
    if (size === 0 || set.images.length !== size * bytes || set.labels.length !== size) {
      throw new DataError(
        `images: ${size} images of ${shape.join('x')} need ${size * bytes} bytes and ${size} labels, ` +
          `but there are ${set.images.length} and ${set.labels.length}`,
      );
    }
    const bad = set.labels.findIndex((label) => label >= classes.length);
    if (bad >= 0)
      throw new DataError(`images: label ${set.labels[bad]} of image ${bad} is none of the ${classes.length} classes`);
    this.transform = transformOf(device, options, shape[2]);
    this.size = size;
    this.sampleShape = shape;
    this.classes = classes.length;
    this.images = storeRows(device, set.images, size, bytes);
    this.labels = set.labels;
    this.storedLabels = DeviceArray.empty(device, [size], { dtype: 'u32' }).keep();
    device.upload(this.storedLabels.storage, Uint32Array.from(set.labels));
  }

  batch(order: DeviceArray, state: StepState, batch: number): { x: Tensor; targets: Tensor } {
    const x = DeviceArray.empty(this.device, [batch, ...this.sampleShape], { models: order.models });
    const labels = DeviceArray.empty(this.device, [batch], { dtype: 'u32', models: order.models });
    gatherImages(this.images, this.storedLabels, order, state, { x, y: labels }, this.transform);
    return { x: new Tensor(x), targets: new Tensor(labels) };
  }

  dispose(): void {
    for (const { words } of this.images.chunks) words.dispose();
    this.storedLabels.dispose();
    if ('table' in this.transform) this.transform.table.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws ArgumentError */
function checkImageLoaderOptions(options: ImageLoaderOptions): void {
  const names: OptionNames<ImageLoaderOptions> = { scale: true, offset: true };
  // What `standardization` returns may be handed over as it is. Alone, its mean and deviation would do nothing.
  const standardized = { ...names, mean: true, deviation: true };
  const whole = options?.scale !== undefined && options.offset !== undefined;
  checkOptions('ImageLoader', options, whole ? standardized : names);
}

/** One number for all channels, or a table of those of each. @throws ArgumentError */
function transformOf(
  device: Device,
  { scale = 1 / 255, offset = 0 }: ImageLoaderOptions,
  channels: number,
): ByteTransform {
  for (const [what, value] of [
    ['scale', scale],
    ['offset', offset],
  ] as const) {
    const list = typeof value === 'number' ? [value] : value;
    if (!Array.isArray(list) || !list.every((number) => Number.isFinite(number))) {
      throw new ArgumentError(
        `images: ${what} must be finite, a number or one for each channel, but is ${show(value)}`,
      );
    }
    if (typeof value !== 'number' && list.length !== channels) {
      throw new ArgumentError(`images: ${what} has ${list.length} numbers, but the images have ${channels} channels`);
    }
  }
  if (typeof scale === 'number' && typeof offset === 'number') return { scale, offset };
  const each = (value: number | readonly number[]) =>
    typeof value === 'number' ? Array<number>(channels).fill(value) : value;
  const values = channelTable(each(scale), each(offset));
  const table = DeviceArray.empty(device, [values.length]).keep();
  device.upload(table.storage, values);
  return { table };
}
