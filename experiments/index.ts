import type { Coursework, Experiment } from '../src/cli/experiment.ts';
import { A1 } from './A1.ts';
import { E1 } from './E1.ts';
import { E2 } from './E2.ts';
import { E3 } from './E3.ts';
import { E4 } from './E4.ts';
import { E5 } from './E5.ts';

/** Every experiment `tilegrad run` knows, in the order `tilegrad list` shows them. */
export const experiments: readonly Experiment[] = [A1, E1, E2, E3, E4, E5];

/** What `tilegrad run` takes as a whole, by the letter its rows begin with. */
export const courseworks: readonly Coursework[] = [
  {
    id: 'A',
    title: 'LeNet-5 and its penalties',
    question: [
      'LeNet-5 on CIFAR-10, alone, with L2 and L1 penalties on its kernels, and with its dense layers replaced by a global average: what does each cost in accuracy, and what does it do to the weights?',
    ],
  },
  {
    id: 'E',
    title: 'Five architectures on five classes of Fashion-MNIST',
    question: [
      'Two MLPs and three small CNNs tell five kinds of clothes apart: which does best, what do their first layers look like, what does sigmoid do to their gradients, and what does the learning rate?',
    ],
  },
];
