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

/** Transfer learning: a frozen extractor that was trained on ImageNet. */
export const B9: Experiment = {
  id: 'B9',
  title: 'Transfer learning',
  question: [
    'How well do dense layers do on the features of MobileNetV2, pretrained on ImageNet and frozen, after 8 epochs?',
    `The images are scaled up inside the model. The coursework does not say to which size: ${SIDE} x ${SIDE} is taken.`,
  ],
  published: '0.51',
  datasets: ['cifar10'],
  checkpoint,
  scales: transferSettings,
  variations: ['transfer', 'transfer-scaled-twice'],

  async run(lab) {
    const { epochs } = lab.settings;
    const trained = await trainTransfer(lab.variation('transfer'), epochs);
    const scaledTwice = await trainTransferScaledTwice(lab.variation('transfer-scaled-twice'), epochs);
    return variationSections(lab, 'B9', [trained, scaledTwice], {
      why: { transfer: whyBetter(trained, scaledTwice) },
      remarks: [
        paragraph(
          'The second training tries what the coursework may have done: its pixels were divided by 255 for the other networks, and the preprocessing of MobileNetV2 (x / 127.5 - 1) takes them for 0..255, so that every image is all but black.',
        ),
        paragraph(aboutWeights),
      ],
    });
  },
};

/** The published accuracy is far lower than that of features like these; what was tried does not explain it. */
const whyBetter = (trained: Training, scaledTwice: Training) =>
  `features of images of ${SIDE} x ${SIDE} whose pixels are scaled to -1..1, as the weights expect, give ${accuracyText(meanAndSd(testFigures(trained)).mean)}; ` +
  'what the coursework did otherwise is not known, as it states neither the size of its upscaled images nor its head. Scaling the pixels twice, ' +
  `which was tried, gives ${accuracyText(meanAndSd(testFigures(scaledTwice)).mean)}, less than was published`;
