import { vggExperiment } from './b-experiment.ts';

/** Dropout at three rates. */
export const B7 = vggExperiment({
  id: 'B7',
  title: 'Dropout',
  question: [
    'How does dropout after each block and each dense layer change the accuracy, at rates of 0.2, 0.1 and 0.3?',
  ],
  published: '0.79, 31 epochs (rate 0.2)',
  names: ['dropout-0.2', 'dropout-0.1', 'dropout-0.3'],
});
