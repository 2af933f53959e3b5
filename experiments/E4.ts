import type { Experiment } from '../src/cli/experiment.ts';
import { SGD } from '../src/index.ts';
import { compare, comparedCurves, measuredRow, modelBlocks, paragraph, section, table } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { firstEpochAbove, meanAbsoluteChange } from './e-curves.ts';
import { prepareDataset } from './e-data.ts';
import { network, smoke } from './e-networks.ts';

const rates = [0.1, 0.01, 0.001];
/** Approximate final validation accuracies that the coursework reads off its plot. */
const published: Record<number, number> = { 0.1: 0.95, 0.001: 0.92 };
const why = 'the coursework does not name its classes, and the accuracy depends on them';
const mlp2 = network('mlp2');

/** E4: three learning rates, in one training of models with different rates. */
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
    const { train, validation, test, about } = prepareDataset(context);
    const modelsPerRate = context.settings.replicas;
    const learningRate = rates.flatMap((rate) => Array<number>(modelsPerRate).fill(rate));
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
      training: selectReplicas(trained, i * modelsPerRate, (i + 1) * modelsPerRate),
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
              firstAccuracies(training),
              { why: rate === 0.1 ? whyNotFastest(byRate) : undefined },
            ),
          ),
          ...byRate
            .map(({ rate, label, training }) =>
              measuredRow(
                `its change from epoch to epoch, ${label}`,
                rate === 0.1 ? 'the largest (noisiest)' : null,
                curvesOf(training).map(meanAbsoluteChange),
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
            const countText = reached.length < curves.length ? ` (${reached.length} of ${curves.length})` : '';
            return [
              String(rate),
              accuracyText(meanAndSd(firstAccuracies(training)).mean),
              reached.length === 0 ? 'none' : `${meanAndSd(reached).mean!.toFixed(1)}${countText}`,
              accuracyText(meanAndSd(curves.map(meanAbsoluteChange)).mean),
            ];
          }),
          'Speed and noise: means over the models, or over those that reached 0.9. The change is the mean of |accuracy - accuracy of the epoch before| over the second half.',
        ),
      ),
      section(
        'Curves',
        ...Object.entries({ 'training loss': 'loss', 'validation accuracy': 'valAccuracy' }).map(([title, measure]) =>
          comparedCurves(byRate, { title: `E4 mlp2: ${title}`, name: title, measure, validation: 'validation' }),
        ),
      ),
      section('Data', about, paragraph('All models are trained together, each with its own learning rate and seed.')),
      section('Model', modelBlocks(trained)),
    ];
  },
};

/** Returns the validation accuracies of each model over the epochs. */
const curvesOf = ({ histories }: Training): number[][] =>
  histories.map((epochs) => epochs.map(({ valAccuracy }) => valAccuracy ?? Number.NaN));

const firstAccuracies = (training: Training) => curvesOf(training).map((curve) => curve[0]!);

/** Describes which learning rates are ahead of the largest after the first epoch; undefined if none is. */
export function whyNotFastest([largest, ...others]: readonly { label: string; training: Training }[]):
  | string
  | undefined {
  const mean = ({ training }: { training: Training }) => meanAndSd(firstAccuracies(training)).mean!;
  const ahead = others.filter((other) => mean(other) > mean(largest!));
  if (ahead.length === 0) return undefined;
  const accuracies = firstAccuracies(largest!.training);
  return (
    `not confirmed here: after one epoch ${ahead.map((one) => `${one.label} is at ${accuracyText(mean(one))}`).join(', ')}, ` +
    `and the models of ${largest!.label} are between ${accuracyText(Math.min(...accuracies))} and ${accuracyText(Math.max(...accuracies))}`
  );
}

/** Returns the results of some of a training's models. */
const selectReplicas = (training: Training, from: number, to: number): Training => ({
  ...training,
  seeds: training.seeds.slice(from, to),
  histories: training.histories.slice(from, to),
  evaluations: training.evaluations.slice(from, to),
});
