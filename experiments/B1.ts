import { vggRow } from './b-experiment.ts';

/** The base of coursework B. */
export const B1 = vggRow({
  id: 'B1',
  title: 'A small VGG on CIFAR-10',
  question: [
    'How well does a network of three blocks of convolutions, after VGG, tell the ten classes of CIFAR-10 apart? The other rows vary it.',
  ],
  published: '0.74 (test), 15 epochs',
  names: ['base'],
});
