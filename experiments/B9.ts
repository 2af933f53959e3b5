import type { Experiment } from '../src/cli/experiment.ts';
import { paragraph } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { type Training, testFigures } from '../src/report/training.ts';
import { variationSections } from './b-experiment.ts';
import {
  aboutWeights,
  checkpoint,
  SIDE,
  trainTransfer,
  trainTransferScaledTwice,
  transferSettings,
} from './transfer.ts';

/** Transfer learning: a frozen feature extractor that was trained on ImageNet. */
export const B9: Experiment = {
  id: 'B9',
  title: 'Transfer learning',
  question: [
    'How well do dense layers do on the features of MobileNetV2, pretrained on ImageNet and frozen, after 8 epochs?',
    `The images are scaled up inside the model. The coursework does not state the size; here it is ${SIDE} x ${SIDE}.`,
  ],
  published: '0.51',
  datasets: ['cifar10'],
  checkpoint,
  scales: transferSettings,
  variations: ['transfer', 'transfer-scaled-twice'],

  async run(context) {
    const { epochs } = context.settings;
    const trained = await trainTransfer(context.variation('transfer'), epochs);
    const scaledTwice = await trainTransferScaledTwice(context.variation('transfer-scaled-twice'), epochs);
    return variationSections(context, 'B9', [trained, scaledTwice], {
      why: { transfer: whyBetter(trained, scaledTwice) },
      remarks: [
        paragraph(
          'The second training repeats a possible mistake of the coursework: pixels are already divided by 255 for the other networks, but the preprocessing of MobileNetV2 (x / 127.5 - 1) expects 0..255, so every image becomes almost black.',
        ),
        paragraph(aboutWeights),
      ],
    });
  },
};

/** Why our accuracy is far above the published one: not known, and scaling the pixels twice does not explain it. */
const whyBetter = (trained: Training, scaledTwice: Training) =>
  `features of images of ${SIDE} x ${SIDE} whose pixels are scaled to -1..1, as the weights expect, give ${accuracyText(meanAndSd(testFigures(trained)).mean)}; ` +
  'what the coursework did differently is not known, because it states neither the size of its upscaled images nor its head. Scaling the pixels twice ' +
  `gives ${accuracyText(meanAndSd(testFigures(scaledTwice)).mean)}, less than the published accuracy`;
