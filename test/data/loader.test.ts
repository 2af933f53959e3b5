import { expect, test } from 'vitest';
import {
  ArgumentError,
  confusionMatrix,
  DataError,
  Dense,
  Flatten,
  ImageLoader,
  type ImageSet,
  type PixelArray,
  rescale,
  Sequential,
  standardization,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

function fillPixels<Pixels extends PixelArray>(pixels: Pixels, bytes: Uint8Array): Pixels {
  pixels.set(bytes);
  return pixels;
}

describeOnDevice('ImageLoader', (device) => {
  const set = (changes: Partial<ImageSet> = {}): ImageSet => ({
    images: new Uint8Array(2 * 9),
    labels: Uint8Array.of(0, 1),
    size: 2,
    shape: [3, 3, 1],
    classes: ['a', 'b'],
    ...changes,
  });

  test.each<[string, Partial<ImageSet>, RegExp]>([
    [
      'a label out of range',
      { labels: Uint8Array.of(1, 2) },
      /label 2 of image 1 is not below the number of classes, 2/,
    ],
    ['too few pixels', { images: new Uint8Array(17) }, /2 images of 3x3x1 need 18 bytes and 2 labels.* 17 and 2/],
    ['too many labels', { labels: Uint8Array.of(0, 1, 0) }, /need 18 bytes and 2 labels.* 18 and 3/],
    ['no images', { images: new Uint8Array(0), labels: new Uint8Array(0), size: 0 }, /0 images/],
  ])('%s: DataError, and nothing is allocated', (_what, changes, message) => {
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
  ])('throws for %j', (options) => {
    expect(() => new ImageLoader(device, set(), options)).toThrow(ArgumentError);
  });

  // The channel of a byte in its word: 1, 2 and 4 channels repeat within a word, 3 after three words; odd images end within a word.
  test.each([
    [5, 3, 1],
    [4, 4, 2],
    [3, 3, 3],
    [4, 4, 3],
    [2, 3, 4],
    [3, 1, 5],
    [1, 2, 6],
  ] as [number, number, number][])('%s: scale and offset for each channel', async (...shape) => {
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
    // Multiples of 1/8 are exact in f32.
    expect(await model.predict(loader, { batchSize: 3 })).toEqual(rescale(bytes, scaling));
    // A number is the same for every channel, also if the other option is a list.
    const half = new ImageLoader(device, images, { ...scaling, scale: 0.5 });
    expect(await model.predict(half)).toEqual(rescale(bytes, { ...scaling, scale: 0.5 }));
    for (const one of [loader, half, model]) one.dispose();
  });

  test('standardization: is computed from the training images, and applied to both sets', async () => {
    const bytes = Uint8Array.from({ length: 40 * 12 }, (_, i) => (i % 3 === 1 ? 200 + ((i * 7) % 50) : (i * 31) % 90));
    const images = set({ images: bytes, labels: new Uint8Array(40), size: 40, shape: [2, 2, 3] });
    const scaling = standardization(images);
    const loader = new ImageLoader(device, images, scaling);
    const model = new Sequential([new Flatten({ inputShape: [2, 2, 3] })]).build(device);
    const values = await model.predict(loader);
    for (const channel of [0, 1, 2]) {
      const channelValues = values.filter((_, i) => i % 3 === channel);
      const mean = channelValues.reduce((sum, v) => sum + v, 0) / channelValues.length;
      expect(mean).toBeCloseTo(0, 5);
      expect(channelValues.reduce((sum, v) => sum + (v - mean) ** 2, 0) / channelValues.length).toBeCloseTo(1, 5);
    }
    for (const one of [loader, model]) one.dispose();
  });

  /** Outputs of an identity model. */
  async function valuesOf(loader: ImageLoader, batchSize = 3): Promise<Float32Array> {
    const model = new Sequential([new Flatten({ inputShape: [...loader.sampleShape] })]).build(device);
    const values = await model.predict(loader, { batchSize });
    for (const one of [loader, model]) one.dispose();
    return values;
  }

  const floats = Float32Array.from({ length: 7 * 12 }, (_, i) => ((i * 89) % 97) / 7 - 3);
  const ofFloats: Partial<ImageSet> = { labels: new Uint8Array(7), size: 7, shape: [2, 2, 3] };

  test('floats: reach the model without a changed bit if there is no scaling', async () => {
    const images = { ...set(), ...ofFloats, images: floats };
    expect(await valuesOf(new ImageLoader(device, images))).toEqual(floats);
  });

  test.each<[what: string, scale: number | number[], offset: number | number[]]>([
    ['numbers', 0.5, -2],
    ['lists', [0.5, 2, -4], [1, 0, 8]],
    ['a number beside a list', 0.25, [1, 2, 3]],
  ])('floats are scaled by %s, by channel', async (_what, scale, offset) => {
    const images = { ...set(), ...ofFloats, images: floats };
    const channelOf = (value: number | readonly number[], i: number) =>
      typeof value === 'number' ? value : value[i % 3]!;
    const expected = floats.map((x, i) => channelOf(scale, i) * x + channelOf(offset, i)); // float64, rounded once
    expect(await valuesOf(new ImageLoader(device, images, { scale, offset }))).toEqual(expected);
  });

  test('floats: give the same losses as the same bytes, with the right labels', async () => {
    const bytes = drawImages(24, { shape: [4, 4, 1], classes: 3 });
    const losses: number[][] = [];
    for (const images of [bytes, { ...bytes, images: Float32Array.from(bytes.images) }]) {
      const loader = new ImageLoader(device, images, { scale: 2 ** -8 });
      const model = new Sequential([
        new Flatten({ inputShape: [4, 4, 1] }),
        new Dense({ units: 3, activation: 'softmax' }),
      ]);
      model.build(device, { seed: 3 }).compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
      const { epochs } = await model.fit(loader, { epochs: 3, batchSize: 5 });
      losses.push([...epochs.map(({ loss }) => loss), (await model.evaluate(loader)).accuracy!]);
      for (const one of [loader, model]) one.dispose();
    }
    expect(losses[1]).toEqual(losses[0]); // by a power of 2: scaled pixels have the same bits
  });

  test.each<[what: string, make: (bytes: Uint8Array) => ImageSet<PixelArray>['images']]>([
    ['a canvas', (bytes) => Uint8ClampedArray.from(bytes)],
    ['a Buffer', (bytes) => Buffer.from(bytes)],
    ['memory that is shared', (bytes) => fillPixels(new Uint8Array(new SharedArrayBuffer(18)), bytes)],
    ['an odd place in memory', (bytes) => fillPixels(new Uint8Array(new ArrayBuffer(23), 3, 18), bytes)],
    ['floats at a place in memory', (bytes) => fillPixels(new Float32Array(new ArrayBuffer(88), 12, 18), bytes)],
  ])('bytes of %s are unchanged in the model', async (_what, make) => {
    const bytes = Uint8Array.from({ length: 18 }, (_, i) => 13 * i);
    const loader = new ImageLoader(device, { ...set(), images: make(bytes) }, { scale: 1 });
    expect(await valuesOf(loader)).toEqual(Float32Array.from(bytes));
  });

  test.each<[what: string, images: ImageSet<PixelArray>['images'], options: object, error: unknown, says: RegExp]>([
    [
      'NaN',
      Float32Array.of(...Array(13).fill(0), Number.NaN, 0, 0, 0, 0),
      {},
      DataError,
      /NaN \(sample 1 at \[1,1,0\]\)/,
    ],
    ['infinity', Float32Array.of(Infinity, ...Array(17).fill(0)), {}, DataError, /number 0 is Infinity/],
    [
      'floats that scaling makes infinite',
      new Float32Array(18).fill(1e20),
      { scale: 1e20 },
      DataError,
      /number 0 of the images is 1000+\d* .*becomes infinite with scale 100000000000000000000/,
    ],
    [
      'bytes that scaling makes infinite',
      new Uint8Array(18),
      { scale: 3e38 },
      ArgumentError,
      /a pixel of 255 becomes infinite/,
    ],
    [
      'bytes that an offset makes infinite',
      new Uint8Array(18),
      { scale: [1e36], offset: [3.4e38] },
      ArgumentError,
      /a pixel of 255 becomes infinite with scale 1e\+36 and offset 3\.4e\+38/,
    ],
    ['a scale beyond f32', new Uint8Array(18), { scale: 1e39 }, ArgumentError, /^ImageLoader: scale is 1e\+39/],
    [
      'a scale of three channels',
      new Float32Array(18),
      { scale: [1, 2, 3] },
      ArgumentError,
      /scale has 3 numbers, but.* 1 channels/,
    ],
  ])('%s: throws, and nothing is allocated', (_what, images, options, error, says) => {
    const { bytesAllocated } = device.counters;
    const make = () => new ImageLoader(device, { ...set(), images }, options);
    expect(make).toThrow(error as typeof DataError);
    expect(make).toThrow(says);
    expect(device.counters.bytesAllocated).toBe(bytesAllocated);
  });

  test('a 16-bit label is counted in its row of the confusion matrix', async () => {
    const classes = Array.from({ length: 300 }, (_, i) => `${i}`);
    const loader = new ImageLoader(device, { ...set(), classes, labels: Uint16Array.of(299, 256) });
    const model = new Sequential([
      new Flatten({ inputShape: [3, 3, 1] }),
      new Dense({ units: 300, activation: 'softmax' }),
    ]);
    model.build(device, { seed: 1 }).compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const { counts } = await confusionMatrix(model, loader);
    const total = (row: readonly number[]) => row.reduce((sum, n) => sum + n, 0);
    expect(counts.flatMap((row, label) => (total(row) > 0 ? [[label, total(row)]] : []))).toEqual([
      [256, 1],
      [299, 1],
    ]);
    for (const one of [loader, model]) one.dispose();
  });

  test.each([new Uint8Array(18).fill(51), new Float32Array(18).fill(0.2)])(
    'images without labels: predict accepts them; calls that need targets throw and say so',
    async (images) => {
      const loader = new ImageLoader(device, { ...set(), images, labels: new Uint8Array(0), classes: [] });
      expect([loader.classes, loader.labels.length]).toEqual([null, 0]);
      const model = new Sequential([
        new Dense({ units: 2, activation: 'softmax', inputShape: [3, 3, 1] }),
        new Flatten(),
      ]);
      model.build(device, { seed: 1 });
      expect([...(await model.predict(loader))].every((p) => p > 0 && p < 1)).toBe(true);
      model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
      await expect(model.fit(loader)).rejects.toThrow(/no targets to compare/);
      await expect(model.evaluate(loader)).rejects.toThrow(/no targets to compare/);
      await model.predict(loader); // after compile, programs are recorded again
      const bytes = device.counters.bytesAllocated;
      for (let i = 0; i < 3; i++) await model.predict(loader);
      expect(device.counters.bytesAllocated).toBe(bytes);
      for (const one of [loader, model]) one.dispose();
    },
  );

  test('dispose: releases the table of channels', () => {
    new ImageLoader(device, set(), { scale: [2] }).dispose();
    const pooled = device.counters.bytesAllocated;
    for (let i = 0; i < 3; i++) new ImageLoader(device, set(), { scale: [2] }).dispose();
    expect(device.counters.bytesAllocated).toBe(pooled);
  });
});
