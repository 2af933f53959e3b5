import sharp from 'sharp';
import { afterEach, expect, test, vi } from 'vitest';
import {
  ArgumentError,
  DataError,
  Dense,
  Flatten,
  ImageLoader,
  type ImagesFromOptions,
  imageFolder,
  imagesFrom,
  type PictureSource,
  Sequential,
} from '../../src/node.ts';
import golden from '../golden/files/pictures.json' with { type: 'json' };
import { describeOnDevice } from '../support/device.ts';
import { random } from '../support/random.ts';
import { folderOf, png } from './pictures.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

/** A picture like `ImageData`. */
const imageData = (width: number, height: number, pixelAt: (i: number, c: number) => number) => ({
  ...{ width, height },
  data: Uint8ClampedArray.from({ length: 4 * width * height }, (_, k) => pixelAt(Math.floor(k / 4), k % 4)),
});
const opaque = (width: number, height: number, rgb: ArrayLike<number>) =>
  imageData(width, height, (i, c) => (c === 3 ? 255 : rgb[3 * i + c]!));
const drawPicture = (width: number, height: number, seed: number, alpha = false) => {
  const values = random(seed);
  return imageData(width, height, (_, c) => (c === 3 && !alpha ? 255 : values.integer(0, 255)));
};

/** Weights of a triangle filter as a matrix [out, in], from its definition; pixels outside the line have no weight. */
function triangle(length: number, out: number): number[][] {
  const wide = Math.max(1, length / out);
  return Array.from({ length: out }, (_, i) => {
    const middle = ((i + 0.5) * length) / out;
    const row = Array.from({ length }, (_, j) => Math.max(0, wide - Math.abs(j + 0.5 - middle)));
    const sum = row.reduce((a, b) => a + b);
    return row.map((w) => w / sum);
  });
}

/** A resized picture in float64, from the definition: rows * picture * columns, with colors weighted by their alpha. */
function reference({ width, height, data }: ReturnType<typeof imageData>, [h, w]: readonly [number, number]): number[] {
  const [rows, columns] = [triangle(height, h), triangle(width, w)];
  const plane = (value: (index: number) => number) => (y: number, x: number) => {
    let sum = 0;
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) sum += rows[y]![i]! * columns[x]![j]! * value(4 * (i * width + j));
    return sum;
  };
  const alpha = plane((index) => data[index + 3]! / 255);
  const channels = [0, 1, 2].map((c) => plane((index) => (data[index + c]! * data[index + 3]!) / 255));
  return Array.from({ length: h * w }, (_, i) => {
    const [y, x] = [Math.floor(i / w), i % w];
    const a = alpha(y, x);
    return [...channels.map((of) => (a > 0 ? of(y, x) / a : 0)), 255 * a];
  }).flat();
}
const maxDifference = (pixels: ArrayLike<number>, expected: ArrayLike<number>) =>
  Math.max(
    ...Array.from(pixels, (value, i) => Math.abs(value - expected[i]!)),
    Math.abs(pixels.length - expected.length),
  );

test('imagesFrom: keeps the bytes of ImageData of one size', () => {
  const pictures = [drawPicture(5, 3, 1), drawPicture(5, 3, 2)];
  const { images, ...rest } = imagesFrom(pictures, { labels: ['dog', 'cat'] });
  expect(rest).toEqual({ labels: Uint8Array.of(1, 0), size: 2, shape: [3, 5, 3], classes: ['cat', 'dog'] });
  expect([...images]).toEqual(pictures.flatMap(({ data }) => [...data].filter((_, i) => i % 4 !== 3)));
});

test.each<[from: [number, number], to: [number, number]]>([
  [
    [7, 5],
    [3, 2],
  ],
  [
    [5, 7],
    [9, 4],
  ],
  [
    [4, 4],
    [4, 9],
  ],
  [
    [1, 6],
    [3, 3],
  ],
  [
    [31, 17],
    [1, 1],
  ],
  [
    [64, 48],
    [5, 11],
  ],
])(
  'imagesFrom: %j (width, height) to %j (height, width) is bilinear as in float64, within rounding',
  ([width, height], size) => {
    for (const alpha of [false, true]) {
      const picture = drawPicture(width, height, 3, alpha);
      const { images, shape } = imagesFrom([picture], { size, colorMode: 'rgba' });
      expect(shape).toEqual([...size, 4]);
      expect(maxDifference(images, reference(picture, size))).toBeLessThan(0.51);
    }
  },
);

test.each(golden.resize.to)('imagesFrom: resizes to $size as Pillow, within its rounding', ({ size, rgb }) => {
  const { images } = imagesFrom([opaque(5, 7, golden.resize.rgb)], { size: size as [number, number] });
  expect(maxDifference(images, rgb)).toBeLessThanOrEqual(1);
});

test('colors of transparent pixels have no effect; fully transparent pixels are the background', () => {
  const half = imageData(2, 1, (i, c) => [[250, 0, 0, 0], [0, 0, 200, 255]][i]![c]!); // biome-ignore format: as pixels
  expect([...imagesFrom([half], { size: 1, colorMode: 'rgba' }).images]).toEqual([0, 0, 200, 128]);
  expect([...imagesFrom([half], { background: [1, 2, 3] }).images]).toEqual([1, 2, 3, 0, 0, 200]);
  expect([...imagesFrom([half]).images].slice(0, 3)).toEqual([255, 255, 255]);
});

test('cropToAspectRatio: crops the center, in both directions', () => {
  const rows = Array.from({ length: 6 }, (_, y) => [10 * y, 10 * y, 10 * y]).flat();
  const [high, wide] = [opaque(1, 6, rows), opaque(6, 1, rows)];
  const options = { cropToAspectRatio: true, colorMode: 'grayscale' } as const;
  expect([...imagesFrom([high], { ...options, size: [2, 1] }).images]).toEqual([20, 30]);
  expect([...imagesFrom([wide], { ...options, size: [1, 4] }).images]).toEqual([10, 20, 30, 40]);
  expect([...imagesFrom([high, wide], { ...options, size: 1 }).images]).toEqual([20, 20]);
});

test('nearest: takes the pixel with the nearest center', () => {
  const row = opaque(
    5,
    1,
    [0, 10, 20, 30, 40].flatMap((v) => [v, v, v]),
  );
  const nearest = (size: [number, number]) => [
    ...imagesFrom([row], { size, interpolation: 'nearest', colorMode: 'grayscale' }).images,
  ];
  expect(nearest([1, 2])).toEqual([10, 30]);
  expect(nearest([1, 10])).toEqual([0, 0, 10, 10, 20, 20, 30, 30, 40, 40]);
});

test.each([
  ['small', 41, 29, false, 0],
  ['small, cropped', 41, 29, true, 0],
  ['large, which sharp reduces first', 640, 480, false, 3],
  ['large, cropped', 640, 480, true, 4],
] as const)(
  'imagesFrom: gives the same pixels as imageFolder for a picture file: %s',
  async (_what, width, height, cropToAspectRatio, allowed) => {
    // Smooth, with an edge, like photographs.
    const picture = imageData(width, height, (i, c) => {
      const [x, y] = [(i % width) / width, Math.floor(i / width) / height];
      return c === 3 ? 255 : 127 + 90 * Math.sin(6 * x + 2 * c) * Math.cos(5 * y) + (x > y ? 30 : 0);
    });
    const options = { size: [16, 24], cropToAspectRatio } as const;
    const file = png(width, height, 'rgba', picture.data);
    const { images } = await imageFolder(folderOf({ 'a/1.png': file }), options);
    expect(maxDifference(images, imagesFrom([picture], options).images)).toBeLessThanOrEqual(allowed);
  },
);

test('imagesFrom: numbers as labels; many classes', () => {
  const pictures = [drawPicture(1, 1, 1), drawPicture(1, 1, 2)];
  expect(imagesFrom(pictures, { labels: [1, 0], classNames: ['x', 'y'] })).toMatchObject({
    labels: Uint8Array.of(1, 0),
    classes: ['x', 'y'],
  });
  const classNames = Array.from({ length: 300 }, (_, i) => `class ${i}`);
  expect(imagesFrom(pictures, { labels: ['class 299', 'class 256'], classNames }).labels).toEqual(
    Uint16Array.of(299, 256),
  );
});

/** A canvas that draws the pixels of its pictures, and throws as those of browsers do. */
class FakeCanvas {
  private picture: { pixels?: Uint8ClampedArray } = {};
  constructor(
    readonly width: number,
    readonly height: number,
  ) {}
  getContext() {
    return {
      drawImage: (picture: { pixels?: Uint8ClampedArray }) => {
        if (!picture.pixels) throw new TypeError('the ImageBitmap is detached');
        this.picture = picture;
      },
      getImageData: (x: number, y: number, width: number, height: number) => {
        expect([x, y, width, height]).toEqual([0, 0, this.width, this.height]);
        return { data: this.picture.pixels! };
      },
    };
  }
}

test('imagesFrom: draws an ImageBitmap at its size, and resizes it like ImageData', () => {
  vi.stubGlobal('OffscreenCanvas', FakeCanvas);
  const data = drawPicture(9, 6, 4);
  const bitmap = { width: 9, height: 6, pixels: data.data, close() {} };
  expect(imagesFrom([bitmap], { size: 4 })).toEqual(imagesFrom([data], { size: 4 }));
  expect(() => imagesFrom([{ width: 9, height: 6 }])).toThrow(DataError);
  expect(() => imagesFrom([data, { width: 9, height: 6 }])).toThrow(
    /picture 1: its pixels cannot be read \(the ImageBitmap is detached\); give an ImageBitmap that is not closed/,
  );
});

const one = drawPicture(2, 2, 1);
const throwing = Object.defineProperty({ height: 2 }, 'width', {
  get() {
    throw new Error('of a proxy');
  },
});
test.each<[what: string, pictures: unknown, options: object, error: unknown, says: RegExp]>([
  ['no list', one, {}, ArgumentError, /takes a list of pictures, such as \[imageData\]/],
  ['an empty list', [], {}, DataError, /there are no pictures in the list/],
  ['undefined', undefined, {}, ArgumentError, /takes a list of pictures/],
  ['a hole', [one, undefined], {}, ArgumentError, /picture 1 must be an ImageData, an ImageBitmap or a canvas/],
  ['a name', ['cat.png'], {}, ArgumentError, /picture 0 must be.*but is "cat\.png"; createImageBitmap creates/],
  [
    'no width, as of a closed bitmap',
    [{ width: 0, height: 0 }],
    {},
    ArgumentError,
    /picture 0 must be.*a closed ImageBitmap has none/,
  ],
  ['a getter that throws', [throwing], {}, ArgumentError, /a value cannot be read \(of a proxy\)/],
  [
    'floats',
    [{ ...one, data: new Float32Array(16) }],
    {},
    ArgumentError,
    /data must be RGBA bytes.*a Float32Array of 16/,
  ],
  ['a list as data', [{ ...one, data: Array(16).fill(0) }], {}, ArgumentError, /data must be RGBA bytes/],
  [
    'RGB',
    [{ ...one, data: new Uint8Array(12) }],
    {},
    ArgumentError,
    /2 x 2 pixels need 16 bytes of RGBA, but data has 12/,
  ],
  ['a bitmap without a browser', [{ width: 2, height: 2 }], {}, DataError, /only a browser can draw/],
  ['two sizes', [one, drawPicture(3, 2, 1)], {}, DataError, /picture 0 is 2 x 2 .*picture 1 is 2 x 3; give size/],
  ['size 0', [one], { size: 0 }, ArgumentError, /size must be/],
  [
    'too few labels',
    [one, one],
    { labels: ['a'] },
    ArgumentError,
    /labels must be a list with one for each of 2 pictures/,
  ],
  [
    'labels of two kinds',
    [one, one],
    { labels: ['a', 1], classNames: ['a', 'b'] },
    ArgumentError,
    /all be names or all be integers/,
  ],
  ['numbers without names', [one], { labels: [0] }, ArgumentError, /labels that are numbers need classNames/],
  ['names without labels', [one], { classNames: ['a'] }, ArgumentError, /classNames needs labels/],
  [
    'a label outside the classes',
    [one],
    { labels: ['b'], classNames: ['a'] },
    DataError,
    /label "b" of picture 0 is not one of the 1 classes/,
  ],
  ['a negative label', [one], { labels: [-1], classNames: ['a'] }, DataError, /label -1 of picture 0/],
  ['a class twice', [one], { labels: [0], classNames: ['a', 'a'] }, DataError, /two classes are called "a"/],
  ['an option of files', [one], { maxPixels: 3 }, ArgumentError, /no option maxPixels/],
  ['classes', [one], { classes: ['a'] }, ArgumentError, /no option classes; classNames names/],
])('throws for %s', (_what, pictures, options, error, says) => {
  const call = () => imagesFrom(pictures as PictureSource[], options as ImagesFromOptions);
  expect(call).toThrow(error as typeof DataError);
  expect(call).toThrow(says);
  expect(call).toThrow(/^imagesFrom: /);
});

test('accepts pixels that sharp decoded', async () => {
  const { data, info } = await sharp(png(2, 2, 'rgb', Array(12).fill(9)))
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([...imagesFrom([{ width: info.width, height: info.height, data }]).images]).toEqual(Array(12).fill(9));
});

describeOnDevice('imagesFrom', (device) => {
  test('trains a model that distinguishes two pictures', async () => {
    const shades = Array.from({ length: 20 }, (_, i) =>
      imageData(6, 4, (_, c) => (c === 3 ? 255 : i % 2 ? 200 + i : 2 * i)),
    );
    const images = imagesFrom(shades, { size: 3, labels: shades.map((_, i) => (i % 2 ? 'light' : 'dark')) });
    const model = new Sequential([
      new Flatten({ inputShape: images.shape }),
      new Dense({ units: 2, activation: 'softmax' }),
    ]);
    model.build(device, { seed: 1 }).compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    const loader = new ImageLoader(device, images);
    await model.fit(loader, { epochs: 60, batchSize: 10 });
    const outputs = await model.predict(new ImageLoader(device, imagesFrom([shades[3]!], { size: 3 })));
    expect(outputs[images.classes.indexOf('light')]).toBeGreaterThan(0.5);
    for (const one of [loader, model]) one.dispose();
  });
});
