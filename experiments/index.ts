import type { Coursework, Experiment } from '../src/cli/experiment.ts';
import { A1 } from './A1.ts';
import { A2 } from './A2.ts';
import { A3 } from './A3.ts';
import { A4 } from './A4.ts';
import { A5 } from './A5.ts';
import { A6 } from './A6.ts';

/** Every experiment `tilegrad run` knows, in the order `tilegrad list` shows them. */
export const experiments: readonly Experiment[] = [A1, A2, A3, A4, A5, A6];

/** What `tilegrad run` takes as a whole, by the letter its rows begin with. */
export const courseworks: readonly Coursework[] = [
  {
    id: 'A',
    title: 'LeNet-5 and its penalties',
    question: [
      'LeNet-5 on CIFAR-10, alone, with L2 and L1 penalties on its kernels, and with its dense layers replaced by a global average: what does each cost in accuracy, and what does it do to the weights?',
    ],
  },
];
