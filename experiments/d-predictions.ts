import type { ExperimentContext, Network } from '../src/cli/experiment.ts';
import type { LabelArray } from '../src/data/types.ts';
import type { Training } from '../src/report/training.ts';

/** A model's predictions for the test images. */
export interface Predictions {
  /** Its ten outputs for the first image. */
  first: number[];
  /** `[true][predicted]`: numbers of images; the predicted class is that of the largest output. */
  confusion: number[][];
  /** Dead outputs: those that are 0 for more than nine in ten images of their own class. */
  dead: number[];
}

/** Summarizes a model's outputs. @param outputs ten for each image, one image after another */
export function predictionsOf(outputs: Float32Array, labels: LabelArray): Predictions {
  const confusion = Array.from({ length: 10 }, () => Array<number>(10).fill(0));
  const [images, positive] = [Array<number>(10).fill(0), Array<number>(10).fill(0)];
  for (const [i, label] of labels.entries()) {
    const imageOutputs = outputs.subarray(10 * i, 10 * (i + 1));
    confusion[label]![argmax(imageOutputs)]!++;
    images[label]!++;
    if (imageOutputs[label]! > 0) positive[label]!++;
  }
  const dead = [...images.keys()].filter((digit) => positive[digit]! < images[digit]! / 10);
  return { first: Array.from(outputs.subarray(0, 10)), confusion, dead };
}

/** Returns the index of the largest value: of equal values the first, as in NumPy. */
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
    `${outputs} in total. A relu has no gradient where it is 0, so these outputs hardly learn. Each one costs its model one class, a tenth of ` +
    'the accuracy, and adds 0.01 to the error: an error of 1 at one of ten outputs, for a tenth of the images'
  );
}

/** Returns the figures of the models with this number of dead outputs. */
export const withDeadOutputs = (
  { measured }: Training<Predictions>,
  count: number,
  figures: readonly number[],
): number[] => figures.filter((_, i) => measured[i]!.dead.length === count);
