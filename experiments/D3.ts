import { SGD } from '../src/index.ts';
import { errorsOfTenRuns } from './d-final-errors-experiment.ts';

/** D3: question 3. */
export const D3 = errorsOfTenRuns({
  id: 'D3',
  title: 'Ten runs, SGD with rate 0.01',
  question: ['What does a rate of a tenth, 0.01, do to the learning of D2?'],
  optimizer: () => new SGD({ learningRate: 0.01 }),
  range: [0.02, 0.04],
});
