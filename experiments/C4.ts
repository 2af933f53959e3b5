import { weightImages } from '../src/report/blocks.ts';
import { pooledFilters, smallNetworkExperiment } from './c-small-networks.ts';

/** The third attempt: two filters and large pools. */
export const C4 = smallNetworkExperiment({
  id: 'C4',
  title: 'MNIST with two filters of 5 x 5',
  question: [
    'A convolution of two filters allows pooling windows of 9 x 9: are the remaining eight numbers enough to classify the images? The network has 142 parameters.',
  ],
  network: pooledFilters,
  published: { test: 0.8525, parameters: 142 },
  why: 'the accuracy of so small a network depends on its initial weights: ten models (`--replicas 10`) have from 0.6916 to 0.8497, and the published one is a single model',
  remarks: [
    'As in C3, the images are divided by 255 once. Two divisions, another reading of the coursework, give about 0.63.',
  ],
  pictures: (weights) => [
    weightImages(
      [0, 1].map((filter) => ({
        values: Array.from({ length: 25 }, (_, tap) => weights[tap * 2 + filter]!),
        caption: `filter ${filter + 1}`,
      })),
      {
        ...{ name: 'filters', title: 'C4: the two filters', subtitle: ['first model'] },
        ...{ width: 5, height: 5, columns: 2 },
      },
    ),
  ],
});
