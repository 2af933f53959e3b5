import { penaltyExperiment } from './a-penalty-experiment.ts';

/** LeNet-5 with an L1 penalty: lambda times the sum of magnitudes of each kernel is added to the loss. */
export const A3 = penaltyExperiment('A3', 'L1', [
  {
    name: 'l1-0.001',
    train: 0.4605,
    test: 0.4492,
    why: "the published figure is from one training; the same authors' mean of three is 0.4599 / 0.4639 (A5)",
  },
  { name: 'l1-0.01', train: 0.0987, test: 0.1 },
]);
