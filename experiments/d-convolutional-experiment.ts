import type { Experiment, Network, Reduced, Settings } from '../src/cli/experiment.ts';
import { compare, measuredRow, modelBlocks, section, trainingCurves } from '../src/report/blocks.ts';
import { lastFigures, testFigures } from '../src/report/training.ts';
import { accuracyPlots, runsTable } from './d-report.ts';

/** The experiments D9 and D10, which differ in the network. */
export interface ConvolutionalExperiment {
  id: string;
  title: string;
  question: string[];
  network: Network;
  /** Accuracies that the coursework reads off its plots. */
  published: { training?: number; test: number };
  short: Reduced<Settings>;
}

export function convolutionalExperiment({
  id,
  title,
  question,
  network,
  published,
  short,
}: ConvolutionalExperiment): Experiment {
  return {
    ...{ id, title, question },
    published: [published.training, published.test].filter((one) => one !== undefined).join(' / '),
    datasets: ['cifar10'],
    scales: {
      full: { epochs: 10, batchSize: 32, replicas: 10 },
      short,
      smoke: { epochs: 1, replicas: 2, limit: 64, testLimit: 32 },
    },
    networks: [network],

    async run(context) {
      const { train, test } = context.loaders('cifar10');
      const ten = await context.train(id.toLowerCase(), { ...network, data: train, validationData: test });
      return [
        section(
          'Results',
          compare([
            measuredRow('training accuracy', published.training ?? null, lastFigures(ten)),
            measuredRow('test accuracy', published.test, testFigures(ten)),
          ]),
          runsTable(ten, 'After the last epoch'),
        ),
        section(
          'Curves',
          accuracyPlots(ten, id),
          trainingCurves(ten, { title: `${id}, mean of all models`, published: { accuracy: published } }),
        ),
        section('Model', modelBlocks(ten)),
      ];
    },
  };
}
