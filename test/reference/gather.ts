import { type NdArray, ndarray, sizeOf } from './ndarray.ts';

/** batch[b, ...] = images[order[b], ...] / 255: bytes to values between 0 and 1. */
export function gatherImages(images: Uint8Array, imageShape: readonly number[], order: ArrayLike<number>): NdArray {
  const size = sizeOf(imageShape);
  const batch = ndarray([order.length, ...imageShape]);
  for (let b = 0; b < order.length; b++) {
    for (let i = 0; i < size; i++) batch.data[b * size + i] = images[order[b]! * size + i]! / 255;
  }
  return batch;
}

/** labels[order[b]] */
export function gatherLabels(labels: ArrayLike<number>, order: ArrayLike<number>): NdArray {
  return ndarray(
    [order.length],
    Array.from(order, (i) => labels[i]!),
  );
}
