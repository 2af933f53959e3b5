import { vggExperiment } from './b-experiment.ts';

/** More and fewer kernels. */
export const B5 = vggExperiment({
  id: 'B5',
  title: 'Kernels doubled, halved, quartered',
  question: [
    'How does the number of kernels of every convolution change the accuracy: twice, half and a quarter as many?',
  ],
  published: 'about as base; lower; 0.6548, 22 epochs',
  names: ['doubled', 'halved', 'quartered'],
  replicas: 3,
  single: ['doubled', 'halved'],
});
