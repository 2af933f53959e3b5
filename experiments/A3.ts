import { penaltyExperiment } from './a-penalty-experiment.ts';

/** LeNet-5 with lambda times the sum of magnitudes of every kernel added to the loss. */
export const A3 = penaltyExperiment('A3', 'L1', [
  {
    name: 'l1-0.001',
    train: 0.4605,
    test: 0.4492,
    why: "one training of theirs; the same authors' mean of three is 0.4599 / 0.4639 (A5)",
  },
  { name: 'l1-0.01', train: 0.0987, test: 0.1 },
]);
