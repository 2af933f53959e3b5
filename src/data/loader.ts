import { Tensor } from '../autograd/tensor.ts';
import { ArgumentError, DataError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import { DeviceArray, sizeOf } from '../kernels/array.ts';
import { gatherImages, gatherLabels, type StoredImages } from '../kernels/gather.ts';
import type { StepState } from '../kernels/step-state.ts';
import type { BatchSource } from '../nn/batch-source.ts';
import type { ImageSet } from './types.ts';

export interface ImageLoaderOptions {
  /** A pixel p becomes scale * p + offset. Default 1 / 255 and 0: images in 0 .. 1. */
  scale?: number;
  offset?: number;
}

/**
 * A set of labelled images on the GPU. They are sent once, as bytes (a quarter of what floats take); a kernel gathers and
 * scales each batch.
 */
export class ImageLoader implements BatchSource {
  readonly size: number;
  readonly sampleShape: readonly [number, number, number];
  readonly classes: number;
  private readonly images: StoredImages;
  private readonly labels: DeviceArray;
  private readonly transform: { scale: number; offset: number };

  /** @throws DataError for an empty set, labels out of range or counts that do not fit; OutOfMemoryError */
  constructor(
    readonly device: Device,
    set: ImageSet,
    options: ImageLoaderOptions = {},
  ) {
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
    this.transform = { scale: options.scale ?? 1 / 255, offset: options.offset ?? 0 };
    if (!Number.isFinite(this.transform.scale) || !Number.isFinite(this.transform.offset)) {
      throw new ArgumentError(
        `images: scale and offset must be finite, but are ${this.transform.scale} and ${this.transform.offset}`,
      );
    }
    this.size = size;
    this.sampleShape = shape;
    this.classes = classes.length;
    this.images = store(device, set.images, size, bytes);
    this.labels = DeviceArray.empty(device, [size], { dtype: 'u32' }).keep();
    device.upload(this.labels.storage, Uint32Array.from(set.labels));
  }

  batch(order: DeviceArray, state: StepState, batch: number): { x: Tensor; labels: Tensor } {
    const x = DeviceArray.empty(this.device, [batch, ...this.sampleShape], { models: order.models });
    const labels = DeviceArray.empty(this.device, [batch], { dtype: 'u32', models: order.models });
    gatherImages(this.images, order, state, x, this.transform);
    gatherLabels(this.labels, order, state, labels);
    return { x: new Tensor(x), labels: new Tensor(labels) };
  }

  dispose(): void {
    for (const { words } of this.images.chunks) words.dispose();
    this.labels.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Uploads the images in as many buffers as the adapter's binding limit asks for, each image starting at a word. */
function store(device: Device, images: Uint8Array, size: number, bytes: number): StoredImages {
  const stride = Math.ceil(bytes / 4);
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const perChunk = Math.max(1, Math.floor(limit / (4 * stride)));
  const chunks: StoredImages['chunks'] = [];
  for (let first = 0; first < size; first += perChunk) {
    const count = Math.min(perChunk, size - first);
    const words = DeviceArray.empty(device, [count, stride], { dtype: 'u32' }).keep();
    device.upload(
      words.storage,
      padded(images.subarray(first * bytes, (first + count) * bytes), count, bytes, 4 * stride),
    );
    chunks.push({ words, first, count });
  }
  return { chunks, stride };
}

/** Rows of `bytes` bytes laid out `step` bytes apart. */
function padded(rows: Uint8Array, count: number, bytes: number, step: number): Uint8Array<ArrayBuffer> {
  if (bytes === step) return rows as Uint8Array<ArrayBuffer>;
  const out = new Uint8Array(count * step);
  for (let i = 0; i < count; i++) out.set(rows.subarray(i * bytes, (i + 1) * bytes), i * step);
  return out;
}
