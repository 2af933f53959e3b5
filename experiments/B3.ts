import { vggRow } from './b-rows.ts';

/** More and larger layers. */
export const B3 = vggRow({
  id: 'B3',
  title: 'Four blocks',
  question: [
    'What do more and larger layers gain: four blocks, up to 256 filters, and dense layers of 512, 128 and 32?',
  ],
  published: '0.7247, 15 epochs',
  names: ['four-blocks'],
});
