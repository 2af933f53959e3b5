import type { Experiment } from '../src/cli/experiment.ts';
import { compare, measuredRow, modelBlocks, section, trainingCurves } from '../src/report/blocks.ts';
import { lastFigures, testFigures } from '../src/report/training.ts';
import { models, settings, trainModel } from './lenet.ts';

/** LeNet-5 without penalties: the baseline of coursework A. */
export const A1: Experiment = {
  id: 'A1',
  title: 'LeNet-5 on CIFAR-10',
  question: [
    'How well does LeNet-5 classify the images of CIFAR-10 without a penalty on its weights? The other experiments of coursework A are compared with it.',
  ],
  published: '0.6191 / 0.6022 (training / test)',
  datasets: ['cifar10'],
  scales: settings,
  networks: [models.baseline.network],

  async run(context) {
    const baseline = await trainModel(context, 'baseline');
    return [
      section(
        'Results',
        compare([
          measuredRow('training accuracy', 0.6191, lastFigures(baseline)),
          measuredRow('test accuracy', 0.6022, testFigures(baseline)),
          { label: 'parameters', published: 62_006, ours: baseline.model.parameters, unit: 'count' },
        ]),
      ),
      section(
        'Curves',
        trainingCurves(baseline, {
          title: 'A1 LeNet-5 on CIFAR-10',
          published: { accuracy: { training: 0.6191, test: 0.6022 } },
        }),
      ),
      section('Model', modelBlocks(baseline, { title: 'LeNet-5' })),
    ];
  },
};
