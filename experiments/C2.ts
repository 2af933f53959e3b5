import { weightImages } from '../src/report/blocks.ts';
import { singleLayer, smallRow } from './c-small-networks.ts';

/** The first attempt at few parameters: no hidden layer. */
export const C2 = smallRow({
  id: 'C2',
  title: 'MNIST with one layer',
  question: [
    'The coursework asks for 80% of the test images with as few parameters as possible. How far does one layer from the pixels to the ten classes get, without any hidden layer or penalty?',
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
        ...{ name: 'weights', title: 'C2: what each class adds up', subtitle: ['weights of each pixel, first model'] },
        ...{ width: 28, height: 28, columns: 5 },
      },
    ),
  ],
});
