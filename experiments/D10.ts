import {
  BatchNormalization,
  Conv2D,
  Dense,
  Dropout,
  Flatten,
  type Layer,
  MaxPooling2D,
  Sequential,
} from '../src/index.ts';
import { convolutionalExperiment } from './d-convolutional-experiment.ts';
import { classifier } from './d-networks.ts';

const conv = (filters: number): Layer => new Conv2D({ filters, kernelSize: 3, activation: 'relu', padding: 'same' });
const pool = (): Layer => new MaxPooling2D({ poolSize: 2 });
const dropout = (): Layer => new Dropout(0.2);
const norm = (): Layer => new BatchNormalization();

/** D10: question 10 of the coursework. */
export const D10 = convolutionalExperiment({
  id: 'D10',
  title: 'More convolutions, batch normalisation and dropout',
  question: [
    'Improve the network of D9 as much as you can. The coursework uses five convolutions, batch normalization and dropout, and gains about six points of test accuracy.',
  ],
  network: classifier(
    () =>
      new Sequential([
        new Conv2D({
          ...{ filters: 32, kernelSize: 3, activation: 'relu', padding: 'same', useBias: false },
          inputShape: [32, 32, 3],
        }),
        ...[dropout(), norm(), pool()],
        ...[conv(64), norm(), pool()],
        ...[conv(64), norm(), pool(), dropout()],
        ...[conv(128), norm(), pool()],
        ...[conv(128), norm(), dropout()],
        new Flatten(),
        new Dense({ units: 128, activation: 'relu' }),
        norm(),
        new Dense({ units: 10, activation: 'softmax' }),
      ]),
  ),
  published: { test: 0.76 },
  short: { epochs: 3, replicas: 3, limit: 10_000, testLimit: 2000 },
});
