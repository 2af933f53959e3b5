import { pooledAverages, smallNetworkExperiment } from './c-small-networks.ts';

/** The second attempt: averages of 5 x 5 pixels. */
export const C3 = smallNetworkExperiment({
  id: 'C3',
  title: 'MNIST from averages of 5 x 5 pixels',
  question: [
    'Are the averages of 25 squares of 5 x 5 pixels enough for 80% of the test images? The network has one layer with 260 parameters.',
  ],
  network: pooledAverages,
  published: { test: 0.826, parameters: 260 },
  remarks: [
    'The coursework divides the images by 255 again when it reshapes them for the pooling. Together with the program before it, they would be divided twice. The published accuracy is that of one division: two give about 0.36.',
  ],
});
