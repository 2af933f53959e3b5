import { expect, test } from 'vitest';
import {
  ArgumentError,
  DataError,
  Flatten,
  ImageLoader,
  type ImageSet,
  rescale,
  Sequential,
  standardization,
} from '../../src/node.ts';
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

  test.each([
    { scale: Number.NaN },
    { offset: Number.POSITIVE_INFINITY },
    { scale: [1, 2] },
    { offset: [Number.NaN] },
    { offset: '1' as unknown as number },
  ])('%j is refused', (options) => {
    expect(() => new ImageLoader(device, set(), options)).toThrow(ArgumentError);
  });

  // Channels of a byte's place in its word: 1, 2 and 4 come round within a word, 3 after three; odd images end within one.
  test.each([
    [5, 3, 1],
    [4, 4, 2],
    [3, 3, 3],
    [4, 4, 3],
    [2, 3, 4],
    [3, 1, 5],
    [1, 2, 6],
  ] as [number, number, number][])('%s: each channel has a scale and an offset of its own', async (...shape) => {
    const [count, channels] = [7, shape[2]];
    const pixels = shape[0] * shape[1] * channels;
    const bytes = Uint8Array.from({ length: count * pixels }, (_, i) => (i * 89) % 256);
    const images = set({ images: bytes, labels: new Uint8Array(count), size: count, shape });
    const scaling = {
      scale: Array.from({ length: channels }, (_, c) => (c + 1) / 8),
      offset: Array.from({ length: channels }, (_, c) => c - 2),
    };
    const loader = new ImageLoader(device, images, scaling);
    const model = new Sequential([new Flatten({ inputShape: shape })]).build(device);
    // Eighths and whole numbers: exact in f32.
    expect(await model.predict(loader, { batchSize: 3 })).toEqual(rescale(bytes, scaling));
    // A number beside a list stands for every channel.
    const half = new ImageLoader(device, images, { ...scaling, scale: 0.5 });
    expect(await model.predict(half)).toEqual(rescale(bytes, { ...scaling, scale: 0.5 }));
    for (const made of [loader, half, model]) made.dispose();
  });

  test('standardised by the training images, both sets alike', async () => {
    const bytes = Uint8Array.from({ length: 40 * 12 }, (_, i) => (i % 3 === 1 ? 200 + ((i * 7) % 50) : (i * 31) % 90));
    const images = set({ images: bytes, labels: new Uint8Array(40), size: 40, shape: [2, 2, 3] });
    const scaling = standardization(images);
    const loader = new ImageLoader(device, images, scaling);
    const model = new Sequential([new Flatten({ inputShape: [2, 2, 3] })]).build(device);
    const values = await model.predict(loader);
    for (const channel of [0, 1, 2]) {
      const own = values.filter((_, i) => i % 3 === channel);
      const mean = own.reduce((sum, v) => sum + v, 0) / own.length;
      expect(mean).toBeCloseTo(0, 5);
      expect(own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / own.length).toBeCloseTo(1, 5);
    }
    for (const made of [loader, model]) made.dispose();
  });

  test('a table of channels is released with the loader', () => {
    new ImageLoader(device, set(), { scale: [2] }).dispose();
    const pooled = device.counters.bytesAllocated;
    for (let i = 0; i < 3; i++) new ImageLoader(device, set(), { scale: [2] }).dispose();
    expect(device.counters.bytesAllocated).toBe(pooled);
  });
});
