import type { Experiment, ExperimentContext } from '../src/cli/experiment.ts';
import { compare, measuredRow, modelBlocks, section, trainingCurves } from '../src/report/blocks.ts';
import type { Section } from '../src/report/content.ts';
import { lastFigures, testFigures } from '../src/report/training.ts';
import { type ModelName, models, settings, trainModels } from './lenet.ts';

/** Published results of a model with a penalty, from one training. */
interface Published {
  name: ModelName;
  train: number;
  test: number;
  /** Why our accuracy may differ by more than 2 points. */
  why?: string;
}

/** The experiments A2 and A3, which differ in the kind of penalty. Each trains two strengths. */
export function penaltyExperiment(id: string, penalty: string, published: readonly Published[]): Experiment {
  return {
    id,
    title: `LeNet-5 with an ${penalty} penalty`,
    question: [
      `What does an ${penalty} penalty on every kernel, of strength 0.001 and of 0.01, do to the accuracy of LeNet-5 on CIFAR-10?`,
    ],
    published: published.map(({ train, test }) => `${train.toFixed(4)} / ${test.toFixed(4)}`).join('; '),
    datasets: ['cifar10'],
    scales: settings,
    networks: published.map(({ name }) => models[name].network),
    run: (context) => compareWithPublished(context, id, penalty, published),
  };
}

async function compareWithPublished(
  context: ExperimentContext,
  id: string,
  penalty: string,
  published: readonly Published[],
): Promise<Section[]> {
  const trainings = await trainModels(
    context,
    published.map(({ name }) => name),
  );
  const trained = published.map((one, i) => ({ ...one, ...trainings[i]! }));
  return [
    section(
      'Results',
      compare(
        trained.flatMap(({ label, train, test, why, training }) => [
          measuredRow(`training accuracy, ${label}`, train, lastFigures(training), { why }),
          measuredRow(`test accuracy, ${label}`, test, testFigures(training), { why }),
        ]),
      ),
    ),
    section(
      'Curves',
      ...trained.map(({ name, label, train, test, training }) =>
        trainingCurves(training, {
          title: `${id} ${label}`,
          prefix: name,
          published: { accuracy: { training: train, test } },
        }),
      ),
    ),
    section('Model', modelBlocks(trained[0]!.training, { title: `LeNet-5 with an ${penalty} penalty` })),
  ];
}
