import type { ImageSet } from '../src/data/types.ts';
import { firstImages } from '../src/index.ts';
import { imageGrid, runCurves, table } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import type { BlockInput, ComparisonInput } from '../src/report/content.ts';
import { imageFromBytes } from '../src/report/figures/images.ts';
import { lastFigures, type Training } from '../src/report/training.ts';
import type { Predictions } from './d-predictions.ts';

/** Compares the smallest and the largest of the models' figures with those that the original reads off its plot. */
export const rangeRows = (
  quantity: string,
  [low, high]: readonly [number, number],
  figures: readonly number[],
  unit: ComparisonInput['unit'] = 'number',
): ComparisonInput[] => [
  { label: `smallest ${quantity}`, published: low, ours: Math.min(...figures), unit },
  { label: `largest ${quantity}`, published: high, ours: Math.max(...figures), unit },
];

/** Plots training and test accuracy of every model over the epochs, as the coursework does. */
export const accuracyPlots = (training: Training, title: string, prefix = ''): BlockInput[] => [
  runCurves(training, {
    ...{ title: `${title}: training accuracy`, name: `${prefix} training accuracy` },
    ...{ measure: 'accuracy', label: 'training accuracy', format: '.2f' },
  }),
  runCurves(training, {
    ...{ title: `${title}: test accuracy`, name: `${prefix} test accuracy` },
    ...{ measure: 'valAccuracy', label: 'test accuracy', format: '.2f' },
  }),
];

/** Plots training and test error of every model over the epochs. */
export const errorPlots = (training: Training, title: string): BlockInput[] => [
  runCurves(training, {
    ...{ title: `${title}: training error`, name: 'training error' },
    ...{ measure: 'loss', label: 'training error (loss)' },
  }),
  runCurves(training, {
    ...{ title: `${title}: test error`, name: 'test error' },
    ...{ measure: 'valLoss', label: 'test error (loss)' },
  }),
];

/** One row per model: errors and accuracies after the last epoch and, with `predictions`, its dead outputs. */
export function runsTable(training: Training, caption: string, predictions?: readonly Predictions[]): BlockInput {
  const figures = ['loss', 'valLoss', 'accuracy', 'valAccuracy'].map((name) => lastFigures(training, name));
  return table(
    [
      ...['seed', 'training error', 'test error', 'training accuracy', 'test accuracy'],
      ...(predictions ? ['dead outputs'] : []),
    ],
    training.seeds.map((seed, i) => [
      String(seed),
      ...figures.map((values) => accuracyText(values[i])),
      ...(predictions ? [predictions[i]!.dead.join(', ') || 'none'] : []),
    ]),
    caption,
  );
}

/** Shows the first ten images with the names of their classes. */
export const firstTen = (set: ImageSet): BlockInput => {
  const { images, labels, classes, size, shape } = firstImages(set, Math.min(10, set.size));
  const [height, width, channels] = shape;
  const bytes = height * width * channels;
  return imageGrid({
    ...{ name: 'first-ten', title: 'The first ten training images', columns: 5 },
    images: Array.from({ length: size }, (_, i) =>
      imageFromBytes(images.subarray(i * bytes, (i + 1) * bytes), {
        ...{ height, width, channels, caption: classes[labels[i]!]! },
      }),
    ),
  });
};
