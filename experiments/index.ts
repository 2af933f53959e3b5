import type { Coursework, Experiment } from '../src/cli/experiment.ts';
import { A1 } from './A1.ts';
import { D0 } from './D0.ts';
import { D1 } from './D1.ts';
import { D2 } from './D2.ts';
import { D3 } from './D3.ts';
import { D4 } from './D4.ts';
import { D5 } from './D5.ts';
import { D6 } from './D6.ts';
import { D7 } from './D7.ts';
import { D8 } from './D8.ts';
import { D9 } from './D9.ts';
import { D10 } from './D10.ts';

/** Every experiment `tilegrad run` knows, in the order `tilegrad list` shows them. */
export const experiments: readonly Experiment[] = [A1, D0, D1, D2, D3, D4, D5, D6, D7, D8, D9, D10];

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
    id: 'D',
    title: 'MNIST and CIFAR-10, ten models at a time',
    question: [
      'Small networks on MNIST and CIFAR-10, ten models from scratch each: how much do runs differ, and what do rate, optimiser, loss, width, depth and convolutions do?',
    ],
  },
];
