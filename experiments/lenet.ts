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

// What the rows of coursework A share: its models, its settings and its one function that trains.

const compileWith = (learningRate: number) => ({
  optimizer: new Adam({ learningRate }),
  loss: 'sparseCategoricalCrossentropy' as const,
});
const compile: Network['compile'] = () => compileWith(settings.full.learningRate);

/** LeNet-5 as in the lecture, with a penalty on every kernel where one is given. */
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
 * The convolutions alone, averaged over the image: 16 outputs without a softmax, which the loss takes for probabilities of 16
 * classes, as the coursework's did.
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

/** The six models, under the names their trainings are kept by. */
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

/** What the coursework states for every model; three of each are what its last question asks for. */
export const settings = {
  full: { epochs: 10, batchSize: 256, replicas: 3, learningRate: 0.001 },
  short: { replicas: 1 },
  smoke: { epochs: 1, batchSize: 64, replicas: 2, limit: 256, testLimit: 100 },
} satisfies { full: Settings; short: Partial<Settings>; smoke: Partial<Settings> };

/** Gini index of each of a model's tensors of weights; null where a training ended in NaN. */
export type GiniIndices = (number | null)[];

/** The coursework's train_model: Adam, cross-entropy, the test set as validation data, logs for TensorBoard. */
export function trainModel(lab: ExperimentContext, name: ModelName): Promise<Training<GiniIndices>> {
  const { train, test } = lab.images('cifar10');
  const { network } = models[name];
  return lab.train<GiniIndices>(name, {
    ...network,
    compile: () => compileWith(lab.settings.learningRate!),
    data: lab.loader(network === averagePooling ? sixteenClasses(train) : train),
    validationData: lab.loader(network === averagePooling ? sixteenClasses(test) : test),
    tensorBoard: true,
    measure: async ({ model, weights }) => {
      const all = await Promise.all(model.weights.map((_, i) => weights(i)));
      return all.map((values) => (values.every(Number.isFinite) ? giniIndex(values) : null));
    },
  });
}

/** The same images and labels; of the 16 classes that the averages stand for, the last six never occur. */
const sixteenClasses = (set: ImageSet): ImageSet => ({
  ...set,
  classes: [...set.classes, ...Array.from({ length: 6 }, (_, i) => `no class ${i + 11}`)],
});

/** Several of them. */
export const trainModels = <N extends ModelName>(lab: ExperimentContext, names: readonly N[]) =>
  trainEach(lab, names, async (name) => ({ name, label: models[name].label, training: await trainModel(lab, name) }));
