import { vggExperiment } from './b-experiment.ts';

/** Fewer and smaller layers. */
export const B2 = vggExperiment({
  id: 'B2',
  title: 'Two blocks',
  question: [
    'How much accuracy do fewer and smaller layers cost: two blocks, and one dense layer of 64 units before the last layer?',
  ],
  published: '0.69, 16 epochs',
  names: ['two-blocks'],
  replicas: 3,
});
