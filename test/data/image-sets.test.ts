import { afterEach, expect, test } from 'vitest';
import {
  ArgumentError,
  chooseClasses,
  choosePerClass,
  DataError,
  Dense,
  firstImages,
  ImageLoader,
  type ImageSet,
  pickImages,
  rescale,
  Sequential,
  ShapeError,
  scaleTo,
  splitIndices,
  standardization,
  tensor,
  toCategorical,
  trainTestSplit,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

const set = (changes: object = {}): ImageSet => ({
  images: Uint8Array.from({ length: 4 * 6 }, (_, i) => i),
  labels: Uint8Array.of(0, 1, 0, 1),
  size: 4,
  shape: [2, 3, 1],
  classes: ['a', 'b'],
  ...changes,
});
/** A set with a field whose getter throws. */
const withThrowing = (field: keyof ImageSet) =>
  Object.defineProperty(set(), field, {
    enumerable: true,
    get() {
      throw new Error('a getter that throws');
    },
  });
/** Detached bytes, as after a transfer to a worker. */
function detachedBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}
type ErrorClass = new (...of: never[]) => Error;

/** Invalid sets: every function that takes a set throws for them. */
const invalidSets: [what: string, set: unknown, error: ErrorClass, says: RegExp][] = [
  ['nothing', undefined, ArgumentError, /takes a set of images.*but was given undefined/],
  ['a path', 'data/mnist', ArgumentError, /takes a set of images.*but was given "data\/mnist"/],
  ['a whole data set', { train: set(), test: set() }, ArgumentError, /give its train or its test part/],
  ['a promise', Promise.resolve(set()), ArgumentError, /a Promise, to be awaited/],
  ...([Float64Array, Uint16Array, Int8Array, Int32Array, BigInt64Array] as const).map(
    (type): [string, unknown, ErrorClass, RegExp] => [
      `images of ${type.name}`,
      set({ images: new type(24) }),
      ArgumentError,
      new RegExp(
        `images must be a Uint8Array.* or a Float32Array.*Float32Array\\.from\\(images\\).*${type.name} of 24`,
      ),
    ],
  ),
  ['images as a list', set({ images: Array(24).fill(0) }), ArgumentError, /images must be a Uint8Array/],
  ['images as a view', set({ images: new DataView(new ArrayBuffer(24)) }), ArgumentError, /a DataView/],
  ['a proxy of images', set({ images: new Proxy(new Uint8Array(24), {}) }), ArgumentError, /images must be/],
  [
    'an object that inherits from bytes',
    set({ images: Object.create(Uint8Array.prototype) }),
    ArgumentError,
    /images must be/,
  ],
  ['a proxy of labels', set({ labels: new Proxy(new Uint8Array(4), {}) }), ArgumentError, /labels must be/],
  [
    'an object that inherits from labels',
    set({ labels: Object.create(Uint8Array.prototype) }),
    ArgumentError,
    /labels must be/,
  ],
  ['images that were transferred', set({ images: detachedBytes(24) }), DataError, /need 24 bytes.*there are 0 and 4/],
  ['too few floats', set({ images: new Float32Array(23) }), DataError, /need 24 numbers.*there are 23 and 4/],
  ['labels without classes', set({ classes: [], labels: new Uint8Array(4) }), ArgumentError, /classes must be/],
  ['classes without labels', set({ labels: new Uint8Array(0) }), DataError, /and 4 labels.* 24 and 0/],
  ['a label beyond a byte', set({ labels: Uint16Array.of(0, 1, 256, 1) }), DataError, /label 256 of image 2/],
  ['files of other images', set({ files: ['a.png'] }), DataError, /4 images need as many files, but there are 1/],
  ['invalid file names', set({ files: [1, 2, 3, 4] }), ArgumentError, /files must be.*\[1,2,3,4\]/],
  ['images as a buffer', set({ images: new ArrayBuffer(24) }), ArgumentError, /an ArrayBuffer/],
  ['no images', set({ images: null }), ArgumentError, /images must be a Uint8Array.*null/],
  [
    'labels as a list',
    set({ labels: [0, 1, 0, 1] }),
    ArgumentError,
    /labels must be a Uint8Array, as Uint8Array\.from\(list\)/,
  ],
  [
    'labels as names',
    set({ labels: ['a', 'b', 'a', 'b'] }),
    ArgumentError,
    /labels must be.*classes\.indexOf\(label\)/,
  ],
  ['labels as floats', set({ labels: Float32Array.of(0, 1, 0, 1) }), ArgumentError, /labels must be/],
  [
    'a label too large',
    set({ labels: Uint8Array.of(0, 1, 2, 1) }),
    DataError,
    /label 2 of image 2 is not below the number of classes, 2/,
  ],
  [
    'a size beyond the bytes',
    set({ size: 5 }),
    DataError,
    /5 images of 2x3x1 need 30 bytes and 5 labels, but there are 24 and 4/,
  ],
  ['a size beyond all memory', set({ size: 2 ** 40 }), DataError, /need \d+ bytes/],
  ['a smaller size', set({ size: 3 }), DataError, /3 images/],
  ['half an image', set({ size: 3.5 }), ArgumentError, /size must be the number of images, but is 3\.5/],
  ['a negative size', set({ size: -1 }), ArgumentError, /size must be.*-1/],
  ['no size', set({ size: undefined }), ArgumentError, /size must be.*undefined/],
  [
    'a shape without channels',
    set({ shape: [2, 3] }),
    ArgumentError,
    /shape must be \[height, width, channels\].*\[2,3\]/,
  ],
  ['a shape of zeros', set({ shape: [2, 3, 0] }), ArgumentError, /shape must be/],
  ['a shape that is not a list', set({ shape: '2x3' }), ArgumentError, /shape must be/],
  ['another shape', set({ shape: [3, 3, 1] }), DataError, /4 images of 3x3x1 need 36 bytes/],
  ['RGBA under one channel', set({ images: new Uint8Array(4 * 24) }), DataError, /need 24 bytes.*there are 96/],
  ['a number of classes', set({ classes: 2 }), ArgumentError, /classes must be the names/],
  ['classes with holes', set({ classes: new Array(2) }), ArgumentError, /classes must be the names/],
  ['a shape with a hole', set({ shape: Object.assign(new Array(3), { 0: 2, 1: 3 }) }), ArgumentError, /shape must be/],
  [
    'a field that cannot be read',
    withThrowing('labels'),
    ArgumentError,
    /: a value cannot be read \(a getter that throws\)/,
  ],
  ['no classes', set({ classes: [] }), ArgumentError, /classes must be the names/],
  ['numbered classes', set({ classes: [0, 1] }), ArgumentError, /classes must be the names.*\[0,1\]/],
  ['two classes of one name', set({ classes: ['a', 'a'] }), DataError, /two classes are called "a"/],
];

const consumers: [what: string, take: (images: ImageSet) => unknown][] = [
  ['firstImages', (images) => firstImages(images, 5)],
  ['pickImages', (images) => pickImages(images, [0])],
  ['chooseClasses', (images) => chooseClasses(images, ['a'])],
  ['choosePerClass', (images) => choosePerClass(images, 1, { seed: 1 })],
  ['trainTestSplit', (images) => trainTestSplit(images, { testSize: 0.5, stratify: true })],
];

/** The error that a call throws; undefined if it throws none. */
function errorOf(call: () => unknown): Error | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function expectErrors(name: string, take: (images: ImageSet) => unknown) {
  for (const [what, images, error, says] of invalidSets) {
    const thrown = errorOf(() => take(images as ImageSet));
    expect(thrown, what).toBeInstanceOf(error);
    expect(thrown!.message, what).toMatch(says);
    expect(thrown!.message, what).toMatch(new RegExp(`^${name}: `));
  }
}

test.each(consumers)(
  '%s: checks every field of a set of images, and its messages begin with its name',
  (name, take) => {
    expectErrors(name, take);
  },
);

test('standardization: checks sets of images', () => {
  for (const [what, images, error, says] of invalidSets) {
    if (typeof images !== 'object' || !('images' in images!)) continue;
    const thrown = errorOf(() => standardization(images as ImageSet));
    expect(thrown, what).toBeInstanceOf(error);
    expect(thrown!.message, what).toMatch(says);
  }
});

test('pickImages: takes a Buffer, and returns plain arrays', () => {
  const images = Buffer.from(set().images);
  const picked = pickImages(set({ images }), [3, 0]);
  expect(picked.images).toEqual(Uint8Array.of(18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5));
});

test.each([
  ['floats', Float32Array.from({ length: 24 }, (_, i) => i / 7)],
  ['bytes of a canvas', Uint8ClampedArray.from({ length: 24 }, (_, i) => i)],
])('%s can be selected and split like bytes, and keep their type', (_what, images) => {
  const files = ['a.png', 'b.png', 'c.png', 'd.png'];
  const floats = { ...set(), images, files };
  const picked = pickImages(floats, [3, 0]);
  expect(picked.images).toEqual(images.slice(0, 12).map((_, i) => images[i < 6 ? 18 + i : i - 6]!));
  expect(picked).toMatchObject({ labels: Uint8Array.of(1, 0), size: 2, files: ['d.png', 'a.png'] });
  expect(firstImages(floats, 1).images).toEqual(images.slice(0, 6));
  expect(chooseClasses(floats, ['b'])).toMatchObject({ labels: Uint8Array.of(0, 0), files: ['b.png', 'd.png'] });
  const { train, test } = trainTestSplit(floats, { testSize: 2, stratify: true });
  expect([...train.files!, ...test.files!].sort()).toEqual(files);
  for (const [i, file] of test.files!.entries()) {
    const offset = 6 * files.indexOf(file);
    expect(test.images.slice(6 * i, 6 * i + 6)).toEqual(images.slice(offset, offset + 6));
  }
});

test('labels of more than 256 classes are 16-bit, and keep that type', () => {
  const classes = Array.from({ length: 300 }, (_, i) => `class ${i}`);
  const many = set({ classes, labels: Uint16Array.of(299, 0, 299, 256) });
  expect(pickImages(many, [3, 0]).labels).toEqual(Uint16Array.of(256, 299));
  expect(chooseClasses(many, ['class 256', 'class 299']).labels).toEqual(Uint16Array.of(1, 1, 0));
});

test('images without labels can be selected, but not split or selected by class', () => {
  const unlabeled = set({ labels: new Uint8Array(0), classes: [] });
  expect(pickImages(unlabeled, [3, 0])).toMatchObject({ size: 2, labels: new Uint8Array(0), classes: [] });
  const calls: [string, () => unknown][] = [
    ['trainTestSplit', () => trainTestSplit(unlabeled, { testSize: 2 })],
    ['chooseClasses', () => chooseClasses(unlabeled, ['a'])],
    ['choosePerClass', () => choosePerClass(unlabeled, 1)],
  ];
  for (const [name, call] of calls) {
    expect(call, name).toThrow(DataError);
    expect(call, name).toThrow(`${name}: needs the labels of images, but these 4 images have none`);
  }
});

test.each<[what: string, call: () => unknown, error: ErrorClass, says: RegExp]>([
  [
    'names as labels',
    () => toCategorical(['cat', 'dog'] as never),
    DataError,
    /sample 0 is "cat", which is text: map labels/,
  ],
  ['truths as labels', () => toCategorical([false, true] as never), DataError, /sample 0 is false.*1 and 0/],
  [
    'one-hot rows as labels',
    () =>
      toCategorical([
        [0, 1],
        [1, 0],
      ] as never),
    ShapeError,
    /one label for each sample.*\[2,2\]/,
  ],
  ['a single label', () => toCategorical(3 as never), ArgumentError, /must be an array of numbers, but is 3/],
  [
    'NaN as a label',
    () => toCategorical([0, Number.NaN]),
    DataError,
    /label NaN of sample 1 must be an integer from 0 up/,
  ],
  ['a label beyond all memory', () => toCategorical([0, 1e15]), ArgumentError, /too many numbers/],
  [
    'numbers of two channels as three',
    () =>
      standardization(
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ] as never,
        3,
      ),
    ShapeError,
    /\[3,2\] have 2 channels, not 3/,
  ],
  ['uneven rows', () => standardization([[1, 2], [3]] as never), ShapeError, /entry 1 has shape \[1\]/],
  ['text', () => standardization(['1', '2'] as never), DataError, /number 0 is "1" \(sample 0\), which is text/],
  [
    'NaN in a row',
    () =>
      standardization([
        [1, 2],
        [3, Number.NaN],
      ] as never),
    DataError,
    /number 3 is NaN \(row 1, column 1\)/,
  ],
  ['nothing', () => standardization(null as never), ArgumentError, /must be an array|but is null/],
  [
    'rows of other channels',
    () => rescale([[1, 2, 3]] as never, { scale: [1, 2], offset: 0 }),
    ArgumentError,
    /multiple of 2/,
  ],
  ['uneven rows to scale', () => rescale([[1, 2], [3]] as never, { scale: 1, offset: 0 }), ShapeError, /entry 1/],
  [
    'a scale that is not a number',
    () => rescale([1], { scale: '2' as never, offset: 0 }),
    ArgumentError,
    /scale must be finite/,
  ],
  [
    'no scaling',
    () => rescale([1], undefined as never),
    ArgumentError,
    /rescale: options must be an object.*\{ offset, scale \}/,
  ],
  [
    'an offset that is NaN',
    () => rescale([1], { scale: 1, offset: [Number.NaN] }),
    ArgumentError,
    /offset must be finite/,
  ],
  [
    'a range in one list',
    () => scaleTo([0, 1] as never, undefined as never),
    ArgumentError,
    /given \[0,1\] and undefined/,
  ],
  [
    'one-hot rows to split by',
    () =>
      splitIndices(
        [
          [0, 1],
          [1, 0],
        ] as never,
        { testSize: 0.5 },
      ),
    ArgumentError,
    /sample 0 must be an integer or a name/,
  ],
  [
    'no labels to split by',
    () => splitIndices(undefined as never, { testSize: 0.5 }),
    ArgumentError,
    /takes the labels/,
  ],
  ['NaN to split by', () => splitIndices([0, Number.NaN], { testSize: 0.5 }), ArgumentError, /sample 1/],
  [
    'an index that is text',
    () => pickImages(set(), ['0'] as never),
    ArgumentError,
    /indices must be integers from 0 to 3, but index 0 is "0"/,
  ],
  ['one index', () => pickImages(set(), 0 as never), ArgumentError, /takes a list of image numbers, but was given 0/],
])('throws for %s', (_what, call, error, says) => {
  expect(call).toThrow(error);
  expect(call).toThrow(says);
});

test('images as nested lists: the last axis is the channels; labels may be a column', () => {
  const rows = [
    [1, 10],
    [3, 30],
  ];
  expect(standardization(rows).mean).toEqual([2, 20]);
  expect(Array.from(rescale(rows, { scale: [1, 0.1], offset: 0 }), (v) => Math.round(v))).toEqual([1, 1, 3, 3]);
  expect(Array.from(toCategorical([[1], [0]]))).toEqual([0, 1, 1, 0]);
  expect(Array.from(toCategorical({ shape: [2], data: BigInt64Array.of(1n, 0n) }))).toEqual([0, 1, 1, 0]);
  expect(splitIndices(['a', 'b', 'a', 'b'] as never, { testSize: 2, stratify: true }).test).toHaveLength(2);
});

describeOnDevice('a failed upload', (device) => {
  // After the errors, the device still works, and has no more memory allocated.
  afterEach(async () => {
    using x = tensor(device, [1, 2], [2]);
    expect([...(await x.data())]).toEqual([1, 2]);
  });

  test('ImageLoader: checks every field, allocates nothing for a broken set, and leaves the device usable', () => {
    const { bytesAllocated } = device.counters;
    expectErrors('ImageLoader', (images) => new ImageLoader(device, images));
    expect(device.counters.bytesAllocated).toBe(bytesAllocated);
  });

  test('ImageLoader: allocates nothing for a set whose pixels have an unsupported type', async () => {
    expect(() => new ImageLoader(device, set({ images: new Float64Array(24) }))).toThrow(ArgumentError);
    await device.sync();
    using loader = new ImageLoader(device, set());
    using model = new Sequential([new Dense({ units: 1, inputShape: [2, 3, 1], kernelInitializer: 'ones' })]).build(
      device,
    );
    expect((await model.predict(loader))[23]).toBeCloseTo(23 / 255, 6);
  });
});
