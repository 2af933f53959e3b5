import { vggRow } from './b-experiment.ts';

/** Larger kernels. */
export const B4 = vggRow({
  id: 'B4',
  title: 'Kernels of 5 x 5',
  question: ['What do convolutions of 5 x 5 instead of 3 x 3 do?'],
  published: '0.70, 16 epochs',
  names: ['kernels-5x5'],
});
