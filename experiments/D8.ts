import type { Experiment } from '../src/cli/experiment.ts';
import { compare, measuredRow, modelBlocks, paragraph, section } from '../src/report/blocks.ts';
import type { BlockInput } from '../src/report/content.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { accuracyPlots, denseClassifier, firstTen, smoke } from './d.ts';

const networks = [32, 256].map((units) => ({ units, network: denseClassifier([units], [32, 32, 3]) }));

/** D8: question 8. */
export const D8: Experiment = {
  id: 'D8',
  title: 'Dense networks on CIFAR-10',
  question: [
    'How well does the network of D5 do on CIFAR-10, whose images are in colour and of ten kinds of things? How much do 256 hidden units in place of 32 improve it?',
  ],
  published: '32 units about 0.35; 256 about 0.46',
  datasets: ['cifar10'],
  scales: {
    full: { epochs: 10, batchSize: 32, replicas: 10 },
    short: { epochs: 3, replicas: 3 },
    smoke: { ...smoke, epochs: 1 },
  },
  networks: networks.map(({ network }) => network),

  async run(lab) {
    const { train, test } = lab.loaders('cifar10');
    const trained: { units: number; training: Training }[] = [];
    for (const { units, network } of networks) {
      const training = await lab.train(`d8-${units}-units`, { ...network, data: train, validationData: test });
      trained.push({ units, training });
    }
    return [
      section('Data', firstTen(lab.images('cifar10').train)),
      section(
        'Results',
        compare(trained.flatMap(({ units, training }) => rows(units, training))),
        ...trained.flatMap(({ units, training }) => atChance(training, units)),
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

/** The coursework tells the highest accuracy of all runs, of training and test alike; the means are beside it. */
function rows(units: number, training: Training) {
  const published = units === 32 ? 0.35 : 0.46;
  const highest = (figure: 'accuracy' | 'valAccuracy') =>
    Math.max(...training.histories.flat().map((epoch) => epoch[figure] ?? 0));
  return [
    { label: `${units} units: highest training accuracy of any run`, published, ours: highest('accuracy') },
    { label: `${units} units: highest test accuracy of any run`, published, ours: highest('valAccuracy') },
    measuredRow(`${units} units: training accuracy`, null, lastFigures(training)),
    measuredRow(`${units} units: test accuracy`, null, testFigures(training)),
  ];
}

/** Loss of a model that gives all ten classes the same probability. */
const CHANCE = Math.log(10);

/** How many models have learned nothing, where there are any. */
function atChance({ histories, seeds }: Training, units: number): BlockInput[] {
  const lost = histories.filter((epochs) => Math.abs((epochs.at(-1)?.loss ?? 0) - CHANCE) < 0.005).length;
  if (lost === 0) return [];
  return [
    paragraph(
      `Of ${seeds.length} models with ${units} hidden units, ${lost} end at chance, with the loss of an answer that is the same for ` +
        `every image, ${CHANCE.toFixed(4)}. Silent hidden relus would explain it; their weights were not looked at.`,
    ),
  ];
}
