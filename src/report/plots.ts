import {
  checkFlag,
  checkNumbers,
  checkObject,
  checkOptions,
  checkText,
  formatValue,
  type OptionNames,
  readList,
  tryRead,
} from '../base/check.ts';
import { ArgumentError, ShapeError } from '../base/errors.ts';
import { unique } from './arrays.ts';
import { figureName } from './blocks.ts';
import { countBins } from './figures/bars.ts';
import type { Figure, FigureOf, ModelLayer } from './figures/schema.ts';
import { type DrawnModel, modelLayers } from './model-layers.ts';
import { Plot } from './plot.ts';

// Plots for users' programs: each function takes a result of the library and returns a `Plot`.

/** Options of all plots. */
export interface PlotOptions {
  /** Title of the plot. Default: a description of its content. */
  title?: string;
  /** A line below the title, or several. */
  subtitle?: string | readonly string[];
  /** Text below it in a report. */
  caption?: string;
}

export const plotOptions = { title: true, subtitle: true, caption: true } as const;

/** Checks options and returns a copy, so that getters are read only once. @throws ArgumentError */
export function readOptions<T extends object>(subject: string, options: T, names: OptionNames<NoInfer<T>>): T {
  const checked = checkOptions(subject, options, names);
  return tryRead(subject, () => ({ ...checked }));
}

/** Returns a text or a list of texts as a list; empty for undefined. @throws ArgumentError for anything else */
export function textsOf(subject: string, given: string | readonly string[] | undefined): unknown[] {
  const texts = given === undefined ? [] : typeof given === 'string' ? [given] : readList(subject, given);
  if (texts) return texts;
  throw new ArgumentError(`${subject} must be text, or a list of texts, but is ${formatValue(given)}`);
}

/** Returns title, subtitle and name of a figure. @throws ArgumentError */
export function headingOf(subject: string, options: PlotOptions, title: string, name: string) {
  const { title: given = title, subtitle, caption } = options;
  checkText(`${subject}: title`, given);
  const lines = textsOf(`${subject}: subtitle`, subtitle);
  for (const line of [...lines, ...(caption === undefined ? [] : [caption])])
    checkText(`${subject}: subtitle or caption`, line);
  return {
    name: figureName(undefined, name) || 'figure',
    title: given,
    ...(lines.length > 0 ? { subtitle: lines as string[] } : {}),
  };
}

/** The result of `fit`, or its epochs only, or the result of an experiment's `context.train`. */
export type PlottedHistory =
  | {
      /** The epochs; with several replicas, the means over them. */
      readonly epochs: readonly EpochMetrics[];
      /** The epochs of each replica. */
      readonly replicas?: readonly (readonly EpochMetrics[])[];
    }
  | {
      /** The epochs of each model. */
      readonly histories: readonly (readonly EpochMetrics[])[];
      /** The seed of each model. */
      readonly seeds: readonly number[];
    }
  | readonly EpochMetrics[];

/** @inline */
type EpochMetrics = {
  /** From 1. */
  epoch: number;
  [metric: string]: number | null | undefined;
};

/** Options of `plotHistory`. */
export interface PlotHistoryOptions extends PlotOptions {
  /** The metrics, each in its own drawing with the validation metric; default: the loss and all metrics. */
  measures?: readonly string[];
  /** With several replicas: `mean` (default), with a band of one standard deviation, or `each`, in different colors. */
  show?: 'mean' | 'each';
}

/** Fields of an epoch that are not metrics of the model. */
const NOT_METRICS = ['epoch', 'learningRate', 'seconds', 'samplesPerSecond'];
const valName = (name: string) => `val${name[0]!.toUpperCase()}${name.slice(1)}`;

/**
 * Plots curves of a training over its epochs: the loss and each metric with its validation metric, in drawings below each other.
 *
 *     await plotHistory(await model.fit(data, { epochs: 5 })).save('curves.png');
 *
 * @throws ArgumentError for a history without an epoch, or a measure that it does not have
 */
export function plotHistory(history: PlottedHistory, rawOptions: PlotHistoryOptions = {}): Plot {
  const options = readOptions('plotHistory', rawOptions, { ...plotOptions, measures: true, show: true });
  const { measures: requested, show = 'mean', caption } = options;
  if (show !== 'mean' && show !== 'each') {
    throw new ArgumentError(`plotHistory: show must be 'mean' or 'each', but is ${formatValue(show)}`);
  }
  const { replicas, runs } = epochsOf(history);
  // From all epochs: if a loss is not finite in the first one, a history that was read from JSON has null there.
  const entries = replicas.flatMap((epochs) => epochs.flatMap((logs) => Object.entries(logs)));
  const numbers = entries.flatMap(([name, value]) => (typeof value === 'number' ? [name] : []));
  const all = unique(numbers).filter((name) => !NOT_METRICS.includes(name));
  const metricNames = all.filter((name) => !all.some((other) => valName(other) === name));
  if (metricNames.length === 0) {
    throw new ArgumentError('plotHistory: no epoch of the history has a loss or a metric that is a number');
  }
  const measures = requested === undefined ? metricNames : readList('plotHistory: measures', requested);
  if (!measures || measures.length === 0) {
    throw new ArgumentError(`plotHistory: measures must be a list such as ['loss'], but is ${formatValue(requested)}`);
  }
  const figures = measures.map((name): Figure => {
    if (!metricNames.includes(name as string)) {
      throw new ArgumentError(`plotHistory: the history has no ${formatValue(name)}; it has ${metricNames.join(', ')}`);
    }
    const heading = headingOf('plotHistory', options, 'Training', `history-${name}`);
    const series = [
      ['training', name as string],
      ['validation', valName(name as string)],
    ] as const;
    return {
      ...{ type: 'curves', ...heading, title: measures.length > 1 ? `${heading.title}: ${name}` : heading.title },
      ...{ x: { label: 'epoch' }, y: { label: String(name) }, show },
      lines: replicas.flatMap((epochs, r) =>
        series
          .filter(([, metric]) => epochs.some((logs) => typeof logs[metric] === 'number'))
          .map(([seriesName, metric]) => ({
            run: runs[r]!,
            series: seriesName,
            x: epochs.map(({ epoch }) => epoch),
            y: epochs.map((logs) => logs[metric] ?? null),
          })),
      ),
    };
  });
  return new Plot('plotHistory', figures, caption);
}

/** Returns the epochs and the name of each replica. @throws ArgumentError if there are none */
function epochsOf(history: PlottedHistory): { replicas: EpochMetrics[][]; runs: string[] } {
  const { replicas, seeds } = tryRead('plotHistory', () => {
    const given = (Array.isArray(history) ? { epochs: history } : Object(history)) as Record<string, unknown>;
    const isTraining = 'histories' in given;
    const lists = isTraining ? given.histories : (given.replicas ?? [given.epochs]);
    return {
      replicas: (readList('plotHistory', lists) ?? []).map(
        (epochs) => readList('plotHistory', epochs) as EpochMetrics[] | null,
      ),
      seeds: isTraining ? readList('plotHistory', given.seeds) : null,
    };
  });
  const isEpoch = (logs: EpochMetrics) => typeof logs === 'object' && logs !== null && typeof logs.epoch === 'number';
  if (replicas.length === 0 || !replicas.every((epochs) => epochs?.every(isEpoch))) {
    throw new ArgumentError(
      `plotHistory: takes what model.fit returned, a history with epochs, but was given ${formatValue(history)}; await the call of fit`,
    );
  }
  if (replicas.some((epochs) => epochs!.length === 0)) {
    throw new ArgumentError('plotHistory: the history is empty: no epoch was finished; train at least one');
  }
  return {
    replicas: replicas as EpochMetrics[][],
    runs: replicas.map((_, r) => (seeds ? `seed ${seeds[r]}` : `replica ${r}`)),
  };
}

/** Options of `plotCurves`. */
export interface PlotCurvesOptions extends PlotOptions {
  /** The x of each value, such as steps; default: 1, 2, 3, ... */
  x?: ArrayLike<number>;
  /** Label of the x axis. Default: `step`. */
  xLabel?: string;
  /** Label of the values. Default: `value`. */
  yLabel?: string;
  /** Whether x has a logarithmic axis. Default false. */
  xLog?: boolean;
  /** Whether the values have a logarithmic axis. Default false. */
  yLog?: boolean;
}

/**
 * Plots curves of any numbers, such as the losses of your own training loop: one line for each name.
 *
 *     await plotCurves({ training: losses, validation: valLosses }, { xLabel: 'step', yLabel: 'loss' }).save('loss.svg');
 *
 * @throws ArgumentError for a name without numbers; ShapeError for lines that are not as long as `x`
 */
export function plotCurves(
  lines: Readonly<Record<string, ArrayLike<number>>>,
  rawOptions: PlotCurvesOptions = {},
): Plot {
  const names = { ...plotOptions, x: true, xLabel: true, yLabel: true, xLog: true, yLog: true };
  const options = readOptions('plotCurves', rawOptions, names);
  const { x, xLabel = 'step', yLabel = 'value', xLog = false, yLog = false, caption } = options;
  for (const [name, text] of Object.entries({ xLabel, yLabel })) checkText(`plotCurves: ${name}`, text);
  for (const [name, flag] of Object.entries({ xLog, yLog })) checkFlag('plotCurves', name, flag);
  const entries = namedNumbers('plotCurves', lines);
  const positions = x === undefined ? undefined : Array.from(checkNumbers('plotCurves: x', x));
  const curves = entries.map(([name, y]) => {
    if (positions && positions.length !== y.length) {
      throw new ShapeError(
        `plotCurves: ${formatValue(name)} has ${y.length} values, but x has ${positions.length}; give as many`,
      );
    }
    return { run: 'values', series: name, x: positions ?? y.map((_, i) => i + 1), y };
  });
  const figure: Figure = {
    ...{ type: 'curves', ...headingOf('plotCurves', options, yLabel, 'curves') },
    ...{ x: { label: xLabel, log: xLog }, y: { label: yLabel, log: yLog }, lines: curves },
  };
  return new Plot('plotCurves', [figure], caption);
}

/** Returns lists of numbers by name. @throws ArgumentError */
function namedNumbers(subject: string, lists: Readonly<Record<string, ArrayLike<number>>>): [string, number[]][] {
  checkObject(subject, lists);
  const entries = tryRead(subject, () => Object.entries(lists));
  if (entries.length === 0) throw new ArgumentError(`${subject}: takes lists of numbers by name, but there is none`);
  return entries.map(([name, numbers]) => {
    const values = Array.from(checkNumbers(`${subject}: ${formatValue(name)}`, numbers));
    if (values.length === 0)
      throw new ArgumentError(`${subject}: ${formatValue(name)} is empty; give at least one number`);
    return [name, values];
  });
}

/** Limit of the figure's schema: more names would be illegible. */
const MAX_CLASSES = 100;

/** Options of `plotConfusionMatrix`. */
export interface PlotConfusionMatrixOptions extends PlotOptions {
  /** Names of the classes, in their order; default 0, 1, 2, ... */
  classes?: readonly string[];
}

/**
 * Plots a confusion matrix: true classes by row, predicted ones by column, colored by the share of the row.
 *
 *     await plotConfusionMatrix(await confusionMatrix(model, test), { classes }).save('confusion.svg');
 *
 * @param matrix the result of `confusionMatrix`, or its counts: `counts[true class][predicted class]`
 * @throws ArgumentError unless it is a square matrix of counts; ShapeError if the number of names is not the number of classes
 */
export function plotConfusionMatrix(
  matrix:
    | {
        /** `counts[true class][predicted class]`. */
        readonly counts: readonly (readonly number[])[];
      }
    | readonly (readonly number[])[],
  rawOptions: PlotConfusionMatrixOptions = {},
): Plot {
  const options = readOptions('plotConfusionMatrix', rawOptions, { ...plotOptions, classes: true });
  const given = tryRead('plotConfusionMatrix', () =>
    Array.isArray(matrix) ? matrix : (matrix as { counts?: unknown } | null)?.counts,
  );
  const counts = readList('plotConfusionMatrix', given)?.map((row) => readList('plotConfusionMatrix', row));
  const isCount = (n: unknown) => Number.isInteger(n) && (n as number) >= 0;
  const isSquare = counts?.every((row) => row?.length === counts.length && row.every(isCount));
  if (!counts || !isSquare || counts.length < 2) {
    throw new ArgumentError(
      `plotConfusionMatrix: takes a square of counts of two classes or more, as \`await confusionMatrix(model, data)\` returns it, but was given ${formatValue(given ?? matrix)}`,
    );
  }
  if (counts.length > MAX_CLASSES) {
    throw new ArgumentError(
      `plotConfusionMatrix: draws ${MAX_CLASSES} classes at most, but the matrix has ${counts.length}; draw those that are mistaken most, or write the counts to a file`,
    );
  }
  const classes = readList('plotConfusionMatrix: classes', options.classes ?? counts.map((_, i) => String(i)));
  if (!classes?.every((name) => typeof name === 'string')) {
    throw new ArgumentError(
      `plotConfusionMatrix: classes must be a list of names, but is ${formatValue(options.classes)}`,
    );
  }
  if (classes.length !== counts.length) {
    throw new ShapeError(
      `plotConfusionMatrix: the matrix has ${counts.length} classes, but ${classes.length} names were given; give a name each`,
    );
  }
  const heading = headingOf('plotConfusionMatrix', options, 'Confusion matrix', 'confusion-matrix');
  const figure = { type: 'confusion', ...heading, classes, counts } as Figure;
  return new Plot('plotConfusionMatrix', [figure], options.caption);
}

/** Options of `plotBars`. */
export interface PlotBarsOptions extends PlotOptions {
  /** Label of the categories. Default: `category`. */
  xLabel?: string;
  /** Label of the numbers. Default: `value`. */
  yLabel?: string;
  /** Whether the bars are horizontal, for many categories with long names. */
  horizontal?: boolean;
}

/** Numbers by category; or groups of them, each in its own color. */
export type BarValues = Readonly<Record<string, number>> | Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * Plots bars of numbers by category, or groups of them.
 *
 *     await plotBars({ relu: 0.97, tanh: 0.96 }, { yLabel: 'accuracy' }).save('bars.png');
 *     await plotBars({ training: { relu: 0.99, tanh: 0.98 }, test: { relu: 0.97, tanh: 0.96 } }).save('bars.png');
 *
 * @throws ArgumentError for anything else, and if it is empty
 */
export function plotBars(values: BarValues, rawOptions: PlotBarsOptions = {}): Plot {
  const options = readOptions('plotBars', rawOptions, { ...plotOptions, xLabel: true, yLabel: true, horizontal: true });
  const { xLabel = 'category', yLabel = 'value', horizontal = false, caption } = options;
  for (const [name, text] of Object.entries({ xLabel, yLabel })) checkText(`plotBars: ${name}`, text);
  checkFlag('plotBars', 'horizontal', horizontal);
  checkObject('plotBars', values as object);
  const entries = tryRead('plotBars', () => Object.entries(values as Record<string, unknown>));
  const isPlain = entries.every(([, value]) => typeof value === 'number');
  const groups: [string, unknown][] = isPlain ? [['', Object.fromEntries(entries)]] : entries;
  const bars = groups.flatMap(([group, numbers]) => {
    checkObject(`plotBars: ${formatValue(group)}`, numbers as object);
    return tryRead('plotBars', () => Object.entries(numbers as Record<string, unknown>)).map(([category, value]) => {
      if (typeof value === 'number') return { category, group, value };
      throw new ArgumentError(`plotBars: ${formatValue(category)} must be a number, but is ${formatValue(value)}`);
    });
  });
  if (bars.length === 0) throw new ArgumentError('plotBars: takes numbers by category, but there is none');
  const figure: Figure = {
    ...{ type: 'bars', ...headingOf('plotBars', options, `${yLabel} by ${xLabel}`, 'bars') },
    ...{ x: { label: xLabel }, y: { label: yLabel }, bars, ...(horizontal ? { horizontal } : {}) },
  };
  return new Plot('plotBars', [figure], caption);
}

/** Options of `plotHistogram`. */
export interface PlotHistogramOptions extends PlotOptions {
  /** Intervals of equal width; default 40. */
  bins?: number;
  /** Label of the values. Default: `value`. */
  xLabel?: string;
}

/**
 * Plots how many values, such as weights, are in each interval. Values that are not finite are not counted.
 * @throws ArgumentError if no value is finite
 */
export function plotHistogram(values: ArrayLike<number>, rawOptions: PlotHistogramOptions = {}): Plot {
  const options = readOptions('plotHistogram', rawOptions, { ...plotOptions, bins: true, xLabel: true });
  const { bins = 40, xLabel = 'value', caption } = options;
  if (!Number.isInteger(bins) || bins < 1 || bins > 1000) {
    throw new ArgumentError(`plotHistogram: bins must be an integer from 1 to 1000, but is ${formatValue(bins)}`);
  }
  checkText('plotHistogram: xLabel', xLabel);
  const counted = countBins(checkNumbers('plotHistogram', values), bins);
  if (counted.length === 0) throw new ArgumentError('plotHistogram: takes numbers, but none of those given is finite');
  const heading = headingOf('plotHistogram', options, `Histogram of ${xLabel}`, 'histogram');
  const figure: Figure = { type: 'histogram', ...heading, x: { label: xLabel }, y: { label: 'count' }, bins: counted };
  return new Plot('plotHistogram', [figure], caption);
}

/** A model to draw: a `Sequential` or `Model`, built or not, or the `model` of an experiment's training. */
export type PlottedModel =
  | ({
      /** Name of the model. */
      readonly title: string;
    } & DrawnModel)
  | DescribedModel;

/** @inline */
interface DescribedModel {
  /** Name of the model. */
  readonly title: string;
  /** Shape of one sample, without the batch. */
  readonly inputShape: readonly number[];
  /** The layers, a box each. */
  readonly layers: readonly ModelLayer[];
}

/**
 * Draws the layers of a model, their shapes, parameters and connections, as Keras's `plot_model`.
 *
 *     await plotModel(model).save('model.svg');
 *
 * @throws ArgumentError if it is not a model
 */
export function plotModel(model: PlottedModel, rawOptions: PlotOptions = {}): Plot {
  const options = readOptions('plotModel', rawOptions, plotOptions);
  const { layers, inputShape, title } = tryRead('plotModel', () => {
    const { plannedLayers, uses } = Object(model) as Partial<DrawnModel>;
    const isModel = Array.isArray(plannedLayers) && Array.isArray(uses);
    if (!isModel && !Array.isArray((Object(model) as Partial<DescribedModel>).layers)) {
      throw new ArgumentError(`plotModel: takes a Sequential or a Model, but was given ${formatValue(model)}`);
    }
    const layers = isModel ? modelLayers(model as DrawnModel) : [...(model as DescribedModel).layers];
    return { layers, inputShape: [...model.inputShape], title: model.title };
  });
  const heading = headingOf('plotModel', options, title, 'model');
  const figure: FigureOf<'model'> = { type: 'model', ...heading, inputShape, layers };
  return new Plot('plotModel', [figure], options.caption);
}
