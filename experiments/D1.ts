import type { Experiment } from '../src/cli/experiment.ts';
import { compare, measuredRow, modelBlocks, paragraph, runCurves, section } from '../src/report/blocks.ts';
import { lastFigures, testFigures } from '../src/report/training.ts';
import { trainFiveEpochs } from './D0.ts';
import { smoke } from './d-networks.ts';
import { deadOutputsText } from './d-predictions.ts';
import { runsTable } from './d-report.ts';

/** D1: question 1 of the coursework. */
export const D1: Experiment = {
  id: 'D1',
  title: 'Ten runs of one network',
  question: [
    'Ten models from scratch, five epochs each: how does the training accuracy of each model develop, and why do they differ?',
  ],
  published: 'runs differ',
  datasets: ['mnist'],
  scales: { full: { epochs: 5, batchSize: 32, replicas: 10 }, smoke },

  async run(context) {
    const ten = await trainFiveEpochs(context);
    const accuracies = lastFigures(ten);
    return [
      section(
        'Results',
        compare([
          measuredRow('training accuracy', 'runs differ', accuracies),
          { label: 'smallest training accuracy', published: null, ours: Math.min(...accuracies) },
          { label: 'largest training accuracy', published: null, ours: Math.max(...accuracies) },
          measuredRow('test accuracy', null, testFigures(ten)),
        ]),
        runsTable(ten, 'After the last epoch', ten.measured),
        paragraph(
          'The seed determines the initial weights of a model and the order of the images in each epoch. Nothing else differs between the runs: on one adapter, the same seed gives the same curve bit for bit.',
        ),
        ...(deadOutputsText(ten) ? [paragraph(`Why the runs differ so much: ${deadOutputsText(ten)}.`)] : []),
      ),
      section(
        'Curves',
        runCurves(ten, {
          ...{ title: 'D1 training accuracy of every run', name: 'training-accuracy' },
          ...{ measure: 'accuracy', label: 'training accuracy', format: '.2f' },
        }),
      ),
      section('Model', modelBlocks(ten)),
    ];
  },
};
