import type { Experiment } from '../src/cli/experiment.ts';
import { bars, compare, measuredRow, modelBlocks, paragraph, section, table } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { count } from '../src/report/format.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { testFigures } from '../src/report/training.ts';
import { dataset } from './e-data.ts';
import { names, network } from './e-networks.ts';
import { allTrials, averaged, bestTrial, type CnnSettings, settings } from './e-trials.ts';

const publishedParameters: Record<string, number> = { cnn3: 9741, cnn4: 7253, cnn5: 6061 };
const publishedAccuracy = {
  mlp1: 'below mlp2',
  mlp2: 'best',
  cnn3: 'slightly below',
  cnn4: 'slightly below',
  cnn5: 'slightly below',
};

/** E1: ten trainings of each of the five. */
export const E1: Experiment<CnnSettings> = {
  id: 'E1',
  title: 'Five architectures, ten trainings each',
  question: [
    'Which tells the five classes apart best, one of two MLPs or one of three CNNs with fewer parameters, and how do they learn?',
  ],
  published: 'mlp2 best; CNNs slightly below',
  datasets: ['fashion-mnist'],
  scales: settings,
  networks: names.map((name) => network(name)),

  async run(context) {
    const data = dataset(context);
    const all = await allTrials(context, data);
    return [
      section(
        'Results',
        compare([
          ...all.map(({ name, training }) => ({
            label: `best test accuracy, ${name}`,
            ...{ published: publishedAccuracy[name], ours: bestTrial(training).accuracy },
            why: 'the coursework names neither its classes nor its figures: with other classes the order may be another',
          })),
          ...all.map(({ name, training }) => measuredRow(`mean test accuracy, ${name}`, null, testFigures(training))),
          ...all.map(({ name, training }) => ({
            label: `parameters, ${name}`,
            published: publishedParameters[name] ?? null,
            ours: training.model.parameters,
            unit: 'count' as const,
          })),
        ]),
        table(
          ['architecture', 'best test accuracy', 'mean', 'worst', 'trainings', 'recordings of each'],
          all.map(({ name, training }) => [
            name,
            accuracyText(bestTrial(training).accuracy),
            accuracyText(meanAndSd(testFigures(training)).mean),
            accuracyText(Math.min(...testFigures(training))),
            training.seeds.length,
            count(training.measured[0]!.steps.length),
          ]),
        ),
        paragraph(
          `In order, here: ${order(all, (trials) => meanAndSd(trials).mean!)} by the mean; ${order(all, (trials) => Math.max(...trials))} by the best training.`,
        ),
        paragraph(
          'The coursework puts the lead of mlp2 down either to its reduced non-linearity (its second layer has no activation) or to more parameters than mlp1; they are fewer.',
        ),
        bars({
          name: 'test-accuracy',
          title: 'E1: test accuracy, mean over the trainings',
          x: { label: 'architecture' },
          y: { label: 'test accuracy', format: '.3f' },
          bars: all.map(({ name, training }) => {
            const { mean, sd } = meanAndSd(testFigures(training));
            return { category: name, group: 'test', value: mean, ...(sd === null ? {} : { sd }) };
          }),
        }),
      ),
      section(
        'Curves',
        averaged(all, { name: 'loss', title: 'E1: training loss', label: 'loss', log: true }, ({ steps, loss }) => ({
          ...{ steps, values: loss },
        })),
        averaged(
          all,
          { name: 'training-accuracy', title: 'E1: training accuracy', label: 'accuracy' },
          ({ steps, accuracy }) => ({ steps, values: accuracy }),
        ),
        averaged(
          all,
          { name: 'validation-accuracy', title: 'E1: validation accuracy', label: 'validation accuracy' },
          ({ validationSteps, validationAccuracy }) => ({ steps: validationSteps, values: validationAccuracy }),
        ),
        paragraph(
          `Training figures are those of the steps since the last recording (every ${context.settings.every}), and validation is all ${count(data.images.validation.size)} images each time: after steps ${context.settings.every}, ${2 * context.settings.every} and so on, where the coursework records after steps 1, 11 and so on. ` +
            "The coursework's training figures go on counting (train_on_batch with reset_metrics=False), on top of the validation images that it evaluated just before: they are smoother, and closer to its validation curve.",
        ),
      ),
      section('Data', data.about),
      section('Models', ...all.map(({ name, training }) => modelBlocks(training, { prefix: name, title: name }))),
    ];
  },
};

/** The five from the best to the worst, in words. */
const order = (all: Awaited<ReturnType<typeof allTrials>>, figure: (accuracies: number[]) => number): string =>
  all
    .map(({ name, training }) => ({ name, value: figure(testFigures(training)) }))
    .sort((a, b) => b.value - a.value)
    .map(({ name, value }) => `${name} ${accuracyText(value)}`)
    .join(', ');
