import { vggExperiment } from './b-experiment.ts';

/** Convolutions without padding. */
export const B6 = vggExperiment({
  id: 'B6',
  title: 'Padding valid',
  question: [
    'How do convolutions without padding change the accuracy? As in the code of the coursework, the last convolution keeps its padding, and the second of the last two poolings is removed, because nothing is left to pool.',
  ],
  published: 'slightly below base',
  names: ['padding-valid'],
});
