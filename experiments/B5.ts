import { vggRow } from './b-experiment.ts';

/** More and fewer kernels. */
export const B5 = vggRow({
  id: 'B5',
  title: 'Kernels doubled, halved, quartered',
  question: ['What does the number of kernels of every convolution do: twice, half and a quarter as many?'],
  published: 'about as base; lower; 0.6548, 22 epochs',
  names: ['doubled', 'halved', 'quartered'],
  replicas: 3,
  single: ['doubled', 'halved'],
});
