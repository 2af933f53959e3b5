import { vggRow } from './b-experiment.ts';

/** Fewer and smaller layers. */
export const B2 = vggRow({
  id: 'B2',
  title: 'Two blocks',
  question: ['What do fewer and smaller layers cost: two blocks and one dense layer of 64 before the last?'],
  published: '0.69, 16 epochs',
  names: ['two-blocks'],
  replicas: 3,
});
