import { unique } from './arrays.ts';
import { comparisonText } from './comparison.ts';
import type { BlockInput, Cell, ComparisonInput, Section } from './content.ts';
import { imageFromWeights, weightLimit } from './figures/images.ts';
import type { Figure, FigureOf } from './figures/schema.ts';
import { seedsText } from './format.ts';
import { meanAndSd } from './statistics.ts';
import type { Training } from './training.ts';

// Functions that create the blocks of an experiment's report.

/** Part of a section: a block, a plot such as `plotHistory(history)`, a text (one paragraph), or a list of these. */
export type SectionPart =
  | BlockInput
  | readonly BlockInput[]
  | {
      /** Its block in a report. */
      readonly blocks: readonly BlockInput[];
    }
  | string;

export const section = (title: string, ...parts: readonly SectionPart[]): Section => ({
  title,
  blocks: parts.flatMap((part): readonly BlockInput[] => {
    if (typeof part === 'string') return [paragraph(part)];
    return 'blocks' in part ? part.blocks : ([part].flat() as BlockInput[]);
  }),
});

export const paragraph = (text: string): BlockInput => ({ type: 'text', text });

export const preformatted = (text: string): BlockInput => ({ type: 'preformatted', text });

/** A smaller heading within a section. */
export const heading = (text: string): BlockInput => ({ type: 'heading', text });

/**
 * A published value next to the mean of ours over several models, with its standard deviation.
 * @param published a number, words such as `0.01 to 0.04`, or null
 * @param ours the value of each model
 */
export function measuredRow(
  label: string,
  published: number | string | null,
  ours: readonly number[],
  options: Pick<ComparisonInput, 'unit' | 'why'> = {},
): ComparisonInput {
  return { label, published, ours: meanAndSd(ours).mean, sd: meanAndSd(ours).sd, runs: ours.length, ...options };
}

/**
 * A comparison of published values with ours. A row has its reason only if the row is off, if words were published, or if values that are
 * not accuracies differ: no bound says how far these may be off.
 */
export function compare(rows: readonly ComparisonInput[], caption = ''): BlockInput {
  const rowsToShow = rows.map(({ why, ...row }) => {
    const { isOff, difference } = comparisonText(row);
    const isExplained = isOff || typeof row.published === 'string' || (row.unit === 'number' && difference !== '');
    return isExplained && why !== undefined ? { ...row, why } : row;
  });
  return { type: 'comparison', caption, rows: rowsToShow };
}

export const table = (head: string[], rows: Cell[][], caption = ''): BlockInput => ({
  type: 'table',
  caption,
  head,
  rows,
});

/** Rounds a number for a table to at most `digits` decimals; null if it is not finite. */
export const roundTo = (value: number | null | undefined, digits = 4): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? Number(value.toFixed(digits)) : null;

const figureBlock = (figure: Figure, caption?: string): BlockInput => ({ type: 'figure', figure, caption });

type Without<T extends Figure['type']> = Omit<Extract<Figure, { type: T }>, 'type'>;

export const curves = (figure: Without<'curves'>, caption?: string): BlockInput =>
  figureBlock({ type: 'curves', ...figure }, caption);

export const bars = (figure: Without<'bars'>, caption?: string): BlockInput =>
  figureBlock({ type: 'bars', ...figure }, caption);

/** `counts[row][column]`: rows are true classes, unless the figure says otherwise. */
export const confusionBlock = (figure: Without<'confusion'>, caption?: string): BlockInput =>
  figureBlock({ type: 'confusion', ...figure }, caption);

/** Pictures side by side: `imageFromBytes`, `imageFromFloats` and `imageFromWeights` make them. */
export const imageGrid = (figure: Without<'images'>, caption?: string): BlockInput =>
  figureBlock({ type: 'images', ...figure }, caption);

/**
 * Weights as images: blue below 0, white at 0, red above. `values` are [height, width]. All have one color scale; with `ownScale`, each has
 * its own, so that faint weights are visible.
 */
export function weightImages(
  units: readonly { values: ArrayLike<number>; caption?: string }[],
  figure: Omit<Without<'images'>, 'images' | 'limit'> & { width: number; height: number; ownScale?: boolean },
  caption?: string,
): BlockInput {
  const { width, height, ownScale = false, ...heading } = figure;
  const limits = units.map(({ values }) => weightLimit(Array.from(values)));
  const limit = Math.max(...limits);
  const images = units.map(({ values, caption: name }, i) =>
    imageFromWeights(
      values,
      { width, height, ...(name === undefined ? {} : { caption: name }) },
      ownScale ? limits[i]! : limit,
    ),
  );
  return imageGrid({ ...heading, ...(ownScale ? {} : { limit }), images }, caption);
}

/** Label and number format of a curve, by metric. */
const MEASURES: Record<string, { label: string; format?: string }> = {
  accuracy: { label: 'accuracy', format: '.2f' },
  loss: { label: 'loss' }, // no format: 0.02 for a squared error, 2.3 for a cross-entropy
};

export interface CurvesOptions {
  /** Title of the plots, to which the name of the metric is appended. */
  title: string;
  /** Prefix of the names of the plots, for reports with several such pairs: `l2-0.01` gives `l2-0-01-accuracy`. */
  prefix?: string;
  /** The metrics; default: accuracy, if there is one, and loss. */
  measures?: readonly string[];
  /** `mean`: training and test in different colors. `each`: all models in different colors, with a legend. */
  show?: 'mean' | 'each';
  /** Published values by metric, as dashed rules. */
  published?: Record<string, { training?: number; test?: number }>;
  /** Name of the validation data; default: `test`. */
  validation?: string;
}

/** Curves of all models of a training over its epochs: a figure for each metric, none before the first epoch. */
export function trainingCurves(training: Training, options: CurvesOptions): BlockInput[] {
  const { histories, seeds, batchSize, optimizer } = training;
  const { title, prefix, show = 'mean', published = {}, validation = 'test' } = options;
  const hasEpochs = histories.some((epochs) => epochs.length > 0);
  const requested = options.measures ?? ['accuracy', 'loss'];
  const measures = requested.filter((name) => histories.some((epochs) => typeof epochs[0]?.[name] === 'number'));
  if (!hasEpochs) return [];
  return measures.map((name) => {
    const valName = `val${name[0]!.toUpperCase()}${name.slice(1)}`;
    const { label, format } = MEASURES[name] ?? { label: name };
    const hasValidation = histories.some((epochs) => epochs[0] && valName in epochs[0]);
    const series = [['training', name] as const, ...(hasValidation ? [[validation, valName] as const] : [])];
    const rules = Object.entries(published[name] ?? {}).map(([subset, value]) => ({
      series: subset === 'test' ? validation : subset,
      value,
    }));
    return curves({
      name: figureName(prefix, name),
      title: `${title}: ${label}`,
      subtitle: [`batch ${batchSize}, ${optimizer}, ${seeds.length === 1 ? 'seed' : 'seeds'} ${seedsText(seeds)}`],
      x: { label: 'epoch' },
      y: { label, format },
      show,
      lines: histories.flatMap((epochs, i) =>
        series.map(([seriesName, metric]) => ({
          run: `seed ${seeds[i]}`,
          series: seriesName,
          x: epochs.map(({ epoch }) => epoch),
          y: epochs.map((logs) => logs[metric] ?? null),
        })),
      ),
      ...(rules.length > 0 ? { published: rules } : {}),
    });
  });
}

export interface RunCurvesOptions {
  title: string;
  /** Name of the figure's files. */
  name: string;
  /** A metric of the epochs, such as `valLoss`. */
  measure: string;
  /** Label of the axis, such as `test error`. */
  label: string;
  format?: string;
}

/** A metric of a training over its epochs: a line for each model, in different colors and named in the legend. */
export function runCurves({ histories, seeds, batchSize, optimizer }: Training, options: RunCurvesOptions): BlockInput {
  const { title, name, measure, label, format } = options;
  return curves({
    name: figureName(undefined, name),
    title,
    subtitle: [`batch ${batchSize}, ${optimizer}`],
    x: { label: 'epoch' },
    y: { label, format },
    show: 'each',
    lines: histories.map((epochs, i) => ({
      run: `seed ${seeds[i]}`,
      series: label,
      x: epochs.map(({ epoch }) => epoch),
      y: epochs.map((logs) => logs[measure] ?? null),
    })),
  });
}

/** Several trainings in one figure: the mean over the models of each training, in its own color. */
export function comparedCurves(
  trainings: readonly { label: string; training: Training }[],
  {
    title,
    name,
    measure,
    x = 'epoch',
    validation = 'test',
  }: { title: string; name: string; measure: string; x?: string; validation?: string },
): BlockInput {
  const axisLabel = measure.replace(/^val(.)/, (_, first: string) => `${validation} ${first.toLowerCase()}`);
  const runs = unique(trainings.map(({ training }) => training.histories.length)).sort((a, b) => a - b);
  return curves({
    name: figureName(undefined, name),
    title,
    ...(runs.at(-1)! > 1 ? { subtitle: [`each line: mean of ${runs.join(' or ')} runs`] } : {}),
    x: { label: x },
    y: { label: axisLabel, format: '.2f' },
    show: 'each',
    lines: trainings.map(({ label, training: { histories } }) => {
      const longest = histories.reduce((best, epochs) => (epochs.length > best.length ? epochs : best), []);
      const spread = longest.map((_, i) =>
        meanAndSd(histories.flatMap((epochs) => (typeof epochs[i]?.[measure] === 'number' ? epochs[i][measure] : []))),
      );
      return {
        run: label,
        series: axisLabel,
        x: longest.map(({ epoch }) => epoch),
        y: spread.map(({ mean }) => mean),
        ...(histories.length > 1 ? { sd: spread.map(({ sd }) => sd) } : {}),
      };
    }),
  });
}

/** The drawing of a training's model and its summary. */
export function modelBlocks({ model }: Pick<Training, 'model'>, options: { prefix?: string; title?: string } = {}) {
  const { title, summary, inputShape, layers } = model;
  const figure: FigureOf<'model'> = {
    type: 'model',
    name: figureName(options.prefix, 'model'),
    title: options.title ?? title,
    inputShape,
    layers,
  };
  return [figureBlock(figure), preformatted(summary)];
}

/** Returns the name of a figure's files: lowercase letters, digits and hyphens. */
export const figureName = (prefix: string | undefined, name: string): string =>
  `${prefix ? `${prefix}-` : ''}${name}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 80);
