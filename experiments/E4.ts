import type { Experiment } from '../src/cli/experiment.ts';
import { SGD } from '../src/index.ts';
import { compare, comparedCurves, measuredRow, modelBlocks, paragraph, section, table } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { firstEpochAbove, roughness } from './e-curves.ts';
import { dataset } from './e-data.ts';
import { network, smoke } from './e-networks.ts';

const rates = [0.1, 0.01, 0.001];
/** What the validation accuracy ends near, as the coursework reads it off its plot. */
const published: Record<number, number> = { 0.1: 0.95, 0.001: 0.92 };
const why = 'the coursework does not name its classes: with others the accuracy is another';
const mlp2 = network('mlp2');

/** E4: one learning rate after the other, all models in one training, each with its own rate. */
export const E4: Experiment = {
  id: 'E4',
  title: 'mlp2 with three learning rates',
  question: ['How does the learning rate of SGD, 0.1, 0.01 or 0.001 for 20 epochs, change how mlp2 learns?'],
  published: '0.1 fastest and noisiest',
  datasets: ['fashion-mnist'],
  scales: {
    full: { epochs: 20, batchSize: 50, replicas: 3 },
    short: {},
    smoke,
  },
  networks: [mlp2],

  async run(context) {
    const { train, validation, test, about } = dataset(context);
    const each = context.settings.replicas;
    const learningRate = rates.flatMap((rate) => Array<number>(each).fill(rate));
    const trained = await context.train('rates', {
      ...network('mlp2', 'relu', () => new SGD({ learningRate })),
      data: train,
      validationData: validation,
      testData: test,
      replicas: learningRate.length,
    });
    const byRate = rates.map((rate, i) => ({
      rate,
      label: `rate ${rate}`,
      training: replicasOf(trained, i * each, (i + 1) * each),
    }));
    return [
      section(
        'Results',
        compare(
          byRate.map(({ rate, label, training }) =>
            measuredRow(
              `validation accuracy, ${label}`,
              published[rate] ?? null,
              lastFigures(training, 'valAccuracy'),
              {
                why,
              },
            ),
          ),
        ),
        compare([
          ...byRate.map(({ rate, label, training }) =>
            measuredRow(
              `validation accuracy after epoch 1, ${label}`,
              rate === 0.1 ? 'the highest (fastest)' : null,
              firstEpoch(training),
              { why: rate === 0.1 ? whyNotFastest(byRate) : undefined },
            ),
          ),
          ...byRate
            .map(({ rate, label, training }) =>
              measuredRow(
                `its change from epoch to epoch, ${label}`,
                rate === 0.1 ? 'the largest (noisiest)' : null,
                curvesOf(training).map(roughness),
                { unit: 'number' },
              ),
            )
            .filter(({ ours }) => Number.isFinite(ours)), // two epochs have no second half
        ]),
        compare(
          byRate.map(({ label, training }) => measuredRow(`test accuracy, ${label}`, null, testFigures(training))),
        ),
        table(
          ['rate', 'validation accuracy after epoch 1', 'first epoch above 0.9', 'change from epoch to epoch'],
          byRate.map(({ rate, training }) => {
            const curves = curvesOf(training);
            const reached = curves.map((curve) => firstEpochAbove(curve, 0.9)).filter((epoch) => epoch !== null);
            const few = reached.length < curves.length ? ` (${reached.length} of ${curves.length})` : '';
            return [
              String(rate),
              accuracyText(meanAndSd(firstEpoch(training)).mean),
              reached.length === 0 ? 'none' : `${meanAndSd(reached).mean!.toFixed(1)}${few}`,
              accuracyText(meanAndSd(curves.map(roughness)).mean),
            ];
          }),
          'How fast and how noisy: means over the models, or over those that got so far. The change is the mean of |accuracy - accuracy of the epoch before| over the second half.',
        ),
      ),
      section(
        'Curves',
        ...Object.entries({ 'training loss': 'loss', 'validation accuracy': 'valAccuracy' }).map(([title, measure]) =>
          comparedCurves(byRate, { title: `E4 mlp2: ${title}`, name: title, measure, validation: 'validation' }),
        ),
      ),
      section('Data', about, paragraph('All models train in one fit; each has its own rate and its own seed.')),
      section('Model', modelBlocks(trained)),
    ];
  },
};

/** The validation accuracy of each model, epoch after epoch. */
const curvesOf = ({ histories }: Training): number[][] =>
  histories.map((epochs) => epochs.map(({ valAccuracy }) => valAccuracy ?? Number.NaN));

const firstEpoch = (training: Training) => curvesOf(training).map((curve) => curve[0]!);

/** Where the largest rate is not ahead after the first epoch, which is. */
export function whyNotFastest([largest, ...others]: readonly { label: string; training: Training }[]):
  | string
  | undefined {
  const mean = ({ training }: { training: Training }) => meanAndSd(firstEpoch(training)).mean!;
  const ahead = others.filter((other) => mean(other) > mean(largest!));
  if (ahead.length === 0) return undefined;
  const own = firstEpoch(largest!.training);
  return (
    `not borne out here: after one epoch ${ahead.map((one) => `${one.label} is at ${accuracyText(mean(one))}`).join(', ')}, ` +
    `and the models of ${largest!.label} lie between ${accuracyText(Math.min(...own))} and ${accuracyText(Math.max(...own))}`
  );
}

/** Some of a training's models. */
const replicasOf = (training: Training, from: number, to: number): Training => ({
  ...training,
  seeds: training.seeds.slice(from, to),
  histories: training.histories.slice(from, to),
  evaluations: training.evaluations.slice(from, to),
});
