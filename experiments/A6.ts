import type { Experiment } from '../src/cli/experiment.ts';
import { bars, compare, paragraph, roundTo, section, table } from '../src/report/blocks.ts';
import type { Section } from '../src/report/content.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { modelNames, models, settings, trainModels } from './lenet.ts';

/** Some of LeNet-5's ten tensors of weights. */
interface Tensors {
  name: string;
  title: string;
  /** Labels by index in Keras's order. */
  labels: Record<number, string>;
}

const lastThree: Tensors = {
  name: 'last',
  title: 'weights[7] to weights[9]',
  labels: { 7: 'weights[7], bias of 84', 8: 'weights[8], last kernel', 9: 'weights[9], last bias' },
};

/** The tensors that the coursework's chart seems to show, judging by the names of its bars. */
const chartTensors: Tensors = {
  name: 'drawn',
  title: 'weights[1] to weights[3]',
  labels: { 1: 'weights[1], bias of 6', 2: 'weights[2], second kernel', 3: 'weights[3], bias of 16' },
};

/** Why the chart seems to show these tensors. */
const whyChartTensors =
  'the code counts the tensors of a model left over from an earlier loop: with the model of global average pooling, which has four, the ' +
  'bars are called layer 1 to layer 3, with any other model layer 7 to layer 9, and the text mentions a layer 2';

/** Whether the penalties make the weights sparse. */
export const A6: Experiment = {
  id: 'A6',
  title: 'Sparsity of the weights',
  question: [
    'Do the penalties make the weights sparse? The measure is the Gini index of the last three tensors of weights of every model with dense layers. It is 0 if all values are equal, and close to 1 if only a few of them are large. The tensors are the bias of the dense layer of 84 units, and the kernel and bias of the last layer.',
    "The coursework's chart seems to show weights[1] to weights[3] instead: a kernel and the biases of the convolutions. They are compared here, too.",
    'As in the coursework, weights are first shifted to be non-negative. So the index measures how far they are above the smallest weight, not how many are 0. Its bars show the first of three trainings; ours show the mean of three, with the standard deviation.',
  ],
  published: 'highest just under 0.60',
  datasets: ['cifar10'],
  scales: settings,

  async run(context) {
    const trained = await trainModels(
      context,
      modelNames.filter((name) => name !== 'average-pooling'),
    );
    const measureTensors = ({ labels }: Tensors) =>
      trained.flatMap(({ label, training }) =>
        Object.entries(labels).map(([index, tensor]) => {
          const each = training.measured.map((gini) => gini[Number(index)] ?? Number.NaN);
          return { model: label, tensor, each, first: each[0]!, ...meanAndSd(each) };
        }),
      );
    const [last, early] = [measureTensors(lastThree), measureTensors(chartTensors)];
    const trainings = trained.reduce((sum, { training }) => sum + training.seeds.length, 0);
    const largest = (found: readonly { each: number[] }[]) =>
      Math.max(...found.flatMap(({ each }) => each).filter(Number.isFinite));
    const l2 = early.filter(({ model }) => model === models['l2-0.001'].label);
    const biases = early.filter(({ tensor }) => tensor.includes('bias'));
    const lowest = ranked(early).at(-1);
    const isAsPublished = lowest?.model === models['l1-0.001'].label && lowest.tensor === chartTensors.labels[2];
    const whyLower =
      `neither set of tensors reaches 0.60: the highest index of our ${trainings} trainings is ${largest(early).toFixed(2)} in ` +
      `${chartTensors.title} and ${largest(last).toFixed(2)} in ${lastThree.title}. The published sparsest is a tensor of L2 0.001, whose highest in ` +
      `${chartTensors.title} is ${largest(l2).toFixed(2)}; biases have 6 or 16 values, and differ from training to training (sd up to ` +
      `${Math.max(...biases.map(({ sd }) => sd ?? 0)).toFixed(2)})`;
    return [
      section(
        'Results',
        compare([
          ...[
            {
              title: chartTensors.title,
              found: early,
              why: whyChartTensors + (isAsPublished ? '. Our least sparse tensor is the same' : ''),
            },
            { title: lastThree.title, found: last, why: undefined },
          ].flatMap(({ title, found, why }) => [
            extremeRow(`highest Gini index of ${title}`, 'just under 0.60 (L2 0.001)', ranked(found)[0], whyLower),
            extremeRow(`lowest Gini index of ${title}`, 'L1 0.001 on layer 2', ranked(found).at(-1), why),
          ]),
        ]),
        paragraph(
          'The coursework found the sparsest tensor, just under 0.60, with L2 0.001 (it does not say in which layer), and the least sparse one with L1 0.001 in layer 2.',
        ),
      ),
      ...[
        { tensors: lastThree, found: last },
        { tensors: chartTensors, found: early },
      ].map(({ tensors, found }) => sectionOf(tensors, found)),
    ];
  },
};

interface Found {
  model: string;
  tensor: string;
  first: number;
  mean: number | null;
  sd: number | null;
}

/** Compares the published highest or lowest index with ours of the first trainings, and names our model and tensor. */
const extremeRow = (label: string, published: string, found: Found | undefined, why: string | undefined) => ({
  label: `${label}, first training${found ? ` (${found.model}: ${found.tensor.split(',')[0]})` : ''}`,
  ...{ published, ours: found?.first ?? null, unit: 'number' as const, why },
});

/** Sorts by the index of the first training, the sparsest first; without trainings that ended in NaN. */
const ranked = <T extends Found>(found: readonly T[]): T[] =>
  found.filter(({ first }) => Number.isFinite(first)).sort((a, b) => b.first - a.first);

function sectionOf({ name, title }: Tensors, found: readonly Found[]): Section {
  const [highest, lowest] = [ranked(found)[0], ranked(found).at(-1)];
  return section(
    title,
    bars({
      name: `gini-${name}`,
      title: `A6 Gini index of ${title}`,
      x: { label: 'model' },
      y: { label: 'Gini index', format: '.2f' },
      bars: found.map(({ model, tensor, mean, sd }) => ({ category: model, group: tensor, value: mean, sd })),
    }),
    ...(highest && lowest
      ? [
          paragraph(
            `In the first trainings, the sparsest tensor is ${highest.tensor} of ${highest.model}, and the least sparse one is ${lowest.tensor} of ${lowest.model}.`,
          ),
        ]
      : []),
    table(
      ['model', 'tensor', 'first training', 'mean', 'sd'],
      found.map(({ model, tensor, first, mean, sd }) => [
        model,
        tensor,
        ...[first, mean, sd].map((one) => roundTo(one)),
      ]),
    ),
  );
}
