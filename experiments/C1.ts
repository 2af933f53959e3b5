import { SearchError } from '../src/base/errors.ts';
import type { Experiment, ExperimentContext, Network, Settings, TrainedReplica } from '../src/cli/experiment.ts';
import {
  Adam,
  BatchNormalization,
  Dense,
  Dropout,
  Flatten,
  type Layer,
  LeakyReLU,
  regularizers,
  Sequential,
  SparseCategoricalCrossentropy,
} from '../src/index.ts';
import {
  compare,
  confusionBlock,
  heading,
  measuredRow,
  modelBlocks,
  preformatted,
  section,
  table,
  trainingCurves,
} from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import type { BlockInput } from '../src/report/content.ts';
import { duration } from '../src/report/format.ts';
import { searchBlocks } from '../src/report/search.ts';
import { bestTrial } from '../src/report/search-trials.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { HyperParameters } from '../src/search/hyperparameters.ts';
import type { SearchRecord, Trial } from '../src/search/record.ts';
import type { SearchOptions } from '../src/search/search-options.ts';
import { Hyperband } from '../src/search/searchers.ts';
import { resultsText, searchSpaceText, trialText } from '../src/search/summary.ts';
import { aboutSplit, splitImages } from './c-data.ts';
import { type Measured, smoke } from './c-small-networks.ts';
import { mergeTrainings, trainEach } from './seeds.ts';

const l2 = (hp: HyperParameters, name: string) =>
  regularizers.l2(hp.float(name, { min: 1e-8, max: 1e-4, sampling: 'log' }));

/** Creates the coursework's network. Each layer has its own hyperparameters, so deeper networks have more of them. */
function createModel(hp: HyperParameters): Sequential {
  const layers: Layer[] = [new Flatten({ inputShape: [28, 28, 1] })];
  for (let i = 0; i < hp.int('layers', { min: 3, max: 5 }); i++) {
    layers.push(
      new Dense({ units: hp.choice(`units${i}`, [64, 128, 256]), kernelRegularizer: l2(hp, `l2_${i}`) }),
      new BatchNormalization(),
      new LeakyReLU(),
      new Dropout(hp.float(`dropout_${i}`, { min: 0.1, max: 0.5, step: 0.2 })),
    );
  }
  return new Sequential([...layers, new Dense({ units: 10, kernelRegularizer: l2(hp, 'l2_final') })], 'tuned_mlp');
}

const compile = (hp: HyperParameters): ReturnType<Network['compile']> => ({
  optimizer: new Adam({ learningRate: hp.float('learning_rate', { min: 1e-4, max: 1e-1, sampling: 'log' }) }),
  loss: new SparseCategoricalCrossentropy({ fromLogits: true }),
  metrics: ['accuracy'],
});

/** Creates and compiles a model, like KerasTuner's `hypermodel`. */
export function buildModel(hp: HyperParameters): Sequential {
  const model = createModel(hp);
  model.compile(compile(hp));
  return model;
}

/** Returns the network with these values of its hyperparameters. */
const networkOf = (values: Trial['values']): Network => ({
  createModel: () => createModel(new HyperParameters({ values })),
  compile: () => compile(new HyperParameters({ values })),
});

interface SearchSettings extends Settings {
  /** The best 1 in `factor` trials continue in the next round. */
  factor: number;
}

/** C1: the tuned network. */
export const C1: Experiment<SearchSettings> = {
  id: 'C1',
  title: 'An MLP for MNIST tuned by Hyperband',
  question: [
    'How accurate is an MLP whose depth, widths, penalties, dropout and learning rate a search has chosen? Hyperband trains many settings for few epochs, and continues with the best third of them.',
    'The best setting is then trained from scratch for 10 epochs.',
  ],
  published: 'test 0.9760 (validation 0.9705); 194 us a sample',
  datasets: ['mnist'],
  scales: {
    full: { epochs: 10, batchSize: 32, replicas: 3, factor: 3 },
    short: { replicas: 1, limit: 12_000 },
    smoke: { ...smoke, epochs: 3 },
  },
  networks: [networkOf({ units0: 256, units1: 256, units2: 256 })],

  async run(context) {
    const images = splitImages(context);
    const [train, validation, test] = [images.train, images.validation, images.test].map((set) => context.loader(set));
    const { epochs, factor } = context.settings;
    const seeds = Array.from({ length: context.settings.replicas }, (_, i) => context.seed + i);
    const found = await trainEach(context, seeds, async (seed) => {
      const record = await context.search(`c1-search-seed-${seed}`, {
        ...{ buildModel, objective: 'valAccuracy', data: train!, validationData: validation!, seed },
        createSearch: (options: SearchOptions) => new Hyperband({ ...options, maxEpochs: epochs, factor }),
        depends: { epochs, factor, createModel, compile },
      });
      const training = await trainBest(context, record, { train: train!, validation: validation!, test: test!, seed });
      return { seed, record, training };
    });
    const best: Training<Measured> = mergeTrainings<Measured, Training<Measured>>(
      'c1-best',
      found.map(({ training }) => training),
    );
    return [
      section('Data', aboutSplit(images, context.seed)),
      section(
        'Results',
        compare([
          measuredRow('training accuracy', 0.9578, lastFigures(best)),
          measuredRow('validation accuracy', 0.9705, lastFigures(best, 'valAccuracy')),
          measuredRow('test accuracy', 0.976, testFigures(best)),
          measuredRow(
            'microseconds a training image',
            194,
            found.map(({ training }) => microseconds(training)),
            {
              unit: 'number',
              why: 'the coursework does not name the graphics card or CPU of the published figure',
            },
          ),
          measuredRow('hyperparameters of the default network', 12, [countDefaultHyperparameters()], { unit: 'count' }),
        ]),
        bestTable(found),
        confusionBlock({
          name: 'confusion',
          title: 'C1: test images after training',
          subtitle: [`seed ${best.seeds[0]}`],
          classes: images.test.classes,
          counts: best.measured[0]!.confusion,
        }),
      ),
      section(
        'Curves',
        trainingCurves(best, {
          title: 'C1 the best networks, trained from scratch',
          validation: 'validation',
          published: { accuracy: { training: 0.9578, test: 0.9705 } },
        }),
      ),
      ...found.map(({ seed, record, training }) =>
        section(
          `Search of seed ${seed}`,
          searchBlocks(record, {
            ...{ title: `C1 search, seed ${seed}`, prefix: `search-${seed}` },
            again: retrainCode(bestOf(record), { seed, epochs }),
          }),
          summaries(record),
          heading('The best network'),
          modelBlocks(training, { title: `C1 the best network of seed ${seed}`, prefix: `search-${seed}` }),
        ),
      ),
    ];
  },
};

/** Returns the trial with the best score. @throws SearchError if no trial has a score */
function bestOf(record: SearchRecord): Trial {
  const best = bestTrial(record);
  if (best) return best;
  const [failed] = record.trials;
  throw new SearchError(
    `${record.name}: no trial has a score, so there is no best one; the first failed with: ${failed?.reason}`,
  );
}

/** Trains the best network of a search from scratch, as the coursework does. */
function trainBest(
  context: ExperimentContext<SearchSettings>,
  record: SearchRecord,
  {
    train,
    validation,
    test,
    seed,
  }: Record<'train' | 'validation' | 'test', ReturnType<ExperimentContext['loader']>> & { seed: number },
): Promise<Training<Measured>> {
  const { values } = bestOf(record);
  return context.train<Measured>(`c1-best-seed-${seed}`, {
    ...networkOf(values),
    ...{ data: train, validationData: validation, testData: test, seed, replicas: 1 },
    measure: async ({ confusion }: TrainedReplica) => ({ confusion: await confusion(test) }),
  });
}

/** Returns the number of hyperparameters of the default network: KerasTuner's default search space. */
function countDefaultHyperparameters(): number {
  const hp = new HyperParameters();
  buildModel(hp);
  return hp.asked.length;
}

/** Returns the microseconds of training per image in the fastest epoch, validation included. */
function microseconds({ histories }: Training): number {
  const rates = histories.flat().flatMap(({ samplesPerSecond }) => samplesPerSecond ?? []);
  return 1e6 / Math.max(...rates);
}

function bestTable(found: readonly { seed: number; record: SearchRecord; training: Training }[]): BlockInput {
  return table(
    [
      'seed',
      'trials',
      'epochs',
      'time',
      'best validation accuracy',
      'trial',
      'layers',
      'widths',
      'learning rate',
      'test accuracy when trained again',
    ],
    found.map(({ seed, record, training }) => {
      const best = bestOf(record);
      const { values } = best;
      const widths = Array.from({ length: Number(values.layers) }, (_, i) => values[`units${i}`]);
      const epochs = record.trials.reduce((sum, { histories }) => sum + (histories[0]?.length ?? 0), 0);
      const seconds = record.trials.reduce((sum, trial) => sum + trial.seconds.total, 0);
      return [
        ...[seed, record.trials.length, epochs, duration(seconds), accuracyText(best.score), best.number],
        ...[values.layers as number, widths.join(', '), Number(Number(values.learning_rate).toPrecision(3))],
        accuracyText(testFigures(training)[0]),
      ];
    }),
    'What each search found',
  );
}

/** The summaries that the coursework prints. */
const summaries = (record: SearchRecord): BlockInput[] => [
  heading('The summaries, as KerasTuner prints them'),
  preformatted(searchSpaceText(record.space)),
  preformatted(resultsText(record, `searches/${record.name}`, 10)),
  heading('All trials in their order'),
  preformatted(record.trials.map(trialText).join('\n')),
];

/** Returns code that trains a trial's network again. */
const retrainCode = ({ values, number }: Trial, { seed, epochs }: { seed: number; epochs: number }): string => {
  const hyperparameters = Object.entries(values).filter(([name]) => !name.startsWith('tuner/'));
  return [
    `// Trial ${number}. buildModel is that of experiments/C1.ts`,
    `const values = ${JSON.stringify(Object.fromEntries(hyperparameters), null, 2)};`,
    'const model = buildModel(new HyperParameters({ values }));',
    `model.build(device, { seed: ${seed} });`,
    `await model.fit(train, { epochs: ${epochs}, batchSize: 32, seed: ${seed}, validationData: validation });`,
  ].join('\n');
};
