import type { Experiment } from '../src/cli/experiment.ts';
import { bars, compare, paragraph, rounded, section, table } from '../src/report/blocks.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { modelNames, settings, trainModels } from './lenet.ts';

/** The last three of LeNet-5's ten tensors of weights: Keras's weights[7] to weights[9]. */
const TENSORS = ['weights[7], bias of 84', 'weights[8], last kernel', 'weights[9], last bias'];

/** How sparse the penalties made the weights. */
export const A6: Experiment = {
  id: 'A6',
  title: 'Sparsity of the weights',
  question: [
    'Do the penalties make the weights sparse? The Gini index of the last three tensors of weights of every model with dense layers: 0 when all values are alike, towards 1 when few of them hold everything. The tensors are the bias of the dense layer of 84 units, and kernel and bias of the last one.',
    'As in the coursework, weights are shifted to be non-negative first, so that it asks how far they lie above the smallest and not how many are 0. Its bars are of the first of three trainings; ours of the mean of three, with their standard deviation.',
  ],
  published: 'highest just under 0.60',
  datasets: ['cifar10'],
  scales: settings,

  async run(lab) {
    const dense = modelNames.filter((name) => name !== 'average-pooling');
    const found = (await trainModels(lab, dense)).flatMap(({ label, training }) =>
      TENSORS.map((tensor, i) => {
        const each = training.measured.map((gini) => gini[i] ?? Number.NaN);
        return { model: label, tensor, each, first: each[0]!, ...meanAndSd(each) };
      }),
    );
    const finite = found.filter(({ first }) => Number.isFinite(first)).sort((a, b) => b.first - a.first);
    const [highest, lowest] = [finite[0], finite.at(-1)];
    const all = found.filter(({ tensor }) => tensor === TENSORS[2]).flatMap(({ each }) => each);
    const range = [Math.min(...all), Math.max(...all)].map((gini) => gini.toFixed(2)).join(' to ');
    return [
      section(
        'Results',
        compare([
          {
            label: 'highest Gini index, first training',
            published: 'just under 0.60',
            ours: highest?.first ?? null,
            unit: 'number',
            why: `one training of theirs; it is the index of the last layer's ten biases, which in our ${all.length} trainings of all models lies from ${range}`,
          },
        ]),
        bars({
          name: 'gini',
          title: 'A6 Gini index of the last three tensors of weights',
          x: { label: 'model' },
          y: { label: 'Gini index', format: '.2f' },
          bars: found.map(({ model, tensor, mean, sd }) => ({ category: model, group: tensor, value: mean, sd })),
        }),
        ...(highest && lowest
          ? [
              paragraph(
                `Of the first trainings, the sparsest is the ${highest.tensor} of ${highest.model}, and the least sparse the ${lowest.tensor} of ${lowest.model}. The coursework found the sparsest, just under 0.60, with L2 0.001, and the least sparse with L1 0.001.`,
              ),
            ]
          : []),
        table(
          ['model', 'tensor', 'first training', 'mean', 'sd'],
          found.map(({ model, tensor, first, mean, sd }) => [
            model,
            tensor,
            ...[first, mean, sd].map((one) => rounded(one)),
          ]),
        ),
      ),
    ];
  },
};
