import { expect, test } from 'vitest';
import { ArgumentError, DataError, ImageLoader, type ImageSet } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('images on their way to the adapter', (device) => {
  const set = (changes: Partial<ImageSet> = {}): ImageSet => ({
    images: new Uint8Array(2 * 9),
    labels: Uint8Array.of(0, 1),
    size: 2,
    shape: [3, 3, 1],
    classes: ['a', 'b'],
    ...changes,
  });

  test.each<[string, Partial<ImageSet>, RegExp]>([
    ['a label out of range', { labels: Uint8Array.of(1, 2) }, /label 2 of image 1 is none of the 2 classes/],
    ['too few pixels', { images: new Uint8Array(17) }, /2 images of 3x3x1 need 18 bytes and 2 labels.* 17 and 2/],
    ['too many labels', { labels: Uint8Array.of(0, 1, 0) }, /need 18 bytes and 2 labels.* 18 and 3/],
    ['no images', { images: new Uint8Array(0), labels: new Uint8Array(0), size: 0 }, /0 images/],
  ])('%s is a DataError, and nothing is allocated', (_what, changes, message) => {
    const { bytesAllocated } = device.counters;
    expect(() => new ImageLoader(device, set(changes))).toThrow(DataError);
    expect(() => new ImageLoader(device, set(changes))).toThrow(message);
    expect(device.counters.bytesAllocated).toBe(bytesAllocated);
  });

  test.each([{ scale: Number.NaN }, { offset: Number.POSITIVE_INFINITY }])('%j is refused', (options) => {
    expect(() => new ImageLoader(device, set(), options)).toThrow(ArgumentError);
  });
});
