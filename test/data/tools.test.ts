import { expect, test } from 'vitest';
import {
  ArgumentError,
  chooseClasses,
  choosePerClass,
  DataError,
  firstImages,
  type ImageSet,
  pickImages,
  rescale,
  scaleTo,
  splitIndices,
  standardization,
  toCategorical,
  trainTestSplit,
} from '../../src/node.ts';

/** Images whose first byte is their index and whose second is their label, so that a mix-up is detected. */
function numberedImages(labels: number[], classes = ['cat', 'dog', 'bird']): ImageSet {
  const size = labels.length;
  return {
    images: Uint8Array.from({ length: 2 * size }, (_, i) => (i % 2 === 0 ? i / 2 : labels[(i - 1) / 2]!)),
    labels: Uint8Array.from(labels),
    size,
    shape: [1, 2, 1],
    classes,
  };
}
const numbersOf = ({ images }: ImageSet) => Array.from(images.filter((_, i) => i % 2 === 0));
const counts = ({ labels, classes }: ImageSet) => classes.map((_, c) => labels.filter((label) => label === c).length);

/** 30 cats, 15 dogs, 6 birds. */
const set = numberedImages(Array.from({ length: 51 }, (_, i) => (i < 30 ? 0 : i < 45 ? 1 : 2)));

test('trainTestSplit: has every image once, with its label; the same seed gives the same split', () => {
  const { train, test: apart } = trainTestSplit(set, { testSize: 0.2, seed: 42 });
  // scikit-learn rounds the test part up: 10.2.
  expect([train.size, apart.size]).toEqual([40, 11]);
  const all = [...numbersOf(train), ...numbersOf(apart)];
  expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: 51 }, (_, i) => i));
  expect(all).not.toEqual([...all].sort((a, b) => a - b));
  for (const part of [train, apart]) {
    expect(Array.from(part.images.filter((_, i) => i % 2 === 1))).toEqual(Array.from(part.labels));
    expect([part.shape, part.classes]).toEqual([set.shape, set.classes]);
  }
  expect(trainTestSplit(set, { testSize: 0.2, seed: 42 })).toEqual({ train, test: apart });
  expect(numbersOf(trainTestSplit(set, { testSize: 0.2, seed: 43 }).test)).not.toEqual(numbersOf(apart));
  expect(trainTestSplit(set, { testSize: 7 }).test.size).toBe(7);
  // 0.07 of 100 are 7, though not in floating point.
  expect(splitIndices(new Uint8Array(100), { testSize: 0.07 }).test).toHaveLength(7);
});

test.each([
  { testSize: 1 / 3, parts: [10, 5, 2] },
  { testSize: 0.1, parts: [3, 2, 1] }, // 6 of 51: shares 3.53, 1.76, 0.71, of which dog and bird have the largest remainders
  { testSize: 26, parts: [15, 8, 3] }, // shares 15.29, 7.65, 3.06
  { testSize: 48, parts: [29, 14, 5] }, // shares 28.24, 14.12, 5.65, but one bird must stay for training
])('stratified, testSize $testSize: both parts have the class proportions', ({ testSize, parts }) => {
  const { train, test: apart } = trainTestSplit(set, { testSize, seed: 3, stratify: true });
  expect(counts(apart)).toEqual(parts);
  expect(counts(train)).toEqual([30, 15, 6].map((n, c) => n - parts[c]!));
});

test.each([0, 1, -0.1, 1.5, Number.NaN, 51, '0.2'])('trainTestSplit: throws for testSize %s', (testSize) => {
  expect(() => trainTestSplit(set, { testSize: testSize as number })).toThrow(ArgumentError);
  expect(() => trainTestSplit(set, { testSize: testSize as number })).toThrow(/testSize/);
});

test('trainTestSplit: throws if a class would be missing from training', () => {
  const rare = numberedImages([0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
  const tries = Array.from({ length: 30 }, (_, seed) => () => trainTestSplit(rare, { testSize: 0.5, seed }));
  const errors = tries.flatMap((attempt) => {
    try {
      expect(counts(attempt().train)[2]).toBe(1);
      return [];
    } catch (error) {
      return [error];
    }
  });
  expect(errors.length).toBeGreaterThan(5);
  expect(errors.length).toBeLessThan(25);
  for (const error of errors) {
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(/class bird .*stratify: true/);
  }
  expect(() => trainTestSplit(rare, { testSize: 0.5, stratify: true })).toThrow(/class bird has a single sample/);
  expect(() => trainTestSplit(set, { testSize: 49, stratify: true })).toThrow(
    /leaves 2 training samples, but 3 classes need one each/,
  );
  // A class without any images is not an error.
  expect(trainTestSplit(numberedImages([0, 0, 1, 1]), { testSize: 2, stratify: true }).train.classes).toHaveLength(3);
});

test('firstImages, pickImages: return images, labels and files of the given indices', () => {
  expect(numbersOf(firstImages(set, 3))).toEqual([0, 1, 2]);
  expect(firstImages(set, 51)).toEqual(set);
  const picked = pickImages(set, [50, 0, 0]);
  expect([numbersOf(picked), Array.from(picked.labels), picked.size]).toEqual([[50, 0, 0], [2, 0, 0], 3]);
  for (const count of [0, 52, 1.5]) expect(() => firstImages(set, count)).toThrow(/from 1 to 51/);
  expect(() => pickImages(set, [51])).toThrow(/indices must be integers from 0 to 50, but index 0 is 51/);
});

test('chooseClasses: renumbers labels in the given order and keeps the names', () => {
  const chosen = chooseClasses(set, ['bird', 'cat']);
  expect(chosen.classes).toEqual(['bird', 'cat']);
  expect(counts(chosen)).toEqual([6, 30]);
  expect(numbersOf(chosen).slice(-6)).toEqual([45, 46, 47, 48, 49, 50]);
  expect(Array.from(chosen.labels.slice(-6))).toEqual([0, 0, 0, 0, 0, 0]);
  expect(chooseClasses(set, [2, 0])).toEqual(chosen);
  expect(chooseClasses(set, [0, 1, 2])).toEqual(set);
});

test.each<[string, () => unknown, new (...of: never[]) => Error, RegExp]>([
  [
    'a name there is not',
    () => chooseClasses(set, ['fish']),
    ArgumentError,
    /no class "fish"; there are cat, dog, bird/,
  ],
  ['a class that does not exist', () => chooseClasses(set, [3]), ArgumentError, /no class 3/],
  ['one twice', () => chooseClasses(set, ['dog', 1]), ArgumentError, /dog was given twice/],
  ['none', () => chooseClasses(set, []), ArgumentError, /list of classes/],
  [
    'a class without images',
    () => chooseClasses(numberedImages([0, 1]), ['bird']),
    DataError,
    /no image of class bird/,
  ],
  ['too many images of a class', () => choosePerClass(set, 7), DataError, /bird has 6 images, fewer than count, 7/],
  ['no number', () => choosePerClass(set, 0), ArgumentError, /positive integer/],
  ['a range upside down', () => scaleTo(1, 0), ArgumentError, /ascending/],
  ['standardizing nothing', () => standardization([]), DataError, /no numbers/],
  ['standardizing NaN', () => standardization([1, Number.NaN]), DataError, /number 1 is NaN/],
  ['channels that do not fit', () => standardization([1, 2, 3], 2), ArgumentError, /multiple of 2/],
  ['channels that do not fit', () => rescale([1, 2, 3], { scale: [1, 2], offset: 0 }), ArgumentError, /multiple of 2/],
  ['a label too large', () => toCategorical([0, 3], 3), DataError, /label 3 of sample 1/],
  ['a label that is not an integer', () => toCategorical([0.5]), DataError, /label 0.5/],
  ['half a class', () => toCategorical([0, 1], 2.5), ArgumentError, /classes.*2\.5/],
])('throws for %s', (_what, call, error, says) => {
  expect(call).toThrow(error);
  expect(call).toThrow(says);
});

test('choosePerClass: takes the first of each class, or random ones by seed', () => {
  expect(numbersOf(choosePerClass(set, 2))).toEqual([0, 1, 30, 31, 45, 46]);
  const drawn = choosePerClass(set, 5, { seed: 1 });
  expect(counts(drawn)).toEqual([5, 5, 5]);
  expect(choosePerClass(set, 5, { seed: 1 })).toEqual(drawn);
  expect(numbersOf(choosePerClass(set, 5, { seed: 2 }))).not.toEqual(numbersOf(drawn));
  expect(Array.from(drawn.labels)).not.toEqual(Array.from(drawn.labels).sort());
});

test('toCategorical: returns one-hot rows', () => {
  expect(Array.from(toCategorical([1, 0, 2]))).toEqual([0, 1, 0, 1, 0, 0, 0, 0, 1]);
  expect(Array.from(toCategorical([1], 4))).toEqual([0, 1, 0, 0]);
});

test('scaling: to 0 .. 1, to -1 .. 1, and to mean 0 and deviation 1 for each channel', () => {
  expect(scaleTo(0, 1)).toEqual({ scale: 1 / 255, offset: 0 });
  expect(Array.from(rescale([0, 127.5, 255], scaleTo(-1, 1)))).toEqual([-1, 0, 1]);

  // Channels (1, 10, 7), (3, 30, 7), (5, 20, 7).
  const numbers = [1, 10, 7, 3, 30, 7, 5, 20, 7];
  const { mean, deviation, ...scaling } = standardization(numbers, 3);
  expect(mean.map((m) => Math.round(m * 1e9) / 1e9)).toEqual([3, 20, 7]);
  expect(deviation[0]).toBeCloseTo(Math.sqrt(8 / 3), 12);
  expect(deviation[2]).toBe(0);
  const scaled = rescale(numbers, scaling);
  for (const channel of [0, 1]) {
    const values = [0, 1, 2].map((row) => scaled[3 * row + channel]!);
    expect(values.reduce((sum, v) => sum + v, 0)).toBeCloseTo(0, 6);
    expect(values.reduce((sum, v) => sum + v * v, 0) / 3).toBeCloseTo(1, 6);
  }
  expect(scaled[2]).toBeCloseTo(0, 6);
  // A large mean with a small deviation, for which sums of squares would cancel.
  expect(standardization([1e8, 1e8 + 1, 1e8 + 2]).deviation[0]).toBeCloseTo(Math.sqrt(2 / 3), 6);
  // A constant whose mean of ten differs in floating point.
  const constant = Array<number>(10).fill(0.1);
  expect(standardization(constant)).toMatchObject({ mean: [0.1], deviation: [0], scale: [1] });
  expect(Array.from(rescale([0.1, 0.35], standardization(constant)), (v) => v.toFixed(6))).toEqual([
    '0.000000',
    '0.250000',
  ]);
});
