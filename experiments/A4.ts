import type { Experiment } from '../src/cli/experiment.ts';
import {
  compare,
  measuredRow,
  modelBlocks,
  paragraph,
  roundTo,
  section,
  table,
  trainingCurves,
} from '../src/report/blocks.ts';
import { lastFigures, testFigures } from '../src/report/training.ts';
import { models, settings, trainModel } from './lenet.ts';

const why =
  "the published figure is from one training, and trainings differ widely: the same authors' mean of three is 0.2141 / 0.1838 with a standard deviation of 0.137 (A5)";

/** LeNet-5 with global average pooling instead of its dense layers. */
export const A4: Experiment = {
  id: 'A4',
  title: 'Global average pooling instead of dense layers',
  question: [
    'How well does LeNet-5 do if a global average of its last convolution goes straight to the loss, without dense layers?',
    'As handed in, the model has 16 outputs without a softmax. The loss treats them as probabilities: it clips them to 1e-7 .. 1 - 1e-7, takes the logarithm and normalizes as it does logits. An output that is 0 or above 1 has no gradient, so the result of a training depends on its initial weights.',
  ],
  published: '0.3553 / 0.3571; mean of three 0.2141 / 0.1838',
  datasets: ['cifar10'],
  scales: settings,
  networks: [models['average-pooling'].network],

  async run(context) {
    const pooled = await trainModel(context, 'average-pooling');
    const [train, test] = [lastFigures(pooled), testFigures(pooled)];
    return [
      section(
        'Results',
        compare([
          measuredRow('training accuracy', 0.3553, train, { why }),
          measuredRow('test accuracy', 0.3571, test, { why }),
          { label: 'parameters', published: 2_872, ours: pooled.model.parameters, unit: 'count' },
        ]),
        paragraph('Results of each training:'),
        table(
          ['seed', 'training accuracy', 'test accuracy'],
          pooled.seeds.map((seed, i) => [seed, roundTo(train[i]), roundTo(test[i])]),
        ),
      ),
      section(
        'Curves',
        trainingCurves(pooled, {
          title: 'A4 global average pooling',
          show: 'each',
          published: { accuracy: { training: 0.3553, test: 0.3571 } },
        }),
      ),
      section('Model', modelBlocks(pooled, { title: 'LeNet-5 with global average pooling' })),
    ];
  },
};
