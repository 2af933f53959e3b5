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
  'In validation and in the test, batch normalizations go by moving averages. With momentum 0.999, as Keras has it for this network, these still hold 72 percent of where they began after the 330 steps of the short scale: figures of a short run are far below those of a long one.';

/** Fine-tuning: the last 120 of the extractor's 156 layers are trained on. */
export const B10: Experiment<FineTuneSettings> = {
  id: 'B10',
  title: 'Fine-tuning',
  question: [
    "What does it gain to train the last 120 of the extractor's 156 layers (input and head counted, as Keras does) on from where B9 ended, with dropout between the dense layers, until the validation accuracy has not risen for 5 epochs?",
    `The images are scaled up to ${SIDE} x ${SIDE}, as in B9.`,
  ],
  published: '0.73 (validation 0.7455), stopped at 23',
  datasets: ['cifar10'],
  checkpoint,
  scales: fineTuneSettings,
  variations: ['transfer', 'fine-tuned'],

  async run(lab) {
    const head = lab.variation('transfer');
    await trainTransfer(head, head.settings.headEpochs);
    const trained = await trainFineTuned(lab.variation('fine-tuned'), head);
    return variationSections(lab, 'B10', [trained], {
      remarks: [paragraph(aboutWeights), paragraph(aboutMovingAverages)],
    });
  },
};
