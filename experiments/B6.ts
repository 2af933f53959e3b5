import { vggRow } from './b-experiment.ts';

/** Convolutions without padding. */
export const B6 = vggRow({
  id: 'B6',
  title: 'Padding valid',
  question: [
    'What do convolutions without padding do? The last one keeps its padding and the second of the last two poolings goes, as in the code of the coursework: there is nothing left to pool.',
  ],
  published: 'slightly below base',
  names: ['padding-valid'],
});
