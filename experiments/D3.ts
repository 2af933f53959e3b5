import { SGD } from '../src/index.ts';
import { finalErrorsExperiment } from './d-final-errors-experiment.ts';

/** D3: question 3 of the coursework. */
export const D3 = finalErrorsExperiment({
  id: 'D3',
  title: 'Ten runs, SGD with rate 0.01',
  question: ['How does a tenth of the learning rate, 0.01, change the training of D2?'],
  optimizer: () => new SGD({ learningRate: 0.01 }),
  range: [0.02, 0.04],
});
