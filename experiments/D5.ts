import type { Experiment } from '../src/cli/experiment.ts';
import { compare, measuredRow, modelBlocks, section } from '../src/report/blocks.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { denseClassifier, smoke } from './d-networks.ts';
import { accuracyPlots, errorPlots, runsTable } from './d-report.ts';

const network = denseClassifier([32]);

/** D5: question 5 of the coursework. */
export const D5: Experiment = {
  id: 'D5',
  title: 'Ten runs, softmax and cross-entropy',
  question: ['With softmax outputs and the cross-entropy of the class labels, how does the training change?'],
  published: 'training loss falls smoothly',
  datasets: ['mnist'],
  scales: { full: { epochs: 20, batchSize: 32, replicas: 10 }, smoke },
  networks: [network],

  async run(context) {
    const { train, test } = context.loaders('mnist');
    const ten = await context.train('d5', { ...network, data: train, validationData: test });
    const steps = ten.epochs - 1;
    return [
      section(
        'Results',
        compare([
          measuredRow(
            `epochs of ${steps} in which the training loss rose`,
            'none: it falls smoothly',
            countRises(ten, 'loss'),
            {
              unit: 'number',
            },
          ),
          measuredRow(`epochs of ${steps} in which the test loss rose`, 'some', countRises(ten, 'valLoss'), {
            unit: 'number',
          }),
          measuredRow('final training loss', null, lastFigures(ten, 'loss'), { unit: 'number' }),
          measuredRow('final test loss', null, testFigures(ten, 'loss'), { unit: 'number' }),
          measuredRow('training accuracy', null, lastFigures(ten)),
          measuredRow('test accuracy', null, testFigures(ten)),
        ]),
        runsTable(ten, 'After the last epoch'),
      ),
      section('Curves', errorPlots(ten, 'D5'), accuracyPlots(ten, 'D5')),
      section('Model', modelBlocks(ten)),
    ];
  },
};

/** Returns for each model the number of epochs in which a metric is above that of the epoch before. */
const countRises = ({ histories }: Training, name: string): number[] =>
  histories.map((epochs) => epochs.filter((epoch, i) => i > 0 && epoch[name]! > epochs[i - 1]![name]!).length);
