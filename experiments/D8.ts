import type { Experiment } from '../src/cli/experiment.ts';
import { compare, measuredRow, modelBlocks, paragraph, section } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { chanceLoss, endsAtChance } from './chance.ts';
import { denseClassifier, smoke } from './d-networks.ts';
import { accuracyPlots, firstTen } from './d-report.ts';
import { trainEach } from './seeds.ts';

const networks = [32, 256].map((units) => ({ units, network: denseClassifier([units], [32, 32, 3]) }));

/** D8: question 8 of the coursework. */
export const D8: Experiment = {
  id: 'D8',
  title: 'Dense networks on CIFAR-10',
  question: [
    'How well does the network of D5 do on CIFAR-10, with color images of ten kinds of things? How much better are 256 hidden units instead of 32?',
  ],
  published: '32 units about 0.35; 256 about 0.46',
  datasets: ['cifar10'],
  scales: {
    full: { epochs: 10, batchSize: 32, replicas: 10 },
    short: { epochs: 3, replicas: 3 },
    smoke: { ...smoke, epochs: 1 },
  },
  networks: networks.map(({ network }) => network),

  async run(context) {
    const { train, test } = context.loaders('cifar10');
    const trained = await trainEach(context, networks, async ({ units, network }) => {
      const training: Training = await context.train(`d8-${units}-units`, {
        ...network,
        data: train,
        validationData: test,
      });
      return { units, training };
    });
    return [
      section('Data', firstTen(context.images('cifar10').train)),
      section(
        'Results',
        compare([...trained.flatMap(({ units, training }) => highestRows(units, training)), ...lowestRows(trained)]),
        ...trained.map(({ units, training }) => paragraph(accuraciesText(training, units))),
        paragraph(
          'In a copy of the network of 32 units in NumPy, trained for two epochs, the accuracy depended on the number of hidden units that were not 0 for every image: 0.10 with none, 0.18 to 0.19 with one, 0.19 to 0.28 with two or three, and 0.37 with eight. Whether this holds for the models here is not known: their weights were not examined.',
        ),
      ),
      section(
        'Curves',
        ...trained.map(({ units, training }) => accuracyPlots(training, `D8 ${units} units`, `${units}-units`)),
      ),
      section(
        'Models',
        ...trained.map(({ units, training }) =>
          modelBlocks(training, { prefix: `${units}-units`, title: `${units} hidden units` }),
        ),
      ),
    ];
  },
};

/** Returns the metric of every epoch of every model. */
const allValues = ({ histories }: Training, figure: 'accuracy' | 'valAccuracy') =>
  histories.flat().map((epoch) => epoch[figure] ?? Number.NaN);

/** Compares the highest accuracies of all runs, which the coursework gives for training and test together, and the means. */
function highestRows(units: number, training: Training) {
  const published = units === 32 ? 0.35 : 0.46;
  const highest = (figure: 'accuracy' | 'valAccuracy') => Math.max(...allValues(training, figure));
  const means = { why: units === 32 ? whyLow(training) : undefined };
  return [
    { label: `${units} units: highest training accuracy of any run`, published, ours: highest('accuracy') },
    { label: `${units} units: highest test accuracy of any run`, published, ours: highest('valAccuracy') },
    measuredRow(`${units} units: training accuracy`, `at most about ${published}`, lastFigures(training), means),
    measuredRow(`${units} units: test accuracy`, `at most about ${published}`, testFigures(training), means),
  ];
}

/** Compares the lowest accuracy of 256 units, which the coursework finds much higher than the highest of 32. */
function lowestRows(trained: readonly { units: number; training: Training }[]) {
  const [narrow, wide] = [trained[0]!.training, trained[1]!.training];
  return (['accuracy', 'valAccuracy'] as const).map((figure) => {
    const finalValues = lastFigures(wide, figure);
    return {
      label: `256 units: lowest ${figure === 'accuracy' ? 'training' : 'test'} accuracy of any epoch`,
      published: 'much higher than the highest of 32 units',
      ours: Math.min(...allValues(wide, figure)),
      why:
        `the highest of 32 units is ${accuracyText(Math.max(...allValues(narrow, figure)))}; ` +
        `after the last epoch the lowest of 256 is ${accuracyText(Math.min(...finalValues))}`,
    };
  });
}

/** Lists the accuracies of the models in order, and the number of models at chance. */
function accuraciesText(training: Training, units: number): string {
  const accuracies = testFigures(training).sort((a, b) => a - b);
  const lost = endsAtChance(training, 10).filter(Boolean).length;
  const chance = `${lost} ${lost === 1 ? 'is' : 'are'} at chance, with the loss of equal probabilities for all classes (${chanceLoss(10).toFixed(4)})`;
  return `Test accuracies of the ${accuracies.length} models with ${units} hidden units, in order: ${accuracies.map(accuracyText).join(', ')}. ${lost > 0 ? `Of these, ${chance}.` : 'None is at chance.'}`;
}

/** Why the mean is low: many models are at chance or close to it. */
function whyLow(training: Training): string {
  const accuracies = testFigures(training);
  const lost = endsAtChance(training, 10).filter(Boolean).length;
  const between = accuracies.filter((accuracy) => accuracy < 0.3).length - lost;
  return (
    `the published figure is the highest of any run, not a mean; of our ${accuracies.length} models ${lost} end at chance, ` +
    `${between} more have a test accuracy below 0.3, and the best is at ${accuracyText(Math.max(...accuracies))}`
  );
}
