import { SGD } from '../src/index.ts';
import { finalErrorsExperiment } from './d-final-errors-experiment.ts';

/** D2: question 2 of the coursework. */
export const D2 = finalErrorsExperiment({
  id: 'D2',
  title: 'Ten runs, SGD with rate 0.1',
  question: [
    'Twenty epochs instead of five: how does the test error of ten runs compare with the training error, and do all models solve the problem well in the end?',
  ],
  optimizer: () => new SGD({ learningRate: 0.1 }),
  range: [0.01, 0.04],
});
