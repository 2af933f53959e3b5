import { Adam } from '../src/index.ts';
import { errorsOfTenRuns } from './d-final-errors-experiment.ts';

/** D4: question 4. */
export const D4 = errorsOfTenRuns({
  id: 'D4',
  title: 'Ten runs, Adam',
  question: ['What does Adam do to the learning of D2, in place of plain gradient descent?'],
  optimizer: () => new Adam(),
  range: [0.005, 0.045],
});
