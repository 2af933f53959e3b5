import type { Experiment, ExperimentContext } from '../src/cli/experiment.ts';
import type { LabelArray } from '../src/data/types.ts';
import { firstImages, SGD } from '../src/index.ts';
import {
  compare,
  confusionBlock,
  imageGrid,
  measuredRow,
  modelBlocks,
  paragraph,
  section,
  table,
  trainingCurves,
} from '../src/report/blocks.ts';
import { imageFromBytes } from '../src/report/figures/images.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { smoke, squaredErrorNetwork } from './d-networks.ts';
import { argmax, deadOutputsText, type Predictions, trainOnMnist, withDeadOutputs } from './d-predictions.ts';
import { firstTen } from './d-report.ts';

const network = squaredErrorNetwork(() => new SGD({ learningRate: 0.1 }));

/** Trains the models that D0 and D1 share. */
export const trainFiveEpochs = (context: ExperimentContext) => trainOnMnist(context, 'd-sgd-0.1-5-epochs', network);

/** Results that the original prints for its one model. */
const published = {
  untrained: [0, 0, 0, 0, 0.01807496, 0.08556172, 0, 0.18155557, 0.24481636, 0.23043056],
  trained: [0, 0, 0, 0.08790164, 0, 0, 0, 0.8551434, 0, 0],
  /** Correctly classified test images of each class: the diagonal of the confusion matrix. */
  correct: [702, 1118, 967, 955, 944, 803, 923, 955, 911, 905],
};

/** D0: the example before the coursework's questions. */
export const D0: Experiment = {
  id: 'D0',
  title: 'A first network on MNIST',
  question: [
    'How well does a network of 32 hidden units classify digits before training, and after five epochs of plain gradient descent on the squared error?',
    'The coursework trains one model. Here ten models are trained at once, which D1 uses, too. Pictures of a single model show the first one.',
  ],
  published: 'untrained 0.103; after 5 epochs 0.9174 / 0.9183',
  datasets: ['mnist'],
  scales: { full: { epochs: 5, batchSize: 32, replicas: 10 }, smoke },
  networks: [network],

  async run(context) {
    const { train, test } = context.images('mnist');
    const untrained = await context.cached('d-untrained', () => measureUntrained(context), { depends: network });
    const ten = await trainFiveEpochs(context);
    const [first] = ten.measured;
    const [height, width, channels] = test.shape;
    return [
      section('Data', firstTen(train)),
      section(
        'Results',
        results(ten, untrained),
        paragraph(
          "The coursework's text describes another model than its figures: a model of about 85% that classifies 479 of the nines as 0. That model seems to have had a dead output for 9.",
        ),
      ),
      section(
        'The first test image',
        imageGrid({
          ...{ name: 'first-test-image', title: 'The first test image', columns: 1 },
          images: [
            imageFromBytes(firstImages(test, 1).images, {
              ...{ height, width, channels, caption: test.classes[test.labels[0]!]! },
            }),
          ],
        }),
        outputsTable(untrained.outputs, first!.first),
        paragraph(
          `The largest output is that of ${argmax(untrained.outputs)} before training (published: 8) and that of ${argmax(first!.first)} after it (published: 7).`,
        ),
      ),
      section(
        'Confusion matrix',
        confusionBlock({
          ...{ name: 'confusion', title: 'D0 test images after training', subtitle: [`seed ${ten.seeds[0]}`] },
          ...{ classes: test.classes, counts: first!.confusion },
        }),
        correctTable(ten, test.labels),
      ),
      section(
        'Curves',
        trainingCurves(ten, {
          title: 'D0',
          published: { accuracy: { training: 0.9174, test: 0.9183 }, loss: { training: 0.0225, test: 0.022 } },
        }),
      ),
      section('Model', modelBlocks(ten)),
    ];
  },
};

/** Returns test loss and accuracy of each untrained model, and the outputs of the first one for the first test image. */
async function measureUntrained({ device, images, loader, loaders, seed, settings, signal }: ExperimentContext) {
  const { test } = loaders('mnist');
  const model = network.createModel().build(device, { seed, replicas: settings.replicas }).compile(network.compile());
  try {
    const figures = await model.evaluateReplicas(test, { signal });
    const outputs = await model.predict(loader(firstImages(images('mnist').test, 1)), { signal });
    return {
      loss: figures.map(({ loss }) => loss),
      accuracy: figures.map(({ accuracy }) => accuracy!),
      outputs: Array.from(outputs.subarray(0, 10)),
    };
  } finally {
    model.dispose();
  }
}

/** Results of models with the same number of dead outputs. */
interface Group {
  label: string;
  loss: { training: number[]; test: number[] };
  accuracy: { training: number[]; test: number[] };
}

function groupOf(ten: Training<Predictions>, dead: number, label: string): Group {
  const select = (figures: readonly number[]) => withDeadOutputs(ten, dead, figures);
  const both = (name: string) => ({ training: select(lastFigures(ten, name)), test: select(testFigures(ten, name)) });
  return { label, loss: both('loss'), accuracy: both('accuracy') };
}

const rangeText = (figures: readonly number[]) =>
  `${Math.min(...figures).toFixed(4)} to ${Math.max(...figures).toFixed(4)}`;

/**
 * Why the published accuracy is between those of the two groups. Ten outputs of 0 count as class 0 (argmax), so a dead output for 0
 * costs little accuracy. The counts are those of the published confusion matrix.
 */
const whyBetween = (all: Group, one: Group) =>
  'the published model very probably has one dead output, that of 0: its test loss is 0.0220, our models with one dead ' +
  `output have ${rangeText(one.loss.test)} and those without ${rangeText(all.loss.test)}, and it finds only 702 of the 980 zeros. ` +
  'Ten outputs of 0 count as class 0, so a dead output of 0 loses only a part of its class. Without these zeros the published accuracy would be 0.8481, ' +
  `and our models with one dead output have ${rangeText(one.accuracy.test)}`;

/** Compares models without and with one dead output; empty if one of the groups is empty. */
export function groupRows(ten: Training<Predictions>) {
  const [all, one] = [groupOf(ten, 0, 'no dead output'), groupOf(ten, 1, 'one dead output')];
  if (all.loss.test.length === 0 || one.loss.test.length === 0) return [];
  const why = whyBetween(all, one);
  return [one, all].flatMap(({ label, loss, accuracy }) => [
    measuredRow(`training loss, models with ${label}`, 0.0225, loss.training, { unit: 'number' }),
    measuredRow(`test loss, models with ${label}`, 0.022, loss.test, { unit: 'number' }),
    measuredRow(`training accuracy, models with ${label}`, 0.9174, accuracy.training, { why }),
    measuredRow(`test accuracy, models with ${label}`, 0.9183, accuracy.test, { why }),
  ]);
}

function results(ten: Training<Predictions>, untrained: { loss: number[]; accuracy: number[] }) {
  const why = deadOutputsText(ten) || undefined;
  const [training, test] = [lastFigures(ten), testFigures(ten)];
  const samplesPerSecond = meanAndSd(ten.histories[0]!.map((epoch) => epoch.samplesPerSecond!)).mean!;
  return compare([
    measuredRow('untrained: test loss', 0.1207, untrained.loss, { unit: 'number' }),
    measuredRow('untrained: test accuracy', 0.103, untrained.accuracy, {
      why: 'the accuracy of random weights depends on the seed',
    }),
    measuredRow('training loss', 0.0225, lastFigures(ten, 'loss'), { unit: 'number' }),
    measuredRow('test loss', 0.022, testFigures(ten, 'loss'), { unit: 'number' }),
    measuredRow('training accuracy', 0.9174, training, { why }),
    measuredRow('test accuracy', 0.9183, test, { why }),
    ...groupRows(ten),
    {
      label: `microseconds a training image and model, ${ten.seeds.length} models at once`,
      ...{ published: '65 to 74, one model', ours: 1e6 / samplesPerSecond, unit: 'number' },
    },
  ]);
}

const outputsTable = (untrained: readonly number[], trained: readonly number[]) =>
  table(
    ['output', 'untrained, published', 'untrained, ours', 'trained, published', 'trained, ours'],
    published.untrained.map((value, i) => [
      String(i),
      ...[value, untrained[i]!, published.trained[i]!, trained[i]!].map((one) => one.toFixed(4)),
    ]),
    'Outputs for the first test image',
  );

function correctTable({ measured }: Training<Predictions>, labels: LabelArray) {
  const correctOf = (digit: number) => measured.map(({ confusion }) => confusion[digit]![digit]!);
  return table(
    ['digit', 'test images', 'correct, published', 'correct, first model', 'correct, mean of all models'],
    published.correct.map((count, digit) => [
      String(digit),
      labels.filter((label) => label === digit).length,
      count,
      correctOf(digit)[0]!,
      meanAndSd(correctOf(digit)).mean!.toFixed(1),
    ]),
    'Correctly classified test images: the diagonal',
  );
}
