import { vggExperiment } from './b-experiment.ts';

/** Larger kernels. */
export const B4 = vggExperiment({
  id: 'B4',
  title: 'Kernels of 5 x 5',
  question: ['How do kernels of 5 x 5 instead of 3 x 3 change the accuracy?'],
  published: '0.70, 16 epochs',
  names: ['kernels-5x5'],
});
