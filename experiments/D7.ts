import type { Experiment } from '../src/cli/experiment.ts';
import { compare, comparedCurves, measuredRow, modelBlocks, section, table } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { count } from '../src/report/format.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { denseClassifier, smoke } from './d-networks.ts';
import { accuracyPlots } from './d-report.ts';
import { trainEach } from './seeds.ts';

const architectures = [
  { name: 'no-hidden-layer', label: 'no hidden layer', hidden: [] },
  { name: '64-32', label: '64 and 32 units', hidden: [64, 32] },
  { name: '64-32-16', label: '64, 32 and 16 units', hidden: [64, 32, 16] },
].map((one) => ({ ...one, network: denseClassifier(one.hidden) }));

/** D7: question 7 of the coursework. */
export const D7: Experiment = {
  id: 'D7',
  title: 'No, two and three hidden layers',
  question: [
    'Which network is best for these digits? The coursework tries no hidden layer, two of 64 and 32 units, and a third one of 16 units.',
  ],
  published: 'no hidden layer about 0.925',
  datasets: ['mnist'],
  scales: {
    full: { epochs: 20, batchSize: 32, replicas: 10 },
    short: { epochs: 10, replicas: 5 },
    smoke,
  },
  networks: architectures.map(({ network }) => network),

  async run(context) {
    const { train, test } = context.loaders('mnist');
    const trained = await trainEach(context, architectures, async ({ name, label, network }) => {
      const training: Training = await context.train(`d7-${name}`, { ...network, data: train, validationData: test });
      return { name, label, training };
    });
    const [none, two, three] = trained.map(({ training }) => training);
    return [
      section(
        'Results',
        compare([
          measuredRow('no hidden layer: training accuracy', 0.925, lastFigures(none!)),
          measuredRow('no hidden layer: test accuracy', 0.925, testFigures(none!)),
          measuredRow('64 and 32 units: test accuracy', 'above no hidden layer', testFigures(two!)),
          measuredRow('64, 32 and 16 units: test accuracy', 'about that of 64 and 32', testFigures(three!)),
        ]),
        table(
          ['hidden layers', 'parameters', 'training accuracy', 'sd', 'test accuracy', 'sd'],
          trained.map(({ label, training }) => {
            const [train, test] = [meanAndSd(lastFigures(training)), meanAndSd(testFigures(training))];
            return [
              ...[label, count(training.model.parameters)],
              ...[train.mean, train.sd, test.mean, test.sd].map(accuracyText),
            ];
          }),
          `Means of ${none!.seeds.length} models after the last epoch`,
        ),
      ),
      section(
        'Curves',
        comparedCurves(trained, {
          ...{ title: 'D7 mean test accuracy', name: 'test-accuracy', measure: 'valAccuracy' },
        }),
        ...trained.map(({ name, label, training }) => accuracyPlots(training, `D7 ${label}`, name)),
      ),
      section(
        'Models',
        ...trained.map(({ name, label, training }) => modelBlocks(training, { prefix: name, title: label })),
      ),
    ];
  },
};
