import { vggExperiment } from './b-experiment.ts';

/** More and larger layers. */
export const B3 = vggExperiment({
  id: 'B3',
  title: 'Four blocks',
  question: [
    'How much accuracy do more and larger layers gain: four blocks, up to 256 filters, and dense layers of 512, 128 and 32 units?',
  ],
  published: '0.7247, 15 epochs',
  names: ['four-blocks'],
  why: {
    'four-blocks':
      'one training on each side; ours stayed between 0.70 and 0.72 in validation from epoch 12 on, while its training accuracy rose from 0.85 to 0.92, ' +
      'and its weights are those of the last epoch, five epochs after the best one (0.7164)',
  },
});
