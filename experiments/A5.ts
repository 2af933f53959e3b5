import type { Experiment, ExperimentContext } from '../src/cli/experiment.ts';
import {
  bars,
  compare,
  comparedCurves,
  measuredRow,
  modelBlocks,
  paragraph,
  roundTo,
  section,
  table,
} from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { lastFigures, testFigures } from '../src/report/training.ts';
import { type ModelName, modelNames, models, settings, trainModels } from './lenet.ts';

/** The published table: mean accuracies over three trainings, standard deviation of the test accuracy, seconds of inference. */
const published: Record<ModelName, { train: number; test: number; sd: number; seconds: number; parameters: number }> = {
  baseline: { train: 0.610833, test: 0.587667, sd: 0.004532, seconds: 1.171759, parameters: 62_006 },
  'l2-0.001': { train: 0.57812, test: 0.561233, sd: 0.009182, seconds: 1.373748, parameters: 62_006 },
  'l1-0.001': { train: 0.459873, test: 0.463867, sd: 0.014137, seconds: 1.765716, parameters: 62_006 },
  'l2-0.01': { train: 0.443213, test: 0.4414, sd: 0.004431, seconds: 1.788848, parameters: 62_006 },
  'l1-0.01': { train: 0.098307, test: 0.1, sd: 0, seconds: 2.380049, parameters: 62_006 },
  'average-pooling': { train: 0.214127, test: 0.1838, sd: 0.136916, seconds: 2.10248, parameters: 2_872 },
};

/** Why our accuracy differs from the published one. @param test test accuracies of our trainings */
const whyPooling = (test: readonly number[]) =>
  'trainings differ widely: the published deviation over three is 0.137, without their single results; ' +
  `ours range from ${accuracyText(Math.min(...test))} to ${accuracyText(Math.max(...test))}`;

/** Comparison of all models of coursework A. */
export const A5: Experiment = {
  id: 'A5',
  title: 'Six models in one table',
  question: [
    'How do the six models compare over three trainings each: accuracy, how much it varies, the time for the whole test set, and parameters?',
    'The columns of the coursework are headed "error", but the figures are accuracies.',
  ],
  published: 'baseline 0.6108 / 0.5877, sd 0.0045',
  datasets: ['cifar10'],
  scales: settings,

  async run(context) {
    const trained = await trainModels(context, modelNames);
    const seconds = await context.cached('inference-times', () => measureInferenceTimes(context));
    return [
      section(
        'Results',
        table(
          ['model', 'training accuracy', 'test accuracy', 'its sd', 'inference, s', 'parameters'],
          trained.map(({ name, label, training }) => {
            const { mean, sd } = meanAndSd(testFigures(training));
            const train = meanAndSd(lastFigures(training)).mean;
            return [label, ...[train, mean, sd, seconds[name]].map((one) => roundTo(one)), training.model.parameters];
          }),
          'Ours: means over the trainings of each model',
        ),
        ...trained.map(({ name, label, training }) => {
          const theirs = published[name];
          const test = testFigures(training);
          const why = name === 'average-pooling' ? { why: whyPooling(test) } : {};
          return compare(
            [
              measuredRow('training accuracy', theirs.train, lastFigures(training), why),
              measuredRow('test accuracy', theirs.test, test, why),
              ...(test.length > 1
                ? [
                    {
                      label: 'sd of test accuracy',
                      published: theirs.sd,
                      ours: meanAndSd(test).sd,
                      unit: 'number' as const,
                    },
                  ]
                : []),
              { label: 'inference', published: theirs.seconds, ours: seconds[name] ?? null, unit: 'seconds' },
              { label: 'parameters', published: theirs.parameters, ours: training.model.parameters, unit: 'count' },
            ],
            label,
          );
        }),
        paragraph(
          'Inference is one pass of one untrained model over the test images in batches of 32, the default of Keras: the median of three passes after a first one. Weights do not change the time. Five of the six models are the same network, so differences between their times are chance. The coursework does not say on which machine its times were measured.',
        ),
      ),
      section(
        'Curves',
        ...(['accuracy', 'valAccuracy', 'loss'] as const).map((measure) =>
          comparedCurves(trained, { title: `A5 ${titles[measure]} of the six models`, name: titles[measure], measure }),
        ),
        bars({
          name: 'test-accuracies',
          title: 'A5 test accuracy, published and ours',
          x: { label: 'model' },
          y: { label: 'test accuracy', format: '.2f' },
          bars: trained.flatMap(({ name, label, training }) => {
            const { mean, sd } = meanAndSd(testFigures(training));
            return [
              { category: label, group: 'published', value: published[name].test, sd: published[name].sd },
              { category: label, group: 'ours', value: mean, sd },
            ];
          }),
        }),
      ),
      section(
        'Models',
        modelBlocks(trained[0]!.training, { prefix: 'lenet', title: 'LeNet-5, with or without penalties' }),
        modelBlocks(trained.at(-1)!.training, { prefix: 'average-pooling', title: 'With global average pooling' }),
      ),
    ];
  },
};

const titles = { accuracy: 'training accuracy', valAccuracy: 'test accuracy', loss: 'training loss' };

/** Returns the seconds that a model of each kind takes to predict the whole test set. */
async function measureInferenceTimes(context: ExperimentContext): Promise<Partial<Record<ModelName, number>>> {
  const { test } = context.loaders('cifar10');
  const times: Partial<Record<ModelName, number>> = {};
  for (const name of modelNames) {
    const model = models[name].network.createModel().build(context.device, { seed: context.seed });
    const passes: number[] = [];
    for (let pass = 0; pass < 4; pass++) {
      const begun = performance.now();
      await model.predict(test, { batchSize: Math.min(32, test.size), signal: context.signal });
      passes.push((performance.now() - begun) / 1000);
    }
    times[name] = passes.slice(1).sort((a, b) => a - b)[1]!;
    model.dispose();
  }
  return times;
}
