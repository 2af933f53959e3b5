import imagesCode from '../../shaders/gather_images.wgsl';
import wholeImagesCode from '../../shaders/gather_images_vec4.wgsl';
import labelsCode from '../../shaders/gather_labels.wgsl';
import stateCode from '../../shaders/step_state.wgsl';
import storeBatchCode from '../../shaders/store_batch.wgsl';
import type { DeviceArray } from './array.ts';
import { elementwise, f32, runKernel, strided } from './run.ts';
import type { StepState } from './step-state.ts';

/** Images as bytes on the GPU, split where one buffer would pass the adapter's limit. */
export interface StoredImages {
  /** Each [count, stride] words; an image starts at a word, four bytes to the word. */
  chunks: { words: DeviceArray; first: number; count: number }[];
  /** Words from one image to the next. */
  stride: number;
}

/**
 * Fills x [B, ...] with scale * byte + offset of the images that `order` [total] names from `state.batchStart` on. Memory-bound.
 */
export function gatherImages(
  images: StoredImages,
  order: DeviceArray,
  state: StepState,
  x: DeviceArray,
  transform: { scale: number; offset: number },
): void {
  const batch = x.shape[0]!;
  const size = x.size / batch;
  const source =
    size === 4 * images.stride
      ? { name: 'gather_images_vec4', code: stateCode + wholeImagesCode }
      : { name: 'gather_images', code: stateCode + imagesCode };
  for (const { words, first, count } of images.chunks) {
    runKernel(
      x.device,
      source,
      [size, images.stride, batch, order.size, first, count, f32(transform.scale), f32(transform.offset)],
      [state.buffer, words, order, x],
      [Math.min(batch, 65535), 1, x.models],
      // Of all images only a batch's are read.
      { bytes: 4 * x.models * (batch * images.stride + batch + x.size) },
    );
  }
}

/** Fills y [B] with the labels of the same batch. Memory-bound. */
export function gatherLabels(labels: DeviceArray, order: DeviceArray, state: StepState, y: DeviceArray): void {
  runKernel(
    y.device,
    { name: 'gather_labels', code: stateCode + labelsCode },
    [y.size, order.size],
    [state.buffer, labels, order, y],
    elementwise(y.size, y.models),
    { bytes: 12 * y.models * y.size },
  );
}

/**
 * The way back: y [B, ...] goes to rows `state.batchStart` .. of result [capacity, ...], counted modulo its capacity, which is a
 * multiple of the batch size. Memory-bound.
 */
export function storeBatch(y: DeviceArray, state: StepState, result: DeviceArray): void {
  const [capacity] = result.shape as [number];
  runKernel(
    y.device,
    { name: 'store_batch', code: stateCode + storeBatchCode },
    [y.size, result.size / capacity, capacity],
    [state.buffer, y, result],
    strided(y.size),
  );
}
