import type { Experiment, Settings } from '../src/cli/experiment.ts';
import { LearningRateScheduler, SGD } from '../src/index.ts';
import { compare, measuredRow, modelBlocks, paragraph, section, trainingCurves } from '../src/report/blocks.ts';
import { lastFigures, testFigures } from '../src/report/training.ts';
import { rateOfEpoch } from './e-curves.ts';
import { prepareDataset } from './e-data.ts';
import { network, smoke } from './e-networks.ts';

interface PhaseSettings extends Settings {
  /** Learning rates and their numbers of epochs. */
  phases: { rate: number; epochs: number }[];
}

const why = 'the coursework does not name its classes, and loss and accuracy depend on them';
const mlp2 = network('mlp2', 'relu', () => new SGD({ learningRate: 0.1 }));

/** E5: the learning rate falls at the epochs where the validation accuracy stopped rising. */
export const E5: Experiment<PhaseSettings> = {
  id: 'E5',
  title: 'mlp2 with a scheduled learning rate',
  question: [
    'SGD with a learning rate of 0.1 for 24 epochs, then 0.01 for 3 and 0.001 for 13: how good is mlp2? The coursework finds it almost as good as its mlp2 with Adam (E1).',
    'The coursework compiles the model again for each rate. SGD without momentum has no state, so one training with a schedule is the same.',
  ],
  published: 'test loss 0.194, accuracy 0.952',
  datasets: ['fashion-mnist'],
  scales: {
    full: {
      epochs: 40,
      batchSize: 50,
      replicas: 3,
      phases: [
        { rate: 0.1, epochs: 24 },
        { rate: 0.01, epochs: 3 },
        { rate: 0.001, epochs: 13 },
      ],
    },
    short: {},
    smoke: { ...smoke, epochs: 3, phases: [0.1, 0.01, 0.001].map((rate) => ({ rate, epochs: 1 })) },
  },
  networks: [mlp2],

  async run(context) {
    const { train, validation, test, about } = prepareDataset(context);
    const { phases } = context.settings;
    const trained = await context.train('scheduled', {
      ...mlp2,
      data: train,
      validationData: validation,
      testData: test,
      callbacks: () => [new LearningRateScheduler((epoch) => rateOfEpoch(phases, epoch))],
      depends: phases,
    });
    return [
      section(
        'Results',
        compare([
          measuredRow('test loss', 0.194, testFigures(trained, 'loss'), { unit: 'number', why }),
          measuredRow('test accuracy', 0.952, testFigures(trained), { why }),
          measuredRow('validation accuracy', null, lastFigures(trained, 'valAccuracy')),
        ]),
      ),
      section(
        'Curves',
        trainingCurves(trained, { title: 'E5 mlp2, scheduled rate', validation: 'validation' }),
        paragraph(
          `Learning rates: ${phases.map(({ rate, epochs }) => `${rate} for ${epochs}`).join(', then ')} epochs.`,
        ),
      ),
      section('Data', about),
      section('Model', modelBlocks(trained)),
    ];
  },
};
