import type { Experiment } from '../src/cli/experiment.ts';
import { Adam, Conv2D, Dense, Flatten, MaxPooling2D, Sequential } from '../src/index.ts';

/** A1: LeNet-5 on CIFAR-10 without any penalty, the baseline of the other experiments A. */
export const A1: Experiment = {
  id: 'A1',
  title: 'LeNet-5 on CIFAR-10',
  question:
    'How well does LeNet-5 tell the ten classes of CIFAR-10 apart without any penalty on its weights? The other experiments A are measured against it.',
  dataset: 'cifar10',
  published: { trainAccuracy: 0.6191, testAccuracy: 0.6022, parameters: 62_006 },
  defaults: { epochs: 10, batchSize: 256, learningRate: 0.001, seed: 1, runs: 1 },
  loss: 'sparseCategoricalCrossentropy',
  optimizer: 'Adam',

  createModel: () =>
    new Sequential([
      new Conv2D({ filters: 6, kernelSize: 5, activation: 'relu', inputShape: [32, 32, 3] }),
      new MaxPooling2D({ poolSize: 2 }),
      new Conv2D({ filters: 16, kernelSize: 5, activation: 'relu' }),
      new MaxPooling2D({ poolSize: 2 }),
      new Flatten(),
      new Dense({ units: 120, activation: 'relu' }),
      new Dense({ units: 84, activation: 'relu' }),
      new Dense({ units: 10, activation: 'softmax' }),
    ]),

  createOptimizer: (learningRate) => new Adam({ learningRate }),
};
