import type { Coursework, Experiment } from '../src/cli/experiment.ts';
import { A1 } from './A1.ts';
import { A2 } from './A2.ts';
import { A3 } from './A3.ts';
import { A4 } from './A4.ts';
import { A5 } from './A5.ts';
import { A6 } from './A6.ts';
import { B1 } from './B1.ts';
import { B2 } from './B2.ts';
import { B3 } from './B3.ts';
import { B4 } from './B4.ts';
import { B5 } from './B5.ts';
import { B6 } from './B6.ts';
import { B7 } from './B7.ts';
import { B8 } from './B8.ts';
import { B9 } from './B9.ts';
import { B10 } from './B10.ts';
import { variationsSummary } from './b-summary.ts';
import { C1 } from './C1.ts';
import { C2 } from './C2.ts';
import { C3 } from './C3.ts';
import { C4 } from './C4.ts';
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
import { E1 } from './E1.ts';
import { E2 } from './E2.ts';
import { E3 } from './E3.ts';
import { E4 } from './E4.ts';
import { E5 } from './E5.ts';

/** All experiments of `tilegrad run`, in the order of `tilegrad list`. */
export const experiments: readonly Experiment[] = [
  ...[A1, A2, A3, A4, A5, A6],
  ...[B1, B2, B3, B4, B5, B6, B7, B8, B9, B10],
  ...[C1, C2, C3, C4],
  ...[D0, D1, D2, D3, D4, D5, D6, D7, D8, D9, D10],
  ...[E1, E2, E3, E4, E5],
];

/** The courseworks, by the letter that the ids of their experiments begin with. */
export const courseworks: readonly Coursework[] = [
  {
    id: 'A',
    title: 'LeNet-5 and its penalties',
    question: [
      'LeNet-5 on CIFAR-10: alone, with L2 and L1 penalties on its kernels, and with a global average instead of its dense layers. What does each cost in accuracy, and how does it change the weights?',
    ],
  },
  {
    id: 'B',
    title: 'A small VGG and its variations',
    question: [
      'A network of three blocks of convolutions on CIFAR-10: how do depth, kernel size, number of kernels, padding, dropout and penalties change its accuracy, and how does it compare with a network that was trained on ImageNet?',
    ],
    summary: variationsSummary,
  },
  {
    id: 'C',
    title: 'A tuned MLP, and few parameters',
    question: [
      'Two questions on MNIST: how accurate is a network whose depth, widths, penalties, dropout and learning rate a search has chosen, and how few parameters are enough for 80% of the test images?',
    ],
  },
  {
    id: 'D',
    title: 'MNIST and CIFAR-10, ten models at a time',
    question: [
      'Small networks on MNIST and CIFAR-10, ten models from scratch each: how much do runs differ, and what do learning rate, optimizer, loss, width, depth and convolutions change?',
    ],
  },
  {
    id: 'E',
    title: 'Five architectures on five classes of Fashion-MNIST',
    question: [
      'Two MLPs and three small CNNs classify five kinds of clothes: which is best, what do their first layers look like, and how do sigmoid and the learning rate change the training?',
    ],
  },
];
