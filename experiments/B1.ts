import { vggExperiment } from './b-experiment.ts';

/** The base network of coursework B. */
export const B1 = vggExperiment({
  id: 'B1',
  title: 'A small VGG on CIFAR-10',
  question: [
    'How well does a network of three blocks of convolutions, modeled on VGG, classify the images of CIFAR-10? The other experiments vary it.',
  ],
  published: '0.74 (test), 15 epochs',
  names: ['base'],
});
