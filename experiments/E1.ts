import type { Experiment } from '../src/cli/experiment.ts';
import { bars, compare, measuredRow, modelBlocks, paragraph, section, table } from '../src/report/blocks.ts';
import { accuracyText } from '../src/report/comparison.ts';
import { count } from '../src/report/format.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { testFigures } from '../src/report/training.ts';
import { prepareDataset } from './e-data.ts';
import { names, network } from './e-networks.ts';
import { bestTrial, type CnnSettings, meanCurves, settings, trainAllArchitectures } from './e-trials.ts';

const publishedParameters: Record<string, number> = { cnn3: 9741, cnn4: 7253, cnn5: 6061 };
const publishedAccuracy = {
  mlp1: 'below mlp2',
  mlp2: 'best',
  cnn3: 'slightly below',
  cnn4: 'slightly below',
  cnn5: 'slightly below',
};

/** E1: ten trainings of each of the five architectures. */
export const E1: Experiment<CnnSettings> = {
  id: 'E1',
  title: 'Five architectures, ten trainings each',
  question: [
    'Which classifies the five classes best, one of two MLPs or one of three CNNs with fewer parameters, and how do they learn?',
  ],
  published: 'mlp2 best; CNNs slightly below',
  datasets: ['fashion-mnist'],
  scales: settings,
  networks: names.map((name) => network(name)),

  async run(context) {
    const data = prepareDataset(context);
    const all = await trainAllArchitectures(context, data);
    return [
      section(
        'Results',
        compare([
          ...all.map(({ name, training }) => ({
            label: `best test accuracy, ${name}`,
            ...{ published: publishedAccuracy[name], ours: bestTrial(training).accuracy },
            why: 'the coursework names neither its classes nor its figures, and the order may differ with other classes',
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
          `Our order: ${rankingText(all, (accuracies) => meanAndSd(accuracies).mean!)} by the mean; ${rankingText(all, (accuracies) => Math.max(...accuracies))} by the best training.`,
        ),
        paragraph(
          'The coursework explains the lead of mlp2 by its reduced non-linearity (its second layer has no activation) or by more parameters than mlp1; but mlp2 has fewer.',
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
        meanCurves(all, { name: 'loss', title: 'E1: training loss', label: 'loss', log: true }, ({ steps, loss }) => ({
          ...{ steps, values: loss },
        })),
        meanCurves(
          all,
          { name: 'training-accuracy', title: 'E1: training accuracy', label: 'accuracy' },
          ({ steps, accuracy }) => ({ steps, values: accuracy }),
        ),
        meanCurves(
          all,
          { name: 'validation-accuracy', title: 'E1: validation accuracy', label: 'validation accuracy' },
          ({ validationSteps, validationAccuracy }) => ({ steps: validationSteps, values: validationAccuracy }),
        ),
        paragraph(
          `Training loss and accuracy are those of the steps since the last recording, and validation uses all ${count(data.images.validation.size)} images. Recordings are after steps ${context.settings.every}, ${2 * context.settings.every} and so on; those of the coursework are after steps 1, 11 and so on. ` +
            "The coursework's training metrics accumulate (train_on_batch with reset_metrics=False) and include the validation images evaluated just before. So its training curves are smoother, and closer to its validation curve.",
        ),
      ),
      section('Data', data.about),
      section('Models', ...all.map(({ name, training }) => modelBlocks(training, { prefix: name, title: name }))),
    ];
  },
};

/** Lists the architectures from the best to the worst. */
const rankingText = (
  all: Awaited<ReturnType<typeof trainAllArchitectures>>,
  score: (accuracies: number[]) => number,
): string =>
  all
    .map(({ name, training }) => ({ name, value: score(testFigures(training)) }))
    .sort((a, b) => b.value - a.value)
    .map(({ name, value }) => `${name} ${accuracyText(value)}`)
    .join(', ');
