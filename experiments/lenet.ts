import type { ExperimentContext, Network, Settings } from '../src/cli/experiment.ts';
import {
  Adam,
  Conv2D,
  Dense,
  Flatten,
  GlobalAveragePooling2D,
  giniIndex,
  type ImageSet,
  MaxPooling2D,
  type Regularizer,
  regularizers,
  Sequential,
} from '../src/index.ts';
import type { Training } from '../src/report/training.ts';
import { trainEach } from './seeds.ts';

// What the experiments of coursework A share: models, settings, trainings.

const compileWith = (learningRate: number) => ({
  optimizer: new Adam({ learningRate }),
  loss: 'sparseCategoricalCrossentropy' as const,
});
const compile: Network['compile'] = () => compileWith(settings.full.learningRate);

/** LeNet-5 as in the lecture, with an optional penalty on every kernel. */
export const lenet = (kernelRegularizer?: Regularizer): Network => ({
  createModel: () =>
    new Sequential([
      new Conv2D({ filters: 6, kernelSize: 5, activation: 'relu', inputShape: [32, 32, 3], kernelRegularizer }),
      new MaxPooling2D({ poolSize: 2 }),
      new Conv2D({ filters: 16, kernelSize: 5, activation: 'relu', kernelRegularizer }),
      new MaxPooling2D({ poolSize: 2 }),
      new Flatten(),
      new Dense({ units: 120, activation: 'relu', kernelRegularizer }),
      new Dense({ units: 84, activation: 'relu', kernelRegularizer }),
      new Dense({ units: 10, activation: 'softmax', kernelRegularizer }),
    ]),
  compile,
});

/**
 * Only the convolutions of LeNet-5, averaged over the image: 16 outputs without a softmax. As in the coursework, the loss treats
 * them as probabilities of 16 classes.
 */
export const averagePooling: Network = {
  createModel: () =>
    new Sequential([
      new Conv2D({ filters: 6, kernelSize: 5, activation: 'relu', inputShape: [32, 32, 3] }),
      new MaxPooling2D({ poolSize: 2 }),
      new Conv2D({ filters: 16, kernelSize: 5, activation: 'relu' }),
      new GlobalAveragePooling2D(),
    ]),
  compile,
};

/** The six models, by the names of their trainings. */
export const models = {
  baseline: { label: 'baseline', network: lenet() },
  'l2-0.001': { label: 'L2, lambda 0.001', network: lenet(regularizers.l2(0.001)) },
  'l1-0.001': { label: 'L1, lambda 0.001', network: lenet(regularizers.l1(0.001)) },
  'l2-0.01': { label: 'L2, lambda 0.01', network: lenet(regularizers.l2(0.01)) },
  'l1-0.01': { label: 'L1, lambda 0.01', network: lenet(regularizers.l1(0.01)) },
  'average-pooling': { label: 'global average pooling', network: averagePooling },
} satisfies Record<string, { label: string; network: Network }>;

export type ModelName = keyof typeof models;
export const modelNames = Object.keys(models) as ModelName[];

/** Settings that the coursework states for every model; its last question asks for three trainings each. */
export const settings = {
  full: { epochs: 10, batchSize: 256, replicas: 3, learningRate: 0.001 },
  short: { replicas: 1 },
  smoke: { epochs: 1, batchSize: 64, replicas: 2, limit: 256, testLimit: 100 },
} satisfies { full: Settings; short: Partial<Settings>; smoke: Partial<Settings> };

/** Gini index of each tensor of a model's weights; null if the training ended in NaN. */
export type GiniIndices = (number | null)[];

/** Trains as the coursework's train_model: Adam, cross-entropy, the test set as validation data, logs for TensorBoard. */
export function trainModel(context: ExperimentContext, name: ModelName): Promise<Training<GiniIndices>> {
  const { train, test } = context.images('cifar10');
  const { network } = models[name];
  return context.train<GiniIndices>(name, {
    ...network,
    compile: () => compileWith(context.settings.learningRate!),
    data: context.loader(network === averagePooling ? withSixteenClasses(train) : train),
    validationData: context.loader(network === averagePooling ? withSixteenClasses(test) : test),
    tensorBoard: true,
    measure: async ({ model, weights }) => {
      const all = await Promise.all(model.weights.map((_, i) => weights(i)));
      return all.map((values) => (values.every(Number.isFinite) ? giniIndex(values) : null));
    },
  });
}

/** Returns the same images and labels with 16 classes, one for each average; the last six never occur. */
const withSixteenClasses = (set: ImageSet): ImageSet => ({
  ...set,
  classes: [...set.classes, ...Array.from({ length: 6 }, (_, i) => `no class ${i + 11}`)],
});

/** Trains several models. */
export const trainModels = <N extends ModelName>(context: ExperimentContext, names: readonly N[]) =>
  trainEach(context, names, async (name) => ({
    name,
    label: models[name].label,
    training: await trainModel(context, name),
  }));
