import { comparedCurves, paragraph, table } from '../src/report/blocks.ts';
import { accuracyText, comparisonText, OFF_MARK, OFF_NOTE, QUICK_NOTE } from '../src/report/comparison.ts';
import type { BlockInput, Cell } from '../src/report/content.ts';
import { count, duration } from '../src/report/format.ts';
import { meanAndSd } from '../src/report/statistics.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';
import { epochSeconds, labelOf, publishedOf, stepSeconds, variationOf } from './b-variations.ts';
import { mergeTrainings } from './seeds.ts';

// The end of the report of `tilegrad run B`: all variations in one table and in one plot.

/** Returns table and plot of all variations, from the finished trainings of each seed. */
export function variationsSummary(
  trainings: readonly Training[],
  { likeForLike } = { likeForLike: true },
): BlockInput[] {
  const variations = joinSeeds(trainings);
  if (variations.length === 0) return [];
  return [
    table(
      [
        ...['variation', 'parameters', 'epochs', 'training', 'validation', 'test'],
        ...['epoch', 'step', 'published', 'points'],
      ],
      variations.map((training) => variationRow(training, likeForLike)),
      'Variations of coursework B: accuracies after the last epoch, means over the seeds; times of an epoch and a step of training, without validation; published test accuracy, and points by which ours differs',
    ),
    ...(likeForLike ? [] : [paragraph(QUICK_NOTE)]),
    ...(variations.some((training) => compareTestAccuracy(training, likeForLike).isOff) ? [paragraph(OFF_NOTE)] : []),
    comparedCurves(
      variations.map((training) => ({ label: labelOf(training), training })),
      {
        ...{ title: 'B validation accuracy of all variations', name: 'validation-accuracy' },
        ...{ measure: 'valAccuracy', validation: 'validation' },
      },
    ),
  ];
}

/** Joins the trainings of each variation, in their order. */
function joinSeeds(trainings: readonly Training[]): Training[] {
  const groups = new Map<string, Training[]>();
  for (const training of trainings) {
    if (variationOf(training) === null) continue;
    const name = training.name.replace(/-seed-\d+$/, '');
    groups.set(name, [...(groups.get(name) ?? []), training]);
  }
  return [...groups].map(([name, group]) => mergeTrainings<unknown, Training>(name, group));
}

/** Compares our test accuracy with the published one. */
function compareTestAccuracy(training: Training, likeForLike: boolean) {
  const { test = null } = publishedOf(training);
  return comparisonText({ label: '', published: test, ours: meanAndSd(testFigures(training)).mean, likeForLike });
}

function variationRow(training: Training, likeForLike: boolean): Cell[] {
  const { test = null, epochs } = publishedOf(training);
  const { difference, isOff } = compareTestAccuracy(training, likeForLike);
  return [
    labelOf(training),
    count(training.model.parameters),
    training.histories.map((epochs) => epochs.length).join(', '),
    ...[lastFigures(training), lastFigures(training, 'valAccuracy'), testFigures(training)].map((figures) =>
      accuracyText(meanAndSd(figures).mean),
    ),
    duration(epochSeconds(training)),
    duration(stepSeconds(training)),
    [typeof test === 'number' ? accuracyText(test) : (test ?? []), epochs === undefined ? [] : `${epochs} epochs`]
      .flat()
      .join(', '),
    `${difference.replace(' points', '')}${isOff ? ` ${OFF_MARK}` : ''}`,
  ];
}
