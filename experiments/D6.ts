import type { Experiment, Settings } from '../src/cli/experiment.ts';
import { compare, curves, modelBlocks, section, table } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { count, duration } from '../src/report/format.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { denseClassifier, smoke } from './d-networks.ts';
import { trainEach } from './seeds.ts';

/** The training of ten models of one width. */
interface WidthTraining {
  width: number;
  training: Training;
}

/** D6: question 6 of the coursework. */
export const D6: Experiment<Settings & { widths: number[] }> = {
  id: 'D6',
  title: 'Accuracy against the width of the hidden layer',
  question: [
    'Ten models of 10 epochs each with 2, 4, 8, 16, 32, 64, 128 and 256 hidden units: how do the mean training and test accuracy depend on the width?',
  ],
  published: 'flat from about 128',
  datasets: ['mnist'],
  scales: {
    full: { epochs: 10, batchSize: 32, replicas: 10, widths: [2, 4, 8, 16, 32, 64, 128, 256] },
    short: { epochs: 5, replicas: 5 },
    smoke: { ...smoke, widths: [2, 128, 256], cut: ['widths 2, 128 and 256 only'] },
  },
  networks: [denseClassifier([256])],

  async run(context) {
    const { train, test } = context.loaders('mnist');
    const trained = await trainEach(context, context.settings.widths, async (width): Promise<WidthTraining> => {
      const training = await context.train(`d6-${width}-units`, {
        ...denseClassifier([width]),
        ...{ data: train, validationData: test },
      });
      return { width, training };
    });
    return [
      section(
        'Results',
        compare([
          ...gainRows(trained, 'training accuracy', lastFigures),
          ...gainRows(trained, 'test accuracy', testFigures),
        ]),
        widthsTable(trained),
      ),
      section(
        'Curves',
        widthCurve(trained, 'training accuracy', lastFigures),
        widthCurve(trained, 'test accuracy', testFigures),
      ),
      section('Model', modelBlocks(trained.at(-1)!.training, { title: `The widest, ${trained.at(-1)!.width} units` })),
    ];
  },
};

/** Compares the accuracy that each width gains over the one before; published are only the first and the last gain. */
const gainRows = (trained: readonly WidthTraining[], label: string, figures: (training: Training) => number[]) =>
  trained.slice(1).map(({ width, training }, i) => {
    const narrower = trained[i]!;
    const meanOf = (one: Training) => meanAndSd(figures(one)).mean!;
    return {
      label: `${label} gained from ${narrower.width} to ${width} units`,
      published: i === 0 ? 'much' : narrower.width >= 128 ? 'nearly nothing' : null,
      ours: meanOf(training) - meanOf(narrower.training),
    };
  });

const widthsTable = (trained: readonly WidthTraining[]) =>
  table(
    ['hidden units', 'parameters', 'training accuracy', 'sd', 'test accuracy', 'sd', 'time of training'],
    trained.map(({ width, training }) => {
      const [train, test] = [meanAndSd(lastFigures(training)), meanAndSd(testFigures(training))];
      return [
        ...[String(width), count(training.model.parameters)],
        ...[train.mean, train.sd, test.mean, test.sd].map(accuracyText),
        duration(training.timings.fitSeconds),
      ];
    }),
    `Means of ${trained[0]!.training.seeds.length} models; the time is that of all models together`,
  );

/** Plots the mean over the models against the width, with its standard deviation. */
function widthCurve(trained: readonly WidthTraining[], label: string, figures: (training: Training) => number[]) {
  const statistics = trained.map(({ training }) => meanAndSd(figures(training)));
  return curves({
    name: label.replace(' ', '-'),
    title: `D6 mean ${label} against the width`,
    subtitle: [`${trained[0]!.training.seeds.length} models of ${trained[0]!.training.epochs} epochs a width`],
    x: { label: 'hidden units', log: true },
    y: { label: `mean ${label}`, format: '.2f' },
    lines: [
      {
        ...{ run: 'mean', series: label, x: trained.map(({ width }) => width) },
        ...{ y: statistics.map(({ mean }) => mean), sd: statistics.map(({ sd }) => sd) },
      },
    ],
  });
}
