import { vggExperiment } from './b-experiment.ts';

/** Penalties on the kernels. */
export const B8 = vggExperiment({
  id: 'B8',
  title: 'L1 and L2 penalties',
  question: [
    'How do L1 and L2 penalties on every kernel change the accuracy: 1e-5 and 1e-4, and 0.3 and 0.3? As in the code of the coursework, the last layer has no penalty.',
  ],
  published: '0.75, 24 epochs; no training at all',
  names: ['l1l2-small', 'l1l2-large'],
  replicas: 3,
  single: ['l1l2-small'],
});
