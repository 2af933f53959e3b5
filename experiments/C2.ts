import { weightImages } from '../src/report/blocks.ts';
import { singleLayer, smallNetworkExperiment } from './c-small-networks.ts';

/** The first attempt at few parameters: no hidden layer. */
export const C2 = smallNetworkExperiment({
  id: 'C2',
  title: 'MNIST with one layer',
  question: [
    'The coursework asks for 80% of the test images with as few parameters as possible. How accurate is one layer from the pixels to the ten classes, without a hidden layer or a penalty?',
  ],
  network: singleLayer,
  published: { test: 0.9265, parameters: 7850 },
  pictures: (weights) => [
    weightImages(
      Array.from({ length: 10 }, (_, digit) => ({
        values: Array.from({ length: 28 * 28 }, (_, pixel) => weights[pixel * 10 + digit]!),
        caption: String(digit),
      })),
      {
        ...{
          name: 'weights',
          title: 'C2: weights of each class',
          subtitle: ['one weight for each pixel, first model'],
        },
        ...{ width: 28, height: 28, columns: 5 },
      },
    ),
  ],
});
