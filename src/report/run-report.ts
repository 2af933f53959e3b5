import type { BlockInput, ReportContent } from './content.ts';
import type { Figure } from './figures/schema.ts';
import { count } from './format.ts';
import type { RunRecord } from './run-record.ts';

/** What a report says about one experiment of `tilegrad run`: made of `run.json` alone. */
export function reportOf(record: RunRecord): ReportContent {
  const { experiment, configuration, data, adapter, versions, timings } = record;
  const { name, vendor, driver, isSoftware } = adapter;
  const hasCurves = record.runs.some((run) => run.history.length > 0);
  return {
    kind: 'tilegrad-report',
    schemaVersion: 1,
    id: experiment.id,
    title: experiment.title,
    status: record.status,
    question: [experiment.question ?? `Does ${experiment.title} reach the figures that were published for it?`],
    reduced: record.notes,
    sections: [
      { title: 'Results', blocks: [results(record), ...(record.error ? [errorText(record.error.message)] : [])] },
      ...(hasCurves
        ? [{ title: 'Curves', blocks: curveFigures(record).map((figure) => ({ type: 'figure' as const, figure })) }]
        : []),
      ...(record.model ? [{ title: 'Model', blocks: modelBlocks(record, record.model) }] : []),
    ],
    provenance: [
      {
        seeds: record.runs.length > 0 ? record.runs.map(({ seed }) => seed) : [configuration.seed],
        adapter: { name, vendor, driver, isSoftware },
        versions,
        startedAt: timings.startedAt,
        seconds: timings.totalSeconds,
        command: record.command ?? `npx tilegrad run ${experiment.id}`,
        settings: {
          Data: data.description,
          'Data from': data.path,
          ...(record.tuning ? { Kernels: kernelsText(record.tuning) } : {}),
          Images: `${count(data.trainImages)} for training, ${count(data.testImages)} for testing`,
          Training: `${configuration.epochs} epochs, batch ${configuration.batchSize}, ${configuration.optimizer} ${configuration.learningRate}, ${configuration.loss}`,
        },
      },
    ],
  };
}

/** How kernels were chosen: the same seed and adapter give the same bits as long as the choices are the same. */
function kernelsText({ measured, file, choicesHash }: NonNullable<RunRecord['tuning']>): string {
  const how = measured > 0 ? `${measured} chosen by measurement (${file}), the others by rule` : 'chosen by rule';
  return `${how}; hash of all choices ${choicesHash}`;
}

const errorText = (message: string): BlockInput => ({ type: 'text', text: `The error: ${message}` });

function results({ results, published, parameters }: RunRecord): BlockInput {
  if (results === null) {
    return { type: 'text', text: 'No run has finished, so there is nothing to compare with the published figures.' };
  }
  const { runs, trainAccuracy, testAccuracy } = results;
  return {
    type: 'comparison',
    caption: runs > 1 ? `Mean of ${runs} runs` : '',
    rows: [
      {
        label: 'training accuracy',
        published: published.trainAccuracy,
        ours: trainAccuracy.mean,
        sd: trainAccuracy.sd,
      },
      { label: 'test accuracy', published: published.testAccuracy, ours: testAccuracy.mean, sd: testAccuracy.sd },
      { label: 'parameters', published: published.parameters, ours: parameters, unit: 'count' },
    ],
  };
}

/** Accuracy and loss over the epochs. */
export function curveFigures(record: RunRecord): Figure[] {
  const { experiment, configuration, data, published } = record;
  const { optimizer, learningRate, batchSize, seed, runs } = configuration;
  const images = `${count(data.trainImages)} training and ${count(data.testImages)} test images`;
  const subtitle = [
    `${images}${data.kind === 'sample' ? ' (bundled sample)' : ''}`,
    `batch ${batchSize}, ${optimizer} ${learningRate}, ${runs > 1 ? `seeds ${seed} to ${seed + runs - 1}` : `seed ${seed}`}`,
  ];
  const plot = (name: string, training: 'accuracy' | 'loss', test: 'valAccuracy' | 'valLoss'): Figure => ({
    type: 'curves',
    name,
    title: `${experiment.id} ${experiment.title}: ${name}`,
    subtitle,
    x: { label: 'epoch' },
    y: { label: name, format: '.2f' },
    lines: record.runs.flatMap(({ seed, history }) => {
      const x = history.map(({ epoch }) => epoch);
      const line = (series: string, y: (number | null)[]) => ({ run: `seed ${seed}`, series, x, y });
      return [
        line(
          'training',
          history.map((logs) => logs[training]),
        ),
        line(
          'test',
          history.map((logs) => logs[test] ?? null),
        ),
      ];
    }),
    ...(name === 'accuracy'
      ? {
          published: [
            { series: 'training', value: published.trainAccuracy },
            { series: 'test', value: published.testAccuracy },
          ],
        }
      : {}),
  });
  return [plot('accuracy', 'accuracy', 'valAccuracy'), plot('loss', 'loss', 'valLoss')];
}

function modelBlocks({ experiment }: RunRecord, model: NonNullable<RunRecord['model']>): BlockInput[] {
  const { summary, inputShape, layers } = model;
  const figure: Figure = { type: 'model', name: 'model', title: experiment.title, inputShape, layers };
  return [
    { type: 'figure', figure },
    { type: 'preformatted', text: summary },
  ];
}
