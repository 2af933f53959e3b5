import { Tensor } from '../autograd/tensor.ts';
import { checkF32, checkOptions, checkSurplus, listOf, type OptionNames, readable, show } from '../check.ts';
import { ArgumentError, DataError } from '../errors.ts';
import { checkDevice, type Device } from '../gpu/device.ts';
import { DeviceArray, type DType, sizeOf } from '../kernels/array.ts';
import { type ByteTransform, channelTable, gatherImages, type StoredSamples } from '../kernels/gather.ts';
import type { StepState } from '../kernels/step-state.ts';
import type { BatchSource } from '../nn/batch-source.ts';
import { disposeRows, storeRows } from '../nn/stored-rows.ts';
import { checkImageSet } from './check-images.ts';
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
    checkDevice('ImageLoader', device, 'new ImageLoader(device, images)');
    checkImageSet('ImageLoader', set);
    checkImageLoaderOptions(options);
    const { size, shape, classes } = set;
    if (size === 0) throw new DataError('ImageLoader: the set has 0 images; there must be at least one');
    const scaling = scalingOf(options, shape[2]);
    this.size = size;
    this.sampleShape = shape;
    this.classes = classes.length;
    this.labels = set.labels;
    const made: { dispose(): void }[] = [];
    try {
      this.images = storeRows(device, set.images, size, sizeOf(shape));
      made.push(...this.images.chunks.map(({ words }) => words));
      this.storedLabels = upload(device, Uint32Array.from(set.labels), 'u32', made);
      this.transform = 'values' in scaling ? { table: upload(device, scaling.values, 'f32', made) } : scaling;
    } catch (error) {
      for (const array of made) array.dispose();
      throw error;
    }
  }

  batch(order: DeviceArray, state: StepState, batch: number): { x: Tensor; targets: Tensor } {
    const x = DeviceArray.empty(this.device, [batch, ...this.sampleShape], { models: order.models });
    const labels = DeviceArray.empty(this.device, [batch], { dtype: 'u32', models: order.models });
    gatherImages(this.images, this.storedLabels, order, state, { x, y: labels }, this.transform);
    return { x: new Tensor(x), targets: new Tensor(labels) };
  }

  dispose(): void {
    disposeRows(this.images);
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
  const whole = readable('ImageLoader', () => options?.scale !== undefined && options.offset !== undefined);
  checkOptions('ImageLoader', options, whole ? standardized : names);
}

/** Numbers on the GPU, which `made` is told of before they are sent. */
function upload(
  device: Device,
  values: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
  dtype: DType,
  made: { dispose(): void }[],
): DeviceArray {
  const array = DeviceArray.empty(device, [values.length], { dtype }).keep('samples of a loader');
  made.push(array);
  device.upload(array.storage, values);
  return array;
}

/** One number for all channels, or a table of those of each. @throws ArgumentError */
function scalingOf(
  { scale = 1 / 255, offset = 0 }: ImageLoaderOptions,
  channels: number,
): { scale: number; offset: number } | { values: Float32Array<ArrayBuffer> } {
  for (const [what, value] of [
    ['scale', scale],
    ['offset', offset],
  ] as const) {
    const list = typeof value === 'number' ? [value] : value;
    if (!listOf('ImageLoader', list)?.every((number) => Number.isFinite(number))) {
      throw new ArgumentError(
        `ImageLoader: ${what} must be finite, a number or one for each channel, but is ${show(value)}`,
      );
    }
    for (const number of list) checkF32(`images: ${what}`, number);
    if (typeof value !== 'number' && list.length !== channels) {
      throw new ArgumentError(
        `ImageLoader: ${what} has ${list.length} numbers, but the images have ${channels} channels`,
      );
    }
  }
  if (typeof scale === 'number' && typeof offset === 'number') return { scale, offset };
  const each = (value: number | readonly number[]) =>
    typeof value === 'number' ? Array<number>(channels).fill(value) : value;
  return { values: channelTable(each(scale), each(offset)) };
}
