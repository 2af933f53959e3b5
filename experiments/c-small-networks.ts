import type { Experiment, Network, Settings, TrainedReplica } from '../src/cli/experiment.ts';
import {
  Adam,
  AveragePooling2D,
  Conv2D,
  Dense,
  Flatten,
  type Layer,
  MaxPooling2D,
  regularizers,
  Sequential,
  SparseCategoricalCrossentropy,
} from '../src/index.ts';
import {
  compare,
  confusionBlock,
  measuredRow,
  modelBlocks,
  paragraph,
  section,
  trainingCurves,
} from '../src/report/blocks.ts';
import type { BlockInput } from '../src/report/content.ts';
import { count } from '../src/report/format.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { aboutSplit, splitImages } from './c-data.ts';

// The networks of few parameters of coursework C, their training and their reports.

const image = { inputShape: [28, 28, 1] as [number, number, number] };

/** Adam with Keras's default learning rate; the last layer returns logits. */
const logitsClassifier = (name: string, layers: () => Layer[]): Network => ({
  createModel: () => new Sequential(layers(), name),
  compile: () => ({
    optimizer: new Adam(),
    loss: new SparseCategoricalCrossentropy({ fromLogits: true }),
    metrics: ['accuracy'],
  }),
});

/** One layer: 28 * 28 * 10 weights and 10 biases. */
export const singleLayer = logitsClassifier('single_layer', () => [new Flatten(image), new Dense({ units: 10 })]);

/** Averages of 5 x 5 pixels, without the last three rows and columns. */
export const pooledAverages = logitsClassifier('pooled_averages', () => [
  new AveragePooling2D({ poolSize: 5, ...image }),
  new Flatten(),
  new Dense({ units: 10 }),
]);

/** Two filters, and the largest value of each in each quarter of the image: 2 * 26 + 8 * 10 + 10 parameters. */
export const pooledFilters = logitsClassifier('pooled_filters', () => [
  new Conv2D({ filters: 2, kernelSize: 5, ...image }),
  new MaxPooling2D({ poolSize: 9 }),
  new Flatten(),
  new Dense({ units: 10, kernelRegularizer: regularizers.l2(1e-4) }),
]);

/** Settings of the smoke scale, for tests. */
export const smoke = { epochs: 1, replicas: 2, limit: 384, testLimit: 96 } satisfies Partial<Settings>;

const settings = { full: { epochs: 10, batchSize: 32, replicas: 3 }, short: { epochs: 3 }, smoke };

/** Saved measurements of a model. */
export interface Measured {
  /** `[true class][predicted class]` of the test images. */
  confusion: number[][];
  /** Weights of the first layer with weights, only of the first model: pictures of all models would look alike. */
  firstLayer?: number[];
}

/** An experiment of coursework C that trains one network of few parameters. */
export interface SmallNetworkExperiment {
  id: string;
  title: string;
  question: string[];
  network: Network;
  published: { test: number; parameters: number };
  /** Why the accuracy may differ by more than 2 points. */
  why?: string;
  /** Paragraphs below the results. */
  remarks?: string[];
  /** Returns pictures of the first layer's weights. */
  pictures?(weights: readonly number[]): BlockInput[];
}

export function smallNetworkExperiment({
  network,
  published,
  why,
  remarks = [],
  pictures,
  ...about
}: SmallNetworkExperiment): Experiment {
  const { id, title } = about;
  return {
    ...about,
    published: `${published.test} with ${count(published.parameters)} parameters`,
    datasets: ['mnist'],
    scales: settings,
    networks: [network],

    async run(context) {
      const images = splitImages(context);
      const test = context.loader(images.test);
      const trained: Training<Measured> = await context.train<Measured>(id.toLowerCase(), {
        ...network,
        data: context.loader(images.train),
        validationData: context.loader(images.validation),
        testData: test,
        measure: async ({ index, confusion, weights }: TrainedReplica) => ({
          confusion: await confusion(test),
          ...(index === 0 ? { firstLayer: Array.from(await weights(0), (w) => Number(w.toPrecision(5))) } : {}),
        }),
      });
      const reason = why === undefined ? {} : { why };
      return [
        section('Data', aboutSplit(images, context.seed)),
        section(
          'Results',
          compare([
            measuredRow('training accuracy', null, lastFigures(trained)),
            measuredRow('validation accuracy', null, lastFigures(trained, 'valAccuracy')),
            measuredRow('test accuracy', published.test, testFigures(trained), reason),
            { label: 'parameters', published: published.parameters, ours: trained.model.parameters, unit: 'count' },
          ]),
          remarks.map(paragraph),
          confusionBlock({
            name: 'confusion',
            title: `${id}: test images after training`,
            subtitle: [`seed ${trained.seeds[0]}`],
            classes: images.test.classes,
            counts: trained.measured[0]!.confusion,
          }),
          pictures?.(trained.measured[0]!.firstLayer!) ?? [],
        ),
        section('Curves', trainingCurves(trained, { title: `${id} ${title}`, validation: 'validation' })),
        section('Model', modelBlocks(trained, { title })),
      ];
    },
  };
}
