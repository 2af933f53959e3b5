import { pooledAverages, smallRow } from './c-small-networks.ts';

/** The second attempt: averages of 5 x 5 pixels. */
export const C3 = smallRow({
  id: 'C3',
  title: 'MNIST from averages of 5 x 5 pixels',
  question: [
    'Are the averages of 25 squares of 5 x 5 pixels enough for 80% of the test images? They leave one layer with 260 parameters.',
  ],
  network: pooledAverages,
  published: { test: 0.826, parameters: 260 },
  remarks: [
    'The coursework divides the images by 255 again where it reshapes them for the pooling. Read together with the program above that, they would have been divided twice; the published accuracy is that of dividing once: twice gives about 0.36.',
  ],
});
