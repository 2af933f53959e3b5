import { checkOptions, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError, DataError } from '../base/errors.ts';
import { checkSeed, RandomStream } from '../base/random.ts';
import { checkImageSet, checkLabeled } from './check-images.ts';
import { pickImages } from './select.ts';
import type { ImageSet, PixelArray } from './types.ts';

/** Options of `trainTestSplit` and `splitIndices`. */
export interface SplitOptions {
  /**
   * Size of the test part: a fraction between 0 and 1, or a number of samples from 2 up. Fractions are rounded up as in scikit-learn, but
   * without its rounding errors: 0.07 of 100 samples are 7.
   */
  testSize: number;
  /** Default 0. The same seed gives the same split everywhere. */
  seed?: number;
  /** Whether both parts have the classes in the same proportions, to within one sample. Default false. */
  stratify?: boolean;
}

/**
 * Splits images at random; both parts are in random order.
 * @throws ArgumentError for a size that leaves a part empty; DataError for a class without training images
 */
export function trainTestSplit<Pixels extends PixelArray>(
  set: ImageSet<Pixels>,
  options: SplitOptions,
): {
  /** The images to train on. */
  train: ImageSet<Pixels>;
  /** The images to test with. */
  test: ImageSet<Pixels>;
} {
  checkLabeled('trainTestSplit', checkImageSet('trainTestSplit', set));
  const { train, test } = splitIndices(set.labels, options, set.classes);
  return { train: pickImages(set, train), test: pickImages(set, test) };
}

/**
 * Like `trainTestSplit`, but for any samples: returns the indices of both parts.
 * @param labels class index of each sample
 * @param classes names of the classes, for messages
 * @throws ArgumentError, DataError
 */
export function splitIndices(
  labels: ArrayLike<number>,
  options: SplitOptions,
  classes: readonly string[] = [],
): {
  /** Indices of the samples to train on. */
  train: Uint32Array;
  /** Indices of the samples to test with. */
  test: Uint32Array;
} {
  checkLabels(labels);
  checkOptions('trainTestSplit', options, { testSize: true, seed: true, stratify: true });
  const { testSize, seed = 0, stratify = false } = options;
  checkSeed(seed, 'trainTestSplit');
  const size = labels.length;
  const count = testCount(testSize, size);
  const name = (label: number) => classes[label] ?? String(label);
  const remaining = stratify ? testQuotas(labels, count, name) : null;
  const test: number[] = [];
  const train: number[] = [];
  for (const i of new RandomStream(seed, 'split', 0).permutation(size)) {
    const label = labels[i]!;
    const isTest = remaining ? remaining.get(label)! > 0 : test.length < count;
    if (isTest) remaining?.set(label, remaining.get(label)! - 1);
    (isTest ? test : train).push(i);
  }
  const trained = new Set(train.map((i) => labels[i]!));
  const missing = test.find((i) => !trained.has(labels[i]!));
  if (missing !== undefined) {
    throw new DataError(
      `trainTestSplit: every sample of class ${name(labels[missing]!)} is in the test part, so training would never see it; ` +
        'use stratify: true, another seed or a smaller testSize',
    );
  }
  return { train: Uint32Array.from(train), test: Uint32Array.from(test) };
}

/** @throws ArgumentError unless there is one label, a number or a name, for each sample */
function checkLabels(labels: ArrayLike<unknown>): void {
  const read = () => (typeof labels === 'object' && typeof labels?.length === 'number' ? Array.from(labels) : null);
  const all = tryRead('trainTestSplit: labels', read);
  if (!all) {
    throw new ArgumentError(
      `trainTestSplit: takes the labels, one for each sample, but was given ${formatValue(labels)}`,
    );
  }
  const isLabel = (label: unknown) => typeof label === 'string' || Number.isInteger(label);
  const bad = all.findIndex((label) => !isLabel(label));
  if (bad >= 0) {
    throw new ArgumentError(
      `trainTestSplit: the label of sample ${bad} must be an integer or a name, but is ${formatValue(all[bad])}`,
    );
  }
}

/** @throws ArgumentError unless both parts get a sample */
function testCount(testSize: number, size: number): number {
  const isCount = Number.isInteger(testSize) && testSize >= 2;
  if (!isCount && !(typeof testSize === 'number' && testSize > 0 && testSize < 1)) {
    throw new ArgumentError(
      `trainTestSplit: testSize must be between 0 and 1, or a number of samples from 2 up, but is ${formatValue(testSize)}`,
    );
  }
  const count = isCount ? testSize : Math.ceil(testSize * size - 1e-9); // 0.07 * 100 is 7.000000000000001
  if (count >= size) {
    throw new ArgumentError(
      `trainTestSplit: testSize ${testSize} leaves no training sample of ${size}; give a smaller one`,
    );
  }
  return count;
}

/**
 * Number of test samples of each class. Shares are rounded down; then the classes with the largest remainders get one more each, until
 * there are `count`. At least one sample of each class stays for training. @throws DataError if there are too few samples
 */
function testQuotas(labels: ArrayLike<number>, count: number, name: (label: number) => string): Map<number, number> {
  const classSizes = new Map<number, number>();
  for (const label of Array.from(labels)) classSizes.set(label, (classSizes.get(label) ?? 0) + 1);
  const shares = [...classSizes]
    .sort(([a], [b]) => a - b)
    .map(([label, n]) => ({ label, n, share: (n * count) / labels.length }));
  const tooSmall = shares.find(({ n }) => n < 2);
  if (tooSmall) {
    throw new DataError(
      `trainTestSplit: class ${name(tooSmall.label)} has a single sample, but stratify needs one for each part; ` +
        'leave the class out with chooseClasses, or give stratify: false',
    );
  }
  if (count > labels.length - shares.length) {
    throw new DataError(
      `trainTestSplit: a test part of ${count} leaves ${labels.length - count} training samples, but ${shares.length} classes need one each; give a smaller testSize`,
    );
  }
  const counts = new Map(shares.map(({ label, n, share }) => [label, Math.min(Math.floor(share), n - 1)]));
  let missing = count - [...counts.values()].reduce((sum, taken) => sum + taken, 0);
  const byRemainder = [...shares].sort((a, b) => (b.share % 1) - (a.share % 1) || a.label - b.label);
  while (missing > 0) {
    for (const { label, n } of byRemainder) {
      if (missing === 0 || counts.get(label)! >= n - 1) continue;
      counts.set(label, counts.get(label)! + 1);
      missing--;
    }
  }
  return counts;
}
