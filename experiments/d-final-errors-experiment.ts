import type { Experiment, Network } from '../src/cli/experiment.ts';
import { compare, measuredRow, modelBlocks, paragraph, section } from '../src/report/blocks.ts';
import { lastFigures, testFigures } from '../src/report/training.ts';
import { smoke, squaredErrorNetwork } from './d-networks.ts';
import { deadOutputsText, trainOnMnist } from './d-predictions.ts';
import { errorPlots, rangeRows, runsTable } from './d-report.ts';

/** The experiments D2, D3 and D4, which differ in the optimizer. */
export interface FinalErrorsExperiment {
  id: string;
  title: string;
  question: string[];
  optimizer: Parameters<typeof squaredErrorNetwork>[0];
  /** Smallest and largest final error, training and test together, that the coursework reads off its plots. */
  range: [number, number];
}

export function finalErrorsExperiment({ id, title, question, optimizer, range }: FinalErrorsExperiment): Experiment {
  const network: Network = squaredErrorNetwork(optimizer);
  const published = `${range[0]} to ${range[1]}`;
  return {
    ...{ id, title, question, published: `final errors ${published}` },
    datasets: ['mnist'],
    scales: { full: { epochs: 20, batchSize: 32, replicas: 10 }, smoke },
    networks: [network],

    async run(context) {
      const ten = await trainOnMnist(context, id.toLowerCase(), network);
      const [training, test] = [lastFigures(ten, 'loss'), testFigures(ten, 'loss')];
      const [smallest, largest] = rangeRows('final error, training or test', range, [...training, ...test]);
      return [
        section(
          'Results',
          compare([
            measuredRow('final training error', published, training, { unit: 'number' }),
            measuredRow('final test error', published, test, { unit: 'number' }),
            smallest!,
            // Dead outputs make errors larger, so they do not explain an error below the published range.
            { ...largest!, why: (largest!.ours! > range[1] && deadOutputsText(ten)) || undefined },
            {
              label: `runs of ${ten.seeds.length} whose test error is above their training error`,
              ...{ published: id === 'D2' ? 'usually' : null, unit: 'count' },
              ours: training.filter((error, i) => test[i]! > error).length,
            },
            measuredRow('training accuracy', null, lastFigures(ten)),
            measuredRow('test accuracy', null, testFigures(ten)),
          ]),
          runsTable(ten, 'After the last epoch', ten.measured),
          ...(deadOutputsText(ten) ? [paragraph(`Why the runs differ so much: ${deadOutputsText(ten)}.`)] : []),
        ),
        section('Curves', errorPlots(ten, `${id} ${title}`)),
        section('Model', modelBlocks(ten)),
      ];
    },
  };
}
