import type { Experiment, Lab } from '../src/cli/experiment.ts';
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
import {
  type Answers,
  answering,
  firstTen,
  largest,
  silentText,
  smoke,
  squaredErrorNetwork,
  trainOnMnist,
} from './d.ts';

const network = squaredErrorNetwork(() => new SGD({ learningRate: 0.1 }));

/** The same models for D0 and D1. */
export const trainFiveEpochs = (lab: Lab) => trainOnMnist(lab, 'd-sgd-0.1-5-epochs', network);

/** What the seed prints of its one model. */
const published = {
  untrained: [0, 0, 0, 0, 0.01807496, 0.08556172, 0, 0.18155557, 0.24481636, 0.23043056],
  trained: [0, 0, 0, 0.08790164, 0, 0, 0, 0.8551434, 0, 0],
  /** Test images of each class it gets right: the diagonal of its confusion matrix. */
  right: [702, 1118, 967, 955, 944, 803, 923, 955, 911, 905],
};

/** D0: what the coursework shows before its questions. */
export const D0: Experiment = {
  id: 'D0',
  title: 'A first network on MNIST',
  question: [
    'What does a network of 32 hidden units do with ten classes of digits before any training, and after five epochs of plain gradient descent on the squared error?',
    'The coursework trains one model; here ten are trained at once, those of D1. Pictures of a single model are those of the first.',
  ],
  published: 'untrained 0.103; after 5 epochs 0.9174 / 0.9183',
  datasets: ['mnist'],
  scales: { full: { epochs: 5, batchSize: 32, replicas: 10 }, smoke },
  networks: [network],

  async run(lab) {
    const { train, test } = lab.images('mnist');
    const untrained = await lab.part('d-untrained', () => measureUntrained(lab), { depends: network });
    const ten = await trainFiveEpochs(lab);
    const [first] = ten.measured;
    const [height, width, channels] = test.shape;
    return [
      section('Data', firstTen(train)),
      section('Results', results(ten, untrained)),
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
          `The largest output says ${largest(untrained.outputs)} before training (published: 8) and ${largest(first!.first)} after it (published: 7).`,
        ),
      ),
      section(
        'Confusion matrix',
        confusionBlock({
          ...{ name: 'confusion', title: 'D0 test images after training', subtitle: [`seed ${ten.seeds[0]}`] },
          ...{ classes: test.classes, counts: first!.confusion, rows: 'predicted class', columns: 'true class' },
        }),
        rightTable(ten, test.labels),
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

/** Test loss and accuracy of each model as it is built, and the first one's outputs for the first test image. */
async function measureUntrained({ device, images, loader, loaders, seed, settings, signal }: Lab) {
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

/** By the published confusion matrix; it finds 90 to 98% of every other class's. */
const whyBetter =
  'the published model finds only 702 of the 980 zeros of the test set; with nearly all of them it would be at about 0.944. A silent ' +
  'output would explain it, but its outputs for them are not given';

function results(ten: Training<Answers>, untrained: { loss: number[]; accuracy: number[] }) {
  const why = silentText(ten) || undefined;
  const [training, test] = [lastFigures(ten), testFigures(ten)];
  const own = answering(ten, training);
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
    // The published model is such a one: it takes some images for each of the ten classes.
    ...(why && own.length > 0
      ? [
          measuredRow('training accuracy, models whose outputs all answer', 0.9174, own, { why: whyBetter }),
          measuredRow('test accuracy, models whose outputs all answer', 0.9183, answering(ten, test), {
            why: whyBetter,
          }),
        ]
      : []),
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

function rightTable({ measured }: Training<Answers>, labels: Uint8Array) {
  const right = (digit: number) => measured.map(({ confusion }) => confusion[digit]![digit]!);
  return table(
    ['digit', 'test images', 'right, published', 'right, first model', 'right, mean of all models'],
    published.right.map((count, digit) => [
      String(digit),
      labels.filter((label) => label === digit).length,
      count,
      right(digit)[0]!,
      meanAndSd(right(digit)).mean!.toFixed(1),
    ]),
    'Test images that are taken for what they are: the diagonal',
  );
}
