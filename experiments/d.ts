import type { ExperimentContext, Network, Settings } from '../src/cli/experiment.ts';
import type { ImageSet, LabelArray } from '../src/data/types.ts';
import {
  Adam,
  Dense,
  Flatten,
  firstImages,
  type Layer,
  mean,
  type Optimizer,
  Sequential,
  square,
  sub,
  type Tensor,
} from '../src/index.ts';
import { imageGrid, runCurves, table } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import type { BlockInput, ComparisonInput } from '../src/report/content.ts';
import { imageFromBytes } from '../src/report/figures/images.ts';
import { lastFigures, type Training } from '../src/report/training.ts';

// What the experiments of coursework D share: its networks, its trainings of ten models, and the plots and tables made of them.

/** The original's `my_loss`, (y_true - y_predict)**2 on one-hot targets. Keras reports and minimizes its mean over the ten outputs. */
export const squaredError = (output: Tensor, target: Tensor): Tensor => mean(square(sub(target, output)));

/** Flatten, hidden layers of `hidden` relu units, ten outputs. */
const dense = (inputShape: [number, number, number], hidden: readonly number[], activation: 'relu' | 'softmax') => {
  const layers: Layer[] = [
    ...hidden.map((units) => new Dense({ units, activation: 'relu' })),
    new Dense({ units: 10, activation }),
  ];
  return new Sequential([new Flatten({ inputShape }), ...layers]);
};

const mnist: [number, number, number] = [28, 28, 1];

/** The network of D0 to D4: 32 relu units, relu outputs, squared error. */
export const squaredErrorNetwork = (optimizer: () => Optimizer): Network => ({
  createModel: () => dense(mnist, [32], 'relu'),
  compile: () => ({ optimizer: optimizer(), loss: squaredError, metrics: ['accuracy'] }),
});

/** From D5 on: softmax outputs, cross-entropy of integer labels, Adam. */
export const classifier = (createModel: Network['createModel']): Network => ({
  createModel,
  compile: () => ({ optimizer: new Adam(), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] }),
});

/** A classifier of dense layers. */
export const denseClassifier = (hidden: readonly number[], inputShape = mnist): Network =>
  classifier(() => dense(inputShape, hidden, 'softmax'));

/** A model's predictions for the test images. */
export interface Predictions {
  /** Its ten outputs for the first image. */
  first: number[];
  /** `[true][predicted]`: images of each class by the largest output. */
  confusion: number[][];
  /** Dead outputs: those that are 0 for more than nine in ten images of their own class. */
  dead: number[];
}

/** @param outputs ten for each image, one image after another */
export function predictionsOf(outputs: Float32Array, labels: LabelArray): Predictions {
  const confusion = Array.from({ length: 10 }, () => Array<number>(10).fill(0));
  const [images, answered] = [Array<number>(10).fill(0), Array<number>(10).fill(0)];
  for (const [i, label] of labels.entries()) {
    const own = outputs.subarray(10 * i, 10 * (i + 1));
    confusion[label]![argmax(own)]!++;
    images[label]!++;
    if (own[label]! > 0) answered[label]!++;
  }
  const dead = [...images.keys()].filter((digit) => answered[digit]! < images[digit]! / 10);
  return { first: Array.from(outputs.subarray(0, 10)), confusion, dead };
}

/** Index of the largest value, the first of equal ones, as in NumPy; 0 if all are 0. */
export const argmax = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((best, value, i, all) => (value > all[best]! ? i : best), 0);

/** Trains the models of the settings on MNIST, from scratch. Experiments with the same network share the training. */
export function trainOnMnist(
  context: ExperimentContext,
  name: string,
  network: Network,
): Promise<Training<Predictions>> {
  const { train, test } = context.loaders('mnist');
  return context.train(name, {
    ...network,
    data: train,
    validationData: test,
    measure: async (trained) => predictionsOf(await trained.predict(test), test.labels),
    depends: 'confusion[true][predicted]', // older saved results have it transposed
  });
}

/** Describes how many outputs of how many models are dead; '' if none is. */
export function deadOutputsText({ measured }: Training<Predictions>): string {
  const affected = measured.filter(({ dead }) => dead.length > 0);
  const outputs = affected.reduce((sum, { dead }) => sum + dead.length, 0);
  if (outputs === 0) return '';
  return (
    `${affected.length} of ${measured.length} models have relu outputs that are 0 for over nine in ten test images of their class, ` +
    `${outputs} in all: where a relu is 0 it passes no gradient, so these hardly learn. Each loses its model a class, a tenth of ` +
    'the accuracy, and adds 0.01 to the error: an error of 1 at one of ten outputs, for a tenth of the images'
  );
}

/** Returns the figures of the models with this number of dead outputs. */
export const withDeadOutputs = (
  { measured }: Training<Predictions>,
  count: number,
  figures: readonly number[],
): number[] => figures.filter((_, i) => measured[i]!.dead.length === count);

/** Rows for the smallest and the largest of the models' figures, beside those that the original reads off its plot. */
export const rangeRows = (
  what: string,
  [low, high]: readonly [number, number],
  figures: readonly number[],
  unit: ComparisonInput['unit'] = 'number',
): ComparisonInput[] => [
  { label: `smallest ${what}`, published: low, ours: Math.min(...figures), unit },
  { label: `largest ${what}`, published: high, ours: Math.max(...figures), unit },
];

/** Training and test accuracy of every model over the epochs, as the coursework plots them. */
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

/** Training and test error of every model over the epochs. */
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

/** A line a model: its errors and accuracies after the last epoch, and where there are answers, which outputs give none. */
export function runsTable(training: Training, caption: string, answers?: readonly Predictions[]): BlockInput {
  const figures = ['loss', 'valLoss', 'accuracy', 'valAccuracy'].map((name) => lastFigures(training, name));
  return table(
    [
      ...['seed', 'training error', 'test error', 'training accuracy', 'test accuracy'],
      ...(answers ? ['dead outputs'] : []),
    ],
    training.seeds.map((seed, i) => [
      String(seed),
      ...figures.map((values) => accuracyText(values[i])),
      ...(answers ? [answers[i]!.dead.join(', ') || 'none'] : []),
    ]),
    caption,
  );
}

/** The first ten images with the names of their classes. */
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

/** Seconds for each row, two models and few images: what tests run. */
export const smoke = { epochs: 2, replicas: 2, limit: 320, testLimit: 96 } satisfies Partial<Settings>;
