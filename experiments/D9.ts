import { Conv2D, Dense, Flatten, MaxPooling2D, Sequential } from '../src/index.ts';
import { convolutionalExperiment } from './d-convolutional-experiment.ts';
import { classifier } from './d-networks.ts';

/** D9: question 9 of the coursework. */
export const D9 = convolutionalExperiment({
  id: 'D9',
  title: 'A convolutional network on CIFAR-10',
  question: ['Three convolutions before the dense layers: how well do ten models do on CIFAR-10, after 10 epochs?'],
  network: classifier(
    () =>
      new Sequential([
        new Conv2D({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: [32, 32, 3] }),
        new MaxPooling2D({ poolSize: 2 }),
        new Conv2D({ filters: 64, kernelSize: 3, activation: 'relu' }),
        new MaxPooling2D({ poolSize: 2 }),
        new Conv2D({ filters: 64, kernelSize: 3, activation: 'relu' }),
        new Flatten(),
        new Dense({ units: 64, activation: 'relu' }),
        new Dense({ units: 10, activation: 'softmax' }),
      ]),
  ),
  published: { training: 0.77, test: 0.7 },
  short: { epochs: 4, replicas: 3, limit: 10_000, testLimit: 2000 },
});
