import imagesCode from '../../../shaders/gather/gather_images.wgsl';
import channelsCode from '../../../shaders/gather/gather_images_channels.wgsl';
import wholeImagesCode from '../../../shaders/gather/gather_images_vec4.wgsl';
import labelsCode from '../../../shaders/gather/gather_labels.wgsl';
import samplesCode from '../../../shaders/gather/gather_samples.wgsl';
import storeBatchCode from '../../../shaders/gather/store_batch.wgsl';
import stateCode from '../../../shaders/optimizers/step_state.wgsl';
import type { Device } from '../../gpu/device.ts';
import type { DeviceArray } from '../array.ts';
import type { StepState } from '../optimizers/step-state.ts';
import {
  commonReplicas,
  elementwiseWorkgroups,
  f32Bits,
  gridStrideWorkgroups,
  runKernel,
  vectorized,
  vectorWidthFor,
} from '../run.ts';

/** Samples on the GPU, images as bytes or 32-bit words; in several buffers if one would exceed the adapter's limit. */
export interface StoredSamples {
  /** Arrays of [count, stride] words. A sample starts at a word; a word holds four bytes. */
  chunks: { words: DeviceArray; first: number; count: number }[];
  /** Words from one sample to the next. */
  stride: number;
}

/** Scale and offset of a byte: the same for all, or by channel (see `channelTable`). */
export type ByteTransform = { scale: number; offset: number } | { table: DeviceArray };

/** Workgroups along a dimension, at most as many as the adapter allows; the kernels loop over the rest. */
const cappedWorkgroups = (device: Device, groups: number) =>
  Math.min(groups, device.limits.maxComputeWorkgroupsPerDimension);

/** A batch of images and labels: x [B, ...], y [B]. */
interface LabelledBatch {
  x: DeviceArray;
  y: DeviceArray;
}

/**
 * Fills x with scale * byte + offset of the images at `order[state.batchStart ..]`, and y with their labels. One dispatch does both, because
 * dispatches take most of the time of a short step. Memory-bound.
 */
export function gatherImages(
  images: StoredSamples,
  labels: DeviceArray,
  order: DeviceArray,
  state: StepState,
  { x, y }: LabelledBatch,
  transform: ByteTransform,
): void {
  if ('table' in transform) {
    gatherByChannels(images, labels, order, state, { x, y }, transform.table);
    return;
  }
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
      [size, images.stride, batch, order.size, first, count, f32Bits(transform.scale), f32Bits(transform.offset)],
      [state.buffer, words, order, labels, x, y],
      [cappedWorkgroups(x.device, batch), 1, x.replicas],
      // Reads only the images of the batch.
      { bytes: 4 * x.replicas * (batch * images.stride + 3 * batch + x.size) },
    );
  }
}

function gatherByChannels(
  images: StoredSamples,
  labels: DeviceArray,
  order: DeviceArray,
  state: StepState,
  { x, y }: LabelledBatch,
  table: DeviceArray,
): void {
  const batch = x.shape[0]!;
  for (const { words, first, count } of images.chunks) {
    runKernel(
      x.device,
      { name: 'gather_images_channels', code: stateCode + channelsCode },
      [x.size / batch, images.stride, batch, order.size, first, count, table.size / 8],
      [state.buffer, words, order, labels, x, y, table],
      [cappedWorkgroups(x.device, Math.ceil(images.stride / 64)), cappedWorkgroups(x.device, batch), x.replicas],
      { bytes: 4 * x.replicas * (batch * images.stride + 3 * batch + x.size) },
    );
  }
}

/**
 * Scales and offsets of the channels as the kernel reads them, [period, 2, 4]: for each word of four bytes, four scales and four
 * offsets. After `period` words, the channels repeat.
 */
export function channelTable(scale: readonly number[], offset: readonly number[]): Float32Array<ArrayBuffer> {
  const channels = scale.length;
  const period = channels % 4 === 0 ? channels / 4 : channels % 2 === 0 ? channels / 2 : channels;
  const table = new Float32Array(8 * period);
  for (let i = 0; i < 4 * period; i++) {
    const [word, byte] = [Math.floor(i / 4), i % 4];
    table[8 * word + byte] = scale[i % channels]!;
    table[8 * word + 4 + byte] = offset[i % channels]!;
  }
  return table;
}

/** Fills y [B, ...] with the samples at `order[state.batchStart ..]`, bit for bit. Memory-bound. */
export function gatherSamples(samples: StoredSamples, order: DeviceArray, state: StepState, y: DeviceArray): void {
  const batch = y.shape[0]!;
  const vectorWidth = vectorWidthFor(samples.stride);
  const size = samples.stride / vectorWidth;
  for (const { words, first, count } of samples.chunks) {
    runKernel(
      y.device,
      vectorized('gather_samples', stateCode + samplesCode, vectorWidth),
      [size, batch, order.size, first, count],
      [state.buffer, words, order, y],
      [cappedWorkgroups(y.device, Math.ceil(size / 8)), cappedWorkgroups(y.device, Math.ceil(batch / 8)), y.replicas],
      { bytes: 4 * y.replicas * (2 * y.size + batch) },
    );
  }
}

/** Fills y [B] with the labels of the same batch, for samples that are not images. Memory-bound. */
export function gatherLabels(labels: DeviceArray, order: DeviceArray, state: StepState, y: DeviceArray): void {
  runKernel(
    y.device,
    { name: 'gather_labels', code: stateCode + labelsCode },
    [y.size, order.size],
    [state.buffer, labels, order, y],
    elementwiseWorkgroups(y.size, y.replicas),
    { bytes: 12 * y.replicas * y.size },
  );
}

/**
 * Copies y [B, ...] to the rows from `state.batchStart` on of result [capacity, ...], modulo its capacity, which is a multiple of the batch
 * size. Memory-bound.
 */
export function storeBatch(y: DeviceArray, state: StepState, result: DeviceArray): void {
  const [capacity] = result.shape as [number];
  const replicas = commonReplicas('storeBatch', [y, result]);
  runKernel(
    y.device,
    { name: 'store_batch', code: stateCode + storeBatchCode },
    [y.size, result.size / capacity, capacity],
    [state.buffer, y, result],
    gridStrideWorkgroups(y.size, replicas),
    { bytes: 8 * replicas * y.size },
  );
}
