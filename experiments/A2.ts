import { penaltyExperiment } from './a-penalty-experiment.ts';

/** LeNet-5 with an L2 penalty: lambda times the sum of squares of each kernel is added to the loss. */
export const A2 = penaltyExperiment('A2', 'L2', [
  {
    name: 'l2-0.001',
    train: 0.5359,
    test: 0.5328,
    why: "the published figure is from one training; the same authors' mean of three is 0.5781 / 0.5612 (A5)",
  },
  {
    name: 'l2-0.01',
    train: 0.4507,
    test: 0.457,
    why: "the published figure is from one training; the same authors' mean of three is 0.4432 / 0.4414 (A5)",
  },
]);
