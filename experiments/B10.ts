import type { Experiment } from '../src/cli/experiment.ts';
import { paragraph } from '../src/report/blocks.ts';
import { variationSections } from './b-experiment.ts';
import {
  aboutWeights,
  checkpoint,
  type FineTuneSettings,
  fineTuneSettings,
  SIDE,
  trainFineTuned,
  trainTransfer,
} from './transfer.ts';

const aboutMovingAverages =
  'In validation and in the test, batch normalizations use moving averages. With momentum 0.999, as in Keras for this network, 72 percent of the initial averages remain after the 330 steps of the short scale. So the accuracies of a short run are far below those of a long one.';

/** Fine-tuning: the last 120 of the extractor's 156 layers are trained on. */
export const B10: Experiment<FineTuneSettings> = {
  id: 'B10',
  title: 'Fine-tuning',
  question: [
    "How much accuracy does fine-tuning gain? It starts from the weights of B9 and trains the last 120 of the extractor's 156 layers (input and head counted, as in Keras), with dropout between the dense layers, until the validation accuracy has not risen for 5 epochs.",
    `The images are scaled up to ${SIDE} x ${SIDE}, as in B9.`,
  ],
  published: '0.73 (validation 0.7455), stopped at 23',
  datasets: ['cifar10'],
  checkpoint,
  scales: fineTuneSettings,
  variations: ['transfer', 'fine-tuned'],

  async run(context) {
    const head = context.variation('transfer');
    await trainTransfer(head, head.settings.headEpochs);
    const trained = await trainFineTuned(context.variation('fine-tuned'), head);
    return variationSections(context, 'B10', [trained], {
      remarks: [paragraph(aboutWeights), paragraph(aboutMovingAverages)],
    });
  },
};
