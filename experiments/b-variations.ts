import type { Settings } from '../src/cli/experiment.ts';
import { measuredRow } from '../src/report/blocks.ts';
import type { ComparisonInput } from '../src/report/content.ts';
import { lastFigures, type Training, testFigures } from '../src/report/training.ts';

// The variations of coursework B: published results, settings, and comparisons with ours.

/** Published results of a variation; words if the coursework gives no number. */
export interface Published {
  test?: number | string;
  training?: number;
  validation?: number;
  epochs?: number;
  /** Measured on a graphics card of Colab, validation included. */
  epochSeconds?: number;
  stepSeconds?: number;
}

export const variations = {
  base: { label: 'base', published: { test: 0.74, epochs: 15 } },
  'two-blocks': { label: 'two blocks', published: { test: 0.69, epochs: 16 } },
  'four-blocks': {
    label: 'four blocks',
    published: {
      ...{ training: 0.9121, validation: 0.7339, test: 0.7247, epochs: 15 },
      ...{ epochSeconds: 9, stepSeconds: 0.007 },
    },
  },
  'kernels-5x5': { label: 'kernels 5x5', published: { test: 0.7, epochs: 16 } },
  doubled: { label: 'kernels doubled', published: { test: 'about as base' } },
  halved: { label: 'kernels halved', published: { test: 'lower than base' } },
  quartered: {
    label: 'kernels quartered',
    published: {
      ...{ training: 0.8209, validation: 0.6657, test: 0.6548, epochs: 22 },
      ...{ epochSeconds: 6, stepSeconds: 0.005 },
    },
  },
  'padding-valid': { label: 'padding valid', published: { test: 'slightly below base' } },
  'dropout-0.1': { label: 'dropout 0.1', published: { test: 'not better than 0.2' } },
  'dropout-0.2': { label: 'dropout 0.2', published: { test: 0.79, epochs: 31 } },
  'dropout-0.3': { label: 'dropout 0.3', published: { test: 'about as 0.2, after more epochs' } },
  'l1l2-small': { label: 'L1 1e-5, L2 1e-4', published: { test: 0.75, epochs: 24 } },
  'l1l2-large': { label: 'L1 0.3, L2 0.3', published: { test: 'no training at all' } },
  transfer: { label: 'transfer learning', published: { test: 0.51, epochs: 8 } },
  'transfer-scaled-twice': { label: 'transfer learning, pixels scaled twice', published: { epochs: 8 } },
  'fine-tuned': {
    label: 'fine-tuning',
    published: {
      ...{ training: 0.9351, validation: 0.7455, test: 0.73, epochs: 23 },
      ...{ epochSeconds: 98, stepSeconds: 0.081 },
    },
  },
} satisfies Record<string, { label: string; published: Published }>;

type Variation = keyof typeof variations;

/** Early stopping ends a training before epoch 100. The coursework trained one model of each variation. */
const full: Settings = { epochs: 100, batchSize: 32, replicas: 1 };
export const settings = {
  full,
  short: { epochs: 4, replicas: 1, limit: 9000, testLimit: 2000 },
  smoke: { epochs: 1, replicas: 1, limit: 72, testLimit: 16 },
};

/** Returns the number of epochs of each model. */
const countEpochs = ({ histories }: Training) => histories.map((epochs) => epochs.length);

/** Returns the median time of an epoch in seconds, so that epochs on a busy machine count little. */
export function epochSeconds({ histories }: Pick<Training, 'histories'>): number {
  const sorted = histories
    .flat()
    .map(({ seconds }) => seconds ?? Number.NaN)
    .sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Returns the seconds of a step in the epoch with the median time. */
export function stepSeconds({ histories, batchSize }: Pick<Training, 'histories' | 'batchSize'>): number {
  const median = epochSeconds({ histories });
  const logs = histories.flat().find(({ seconds }) => seconds === median);
  if (!logs) return Number.NaN;
  const samples = Math.round(median * (logs.samplesPerSecond ?? Number.NaN));
  return median / Math.ceil(samples / batchSize);
}

/** Returns the variation of a training from its name: `doubled-short-seed-1` is `doubled` at the short scale. */
export function variationOf({ name }: Pick<Training, 'name'>): { name: Variation; isShort: boolean } | null {
  const [, found, short] = /^(.*?)(-short)?(?:-seed-\d+)?$/.exec(name)!;
  return found! in variations ? { name: found as Variation, isShort: short !== undefined } : null;
}

/** Returns the label of a training in tables. */
export function labelOf(training: Pick<Training, 'name'>): string {
  const { name, isShort } = variationOf(training)!;
  return `${variations[name].label}${isShort ? ' (short)' : ''}`;
}

export const publishedOf = (training: Pick<Training, 'name'>): Published =>
  variations[variationOf(training)!.name].published;

/** Compares a training with the published results of its variation. @param why reason for a difference, at the full scale */
export function comparisonOf(training: Training, why?: string): ComparisonInput[] {
  const label = labelOf(training);
  const published = publishedOf(training);
  const reason = why === undefined || variationOf(training)!.isShort ? {} : { why };
  const row = (quantity: string, theirs: number | string | undefined, ours: number[], options: object = reason) =>
    theirs === undefined ? [] : [measuredRow(`${quantity}, ${label}`, theirs, ours, options)];
  return [
    ...row('training accuracy', published.training, lastFigures(training)),
    ...row('validation accuracy', published.validation, lastFigures(training, 'valAccuracy')),
    measuredRow(`test accuracy, ${label}`, published.test ?? null, testFigures(training), reason),
    ...row('epochs', published.epochs, countEpochs(training), { unit: 'count' }),
    ...row('an epoch', published.epochSeconds, [epochSeconds(training)], { unit: 'seconds' }),
    ...row('a step', published.stepSeconds, [stepSeconds(training)], { unit: 'seconds' }),
  ];
}
