import type { Experiment } from '../src/cli/experiment.ts';
import { compare, measuredRow, modelBlocks, section } from '../src/report/blocks.ts';
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
      section('Results', compare(trained.flatMap(({ units, training }) => rows(units, training)))),
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

/** The coursework reads off its plots the highest accuracy of all runs, of training and test alike. */
function rows(units: number, training: Training) {
  const published = units === 32 ? 0.35 : 0.46;
  const all = training.histories.flat().flatMap(({ accuracy, valAccuracy }) => [accuracy ?? 0, valAccuracy ?? 0]);
  return [
    measuredRow(`${units} units: training accuracy`, published, lastFigures(training)),
    measuredRow(`${units} units: test accuracy`, published, testFigures(training)),
    { label: `${units} units: highest accuracy of any run and epoch`, published, ours: Math.max(...all) },
  ];
}
