import { Adam } from '../src/index.ts';
import { finalErrorsExperiment } from './d-final-errors-experiment.ts';

/** D4: question 4 of the coursework. */
export const D4 = finalErrorsExperiment({
  id: 'D4',
  title: 'Ten runs, Adam',
  question: ['How does Adam, instead of plain gradient descent, change the training of D2?'],
  optimizer: () => new Adam(),
  range: [0.005, 0.045],
});
