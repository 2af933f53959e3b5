import type { Experiment, ExperimentContext } from '../src/cli/experiment.ts';
import { compare, curves, measuredRow, modelBlocks, paragraph, section, table } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import type { BlockInput, ComparisonInput } from '../src/report/content.ts';
import { count } from '../src/report/format.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { type Training, testFigures } from '../src/report/training.ts';
import { chanceLoss, endsAtChance } from './chance.ts';
import { classes, type Dataset, prepareDataset } from './e-data.ts';
import { type Architecture, names, network, rate, smoke } from './e-networks.ts';
import { FirstLayerChanges, type Point, TrainingCurves } from './e-recorders.ts';
import { type CnnSettings, settingsOf } from './e-trials.ts';
import { trainEach } from './seeds.ts';

const activations = ['relu', 'sigmoid'] as const;
type Activation = (typeof activations)[number];

/** Saved measurements of a model. */
interface Recordings {
  steps: number[];
  loss: Point[];
  /** Changes of the first layer's kernel; one less than `steps`. */
  changes: Point[];
  /** Number of weights of the first layer's kernel. */
  weights: number;
}

/** An architecture trained with one of the two activations. */
interface Case {
  name: Architecture;
  activation: Activation;
  training: Training<Recordings>;
  /** Mean of `changes` of each model. */
  magnitudes: number[];
  /** Whether each model has learned anything. */
  learned: boolean[];
}

/** E3: each architecture with ReLU and with sigmoid. */
export const E3: Experiment<CnnSettings> = {
  id: 'E3',
  title: 'ReLU against sigmoid',
  question: [
    "How does sigmoid instead of ReLU change the loss and the gradient of the first layer? As in the coursework, the gradient's magnitude is the norm of the change of the first layer's weights between two recordings, 10 steps apart, divided by the learning rate.",
    "The coursework's own sigmoid models contain ReLU, apparently by mistake (create_mlp1_sig and so on). Here they have sigmoid wherever the other models have ReLU.",
  ],
  published: "sigmoid's gradients smaller in deeper nets",
  datasets: ['fashion-mnist'],
  scales: {
    full: { epochs: 15, batchSize: 50, replicas: 3, every: 10, cnn: {} },
    short: {
      cnn: { epochs: 2, replicas: 1 },
      cut: ['the CNNs: 1 model instead of 3, 2 epochs instead of 15'],
    },
    smoke: { ...smoke, replicas: 1, every: 1, cut: ['recorded every step instead of every 10'] },
  },
  networks: names.flatMap((name) => activations.map((activation) => network(name, activation))),

  async run(context) {
    const data = prepareDataset(context);
    const cases = names.flatMap((name) => activations.map((activation) => ({ name, activation })));
    const all = await trainEach(context, cases, ({ name, activation }) => trainCase(context, data, name, activation));
    const caseOf = (name: Architecture, activation: Activation) =>
      all.find((one) => one.name === name && one.activation === activation)!;
    return [
      section(
        'Results',
        compare(
          activations.flatMap((activation) =>
            [['mlp2', 'mlp1'] as const, ['cnn5', 'cnn4'] as const, ['cnn3', 'mlp1'] as const].flatMap(([one, other]) =>
              ratioRows(
                `${one} to ${other}, ${activation === 'relu' ? 'ReLU' : activation}`,
                'below 1',
                caseOf(one, activation),
                caseOf(other, activation),
              ),
            ),
          ),
          "Magnitude of the first layer's gradient",
        ),
        compare(
          names.flatMap((name) =>
            ratioRows(`${name}, sigmoid to ReLU`, null, caseOf(name, 'sigmoid'), caseOf(name, 'relu')),
          ),
          "Magnitude of the first layer's gradient",
        ),
        paragraph(
          'In the coursework, the deeper of two networks has the lower magnitude, which it explains by the derivative of sigmoid. CNNs have a lower one than MLPs, whose first layer has more weights. It does not compare sigmoid with ReLU in one network.',
        ),
        table(
          [
            'architecture',
            'activation',
            'models',
            'weights of the first layer',
            'magnitude',
            'per weight',
            'test accuracy',
          ],
          all.flatMap(({ name, activation, training, magnitudes, learned }) =>
            [true, false].flatMap((hasLearned) => {
              const select = <T>(values: readonly T[]) => values.filter((_, i) => learned[i] === hasLearned);
              if (!learned.includes(hasLearned)) return [];
              const { weights } = training.measured[0]!;
              const { mean } = meanAndSd(select(magnitudes));
              return [
                [
                  ...[
                    name,
                    activation,
                    `${select(magnitudes).length}${hasLearned ? '' : ' at chance'}`,
                    count(weights),
                  ],
                  ...[magnitudeText(mean), magnitudeText(mean === null ? null : mean / Math.sqrt(weights))],
                  accuracyText(meanAndSd(select(testFigures(training))).mean),
                ],
              ];
            }),
          ),
          'Means over the training and the models; models that end at chance have separate rows. "per weight" is the magnitude divided by the square root of the number of weights',
        ),
        ...chanceText(all),
        paragraph(
          "The printed code of the coursework compares ReLU with ReLU (see above), so its figure cannot show the effect of sigmoid. Adam gives every weight a step of about the same size, whatever its gradient is. So this magnitude grows with the number of weights, and falls if a layer's gradients vanish or change sign from step to step. It is not a gradient in the strict sense.",
        ),
      ),
      section(
        'Curves',
        ...names.flatMap((name) => {
          const ofArchitecture = all.filter((one) => one.name === name);
          const lines = (values: (recordings: Recordings) => Point[], from: number) =>
            ofArchitecture.flatMap(({ activation, training: { measured, seeds } }) =>
              measured.map((recordings, i) => ({
                run: activation,
                series: `seed ${seeds[i]}`,
                x: recordings.steps.slice(from),
                y: values(recordings),
              })),
            );
          const heading = { x: { label: 'step' }, show: 'each' as const };
          return [
            curves({
              ...{
                ...heading,
                name: `${name}-loss`,
                title: `E3 ${name}: training loss`,
                y: { label: 'loss', log: true },
              },
              lines: lines(({ loss }) => loss, 0),
            }),
            curves({
              ...{ ...heading, name: `${name}-gradient`, title: `E3 ${name}: gradient of the first layer` },
              y: { label: 'norm of the change / rate', log: true, format: ',.4~r' },
              lines: lines(({ changes }) => changes, 1),
            }),
          ];
        }),
        paragraph(
          `Each line is one model. The loss is the mean over the ${context.settings.every} steps since the last recording; that of the coursework is the mean since the beginning of the training (train_on_batch with reset_metrics=False).`,
        ),
      ),
      section('Data', data.about),
      section(
        'Models',
        ...all
          .filter(({ activation }) => activation === 'sigmoid')
          .map(({ name, training }) => modelBlocks(training, { prefix: name, title: `${name}, sigmoid` })),
      ),
    ];
  },
};

async function trainCase(
  context: ExperimentContext<CnnSettings>,
  data: Dataset,
  name: Architecture,
  activation: Activation,
): Promise<Case> {
  const { epochs, replicas, every } = settingsOf(context.settings, name);
  const figures = new TrainingCurves(every);
  const first = new FirstLayerChanges(every, rate);
  const training = await context.train<Recordings>(`${name}-${activation}`, {
    ...network(name, activation),
    ...{ epochs, replicas, data: data.train, testData: data.test },
    callbacks: () => [figures, first],
    measure: async ({ index, weights }) => ({
      ...{ steps: figures.steps, loss: figures.curves.loss[index]!, changes: first.curves.change[index] ?? [] },
      weights: (await weights(0)).length,
    }),
    depends: { every, rate },
  });
  const magnitudes = training.measured.map(
    ({ changes }) => meanAndSd(changes.map((change) => change ?? Number.NaN)).mean ?? Number.NaN,
  );
  const learned = endsAtChance(training, classes.length).map((atChance) => !atChance);
  return { name, activation, training, magnitudes, learned };
}

/** Models whose magnitudes are compared, seed by seed. */
type Compared = Pick<Case, 'magnitudes' | 'learned'>;

/**
 * Compares the magnitudes of two cases by the mean of their ratios, seed by seed. The gradient of a model at chance has vanished, so
 * pairs in which both models learned get a separate row.
 */
export function ratioRows(label: string, published: string | null, of: Compared, to: Compared): ComparisonInput[] {
  const all = of.magnitudes.map((value, i) => value / to.magnitudes[i]!);
  const learned = all.filter((_, i) => of.learned[i] && to.learned[i]);
  const row = (text: string, ratios: readonly number[]) => {
    // The published result is words, so the report would show a reason also for ratios below 1.
    const why =
      published !== null && meanAndSd(ratios).mean! >= 1
        ? "Adam equalizes the size of the steps, and the coursework's own sigmoid models contain ReLU"
        : undefined;
    return measuredRow(text, published, ratios, { unit: 'number', why });
  };
  if (learned.length === all.length) return [row(label, all)];
  if (learned.length === 0) return [row(`${label}: all at chance`, all)];
  return [
    row(`${label}: all models`, all),
    row(`${label}: the ${learned.length} of ${all.length} that learned`, learned),
  ];
}

/** Describes how many models are at chance; empty if there are none. */
function chanceText(all: readonly Case[]): BlockInput[] {
  const lost = all.filter(({ learned }) => learned.includes(false));
  if (lost.length === 0) return [];
  const counts = lost.map(
    ({ name, activation, learned }) =>
      `${learned.filter((one) => !one).length} of ${learned.length} models of ${name} with ${activation === 'relu' ? 'ReLU' : activation}`,
  );
  return [
    paragraph(
      `${counts.join(', ')} end at chance: their loss is ${chanceLoss(classes.length).toFixed(4)}, that of equal probabilities for all classes, and their first layers hardly change. The coursework trains one model of each.`,
    ),
  ];
}

const magnitudeText = (value: number | null): string => (value === null ? 'n/a' : String(Number(value.toPrecision(3))));
