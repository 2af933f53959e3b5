import type { TopLevelSpec } from 'vega-lite';
import { unique } from '../arrays.ts';
import { meanAndSd } from '../statistics.ts';
import { series as colors, seriesColor } from '../theme.ts';
import { type Canvas, canvasWidth, plotSpec } from './canvas.ts';
import type { FigureOf } from './schema.ts';

type Curves = FigureOf<'curves'>;
type Point = { run: string; series: string; x: number; y: number; low?: number; high?: number };

/** Lines with more points are thinned: the points would be indistinguishable, and files large. */
const MAX_POINTS = 600;

/** Explains the bars of points that are means. */
const BARS_NOTE = 'error bars: one standard deviation';

const isNumber = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value);

/** Keeps both ends, and the lowest and the highest point of each stretch, so that spikes stay visible. */
function thin<T extends { y: number }>(points: T[]): T[] {
  if (points.length <= MAX_POINTS) return points;
  const stretch = Math.ceil(points.length / (MAX_POINTS / 2 - 1));
  const keptIndices = new Set([0, points.length - 1]);
  for (let start = 0; start < points.length; start += stretch) {
    const end = Math.min(start + stretch, points.length);
    let low = start;
    let high = start;
    for (let i = start; i < end; i++) {
      if (points[i]!.y < points[low]!.y) low = i;
      if (points[i]!.y > points[high]!.y) high = i;
    }
    keptIndices.add(low).add(high);
  }
  return [...keptIndices].sort((a, b) => a - b).map((i) => points[i]!);
}

/** The points of a line that can be drawn: on a logarithmic axis, only those above 0. */
function pointsOf({ x, y }: Curves, line: Curves['lines'][number]): Point[] {
  return line.x.flatMap((position, i) => {
    const value = line.y[i];
    if (!isNumber(position) || !isNumber(value) || (x.log && position <= 0) || (y.log && value <= 0)) return [];
    const sd = line.sd?.[i];
    const ends = isNumber(sd) ? { low: value - sd, high: value + sd } : {};
    return [{ run: line.run, series: line.series, x: position, y: value, ...ends }];
  });
}

/** Returns the mean of a series over its runs, or of one run, at each x, with one standard deviation to both sides. */
export function meanCurve(figure: Curves, series: string, run?: string): Point[] {
  const valuesByX = new Map<number, number[]>();
  for (const line of figure.lines.filter(
    (candidate) => candidate.series === series && (run ?? candidate.run) === candidate.run,
  )) {
    for (const { x, y } of pointsOf(figure, line)) valuesByX.set(x, [...(valuesByX.get(x) ?? []), y]);
  }
  return [...valuesByX]
    .sort(([a], [b]) => a - b)
    .map(([x, values]) => {
      const { mean, sd } = meanAndSd(values);
      // The band of values that are never negative, such as losses, ends at 0.
      const floor = values.every((value) => value >= 0) ? 0 : Number.NEGATIVE_INFINITY;
      const low = Math.max(floor, mean! - (sd ?? 0));
      // There is no 0 on a logarithmic axis.
      return {
        run: 'mean',
        series,
        x,
        y: mean!,
        low: figure.y.log ? Math.max(low, mean! / 10) : low,
        high: mean! + (sd ?? 0),
      };
    });
}

/** Patterns of lines, in this order: dashes and gaps in pixels. */
const DASHES = [
  [1, 0],
  [5, 3],
  [2, 2],
  [8, 3, 2, 3],
];

/** The Vega-Lite description of curves. */
export function curvesSpec(figure: Curves, canvas: Canvas): TopLevelSpec {
  const runs = unique(figure.lines.map(({ run }) => run));
  const series = unique(figure.lines.map((line) => line.series));
  const isEachRun = figure.show === 'each' && runs.length > 1;
  const points = figure.lines.map((line) => pointsOf(figure, line));
  const means = isEachRun || runs.length === 1 ? [] : series.map((name) => meanCurve(figure, name));
  const x = { field: 'x', type: 'quantitative', title: figure.x.label, ...xScale(figure, points.flat(), canvas) };
  const y = {
    field: 'y',
    type: 'quantitative',
    title: figure.y.label,
    scale: figure.y.log
      ? { type: 'log', nice: false }
      : { zero: false, nice: true, ...(isSingle(points.flat()) ? { padding: 24 } : {}) },
    axis: figure.y.log
      ? { format: '~g', values: logTicks(points.flat()) }
      : { format: figure.y.format ?? '.4~g', tickCount: 6 }, // without a precision, d3 writes 80 as 8e+1
  };
  const names = isEachRun ? runs : series;
  const color = {
    field: isEachRun ? 'run' : 'series',
    type: 'nominal',
    scale: { domain: names, range: names.map((_, i) => seriesColor(i)) },
    // A legend with a single name would repeat the title of the axis.
    legend: names.length > 1 ? { columns: legendColumns(names, canvas), symbolType: 'stroke', symbolOpacity: 1 } : null,
  };
  const strokeDash =
    isEachRun && series.length > 1
      ? {
          field: 'series',
          type: 'nominal',
          scale: {
            domain: series,
            range: DASHES,
          },
          legend: { columns: legendColumns(series, canvas), symbolType: 'stroke', symbolStrokeColor: '#5b6570' },
        }
      : isEachRun && runs.length > colors.length
        ? {
            // Colors repeat after the last one; dashes distinguish runs of the same color.
            field: 'run',
            type: 'nominal',
            scale: { domain: runs, range: runs.map((_, i) => DASHES[Math.floor(i / colors.length) % DASHES.length]) },
            legend: color.legend,
          }
        : undefined;
  // Thin lines of many points would cover the mean.
  const hasFewPoints = points.every((line) => line.length <= 40);
  const size = isSingle(points.flat()) ? 70 : 28;
  const bold = { type: 'line', strokeWidth: 2.4, ...(hasFewPoints ? { point: { size, filled: true } } : {}) };
  const lineMark =
    means.length > 0
      ? { type: 'line', strokeWidth: 1, opacity: 0.32 }
      : isEachRun
        ? { ...bold, strokeWidth: hasFewPoints ? 1.6 : 1.1, point: false }
        : bold;
  const values = means.length > 0 && !hasFewPoints ? [] : points.flatMap(thin);
  // A line of one point is invisible, unless its points are drawn.
  const singlePoints =
    isEachRun || means.length > 0 || !hasFewPoints ? points.filter((line) => line.length === 1).flat() : [];
  const errorBars = values.filter((point) => point.low !== undefined);
  return plotSpec(
    means.length > 0
      ? {
          ...figure,
          subtitle: [
            ...(figure.subtitle ?? []),
            `${hasFewPoints ? `thin: ${runs.length} runs; bold: their mean` : `line: mean of ${runs.length} runs`}; band: one standard deviation`,
          ],
        }
      : { ...figure, subtitle: [...(figure.subtitle ?? []), ...(errorBars.length > 0 ? [BARS_NOTE] : [])] },
    canvas,
    {
      layer: [
        ...publishedLayers(figure, color),
        ...(means.length > 0
          ? [
              {
                data: { values: means.flatMap(thin) },
                mark: { type: 'area', opacity: 0.16 },
                encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
              },
            ]
          : []),
        ...(errorBars.length > 0
          ? [
              {
                data: { values: errorBars },
                mark: { type: 'rule', strokeWidth: 1.4, opacity: 0.7 },
                encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
              },
            ]
          : []),
        {
          data: { values },
          mark: lineMark,
          encoding: { x, y, color, detail: [{ field: 'run' }, { field: 'series' }], strokeDash },
        },
        ...(singlePoints.length > 0
          ? [
              {
                data: { values: singlePoints },
                mark: {
                  type: 'point',
                  size: means.length > 0 ? 30 : 70,
                  filled: true,
                  opacity: means.length > 0 ? 0.45 : 1,
                },
                encoding: { x, y, color },
              },
            ]
          : []),
        ...(means.length > 0 ? [{ data: { values: means.flatMap(thin) }, mark: bold, encoding: { x, y, color } }] : []),
      ],
    },
  );
}

/** Whether all points have the same x, as after one epoch. They are then drawn in the middle, not on an axis. */
const isSingle = (points: readonly { x: number }[]): boolean =>
  points.length > 0 && points.every(({ x }) => x === points[0]!.x);

/** Returns scale and axis of x: integer values have integer ticks; a logarithmic axis has its values as ticks if they are few. */
export function xScale(
  { x }: { x: { label: string; log?: boolean } },
  points: readonly { x: number }[],
  canvas: Canvas,
) {
  const xs = unique(points.map((point) => point.x)).sort((a, b) => a - b);
  const low = xs[0] ?? 1;
  const high = xs.at(-1) ?? 2;
  const areIntegers = xs.every(Number.isInteger);
  const isListed = xs.length === 1 || (x.log && xs.length <= 12);
  const ticks = isListed ? { values: xs } : { tickCount: canvas === 'wide' ? 10 : 5 };
  return {
    scale: {
      ...(x.log ? { type: 'log' } : {}),
      domain: low < high ? [low, high] : x.log ? [low / 2, low * 2] : [low - 0.5, low + 0.5],
      nice: false,
      ...(x.log ? { padding: 12 } : {}),
    },
    axis: {
      ...ticks,
      format: areIntegers ? ',d' : '~g',
      ...(areIntegers ? { tickMinStep: 1 } : {}),
      grid: false,
      labelFlush: false,
    },
  };
}

/** Returns ticks at 1, 2 and 5 times each power of ten: nine grid lines for each power would make the plot gray. */
function logTicks(points: Point[]): number[] {
  const low = points.reduce((min, { y }) => Math.min(min, y), Number.POSITIVE_INFINITY);
  const high = points.reduce((max, { y }) => Math.max(max, y), 0);
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const digit of [1, 2, 5]) ticks.push(Number(`${digit}e${power}`));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/** Returns the number of legend columns for which the longest name leaves room. */
export function legendColumns(names: string[], canvas: Canvas): number {
  const longest = Math.max(...names.map((name) => Math.min(name.length, 28)));
  const maxColumns = Math.max(1, Math.floor((canvasWidth[canvas] - 60) / (longest * 7 + 40)));
  return Math.min(names.length, maxColumns);
}

/** Dashed rules at the published values, labeled at the left, where the curves of an accuracy are still low. */
function publishedLayers(figure: Curves, color: object): object[] {
  const entries = (figure.published ?? []).map((entry) => ({
    ...entry,
    label: `published ${entry.series} ${Number(entry.value.toFixed(4))}`,
  }));
  // The label of the higher rule is above it, the other one below: rules are often too close for labels between them.
  const highest = Math.max(...entries.map((entry) => entry.value));
  const sameColor = figure.show === 'each' ? {} : { color };
  return entries.flatMap((entry) => [
    {
      data: { values: [entry] },
      mark: { type: 'rule', strokeDash: [6, 4], strokeWidth: 1.3, opacity: 0.9, color: '#5b6570' },
      encoding: { y: { field: 'value', type: 'quantitative' }, ...sameColor },
    },
    {
      data: { values: [entry] },
      mark: {
        type: 'text',
        align: 'left',
        baseline: entry.value === highest ? 'bottom' : 'top',
        dx: 6,
        dy: entry.value === highest ? -3 : 4,
        fontSize: 11,
        color: '#5b6570',
      },
      encoding: {
        x: { value: 0 },
        y: { field: 'value', type: 'quantitative' },
        text: { field: 'label' },
        ...sameColor,
      },
    },
  ]);
}

/** Describes the curves in a sentence, for screen readers. */
export function curvesAlt(figure: Curves): string {
  const runs = unique(figure.lines.map(({ run }) => run)).length;
  const ends = unique(figure.lines.map((line) => line.series)).flatMap((series) => {
    const curve = meanCurve(figure, series);
    const [first, last] = [curve[0], curve.at(-1)];
    if (!first || !last) return [];
    return `${series} goes from ${formatNumber(first.y)} at ${formatNumber(first.x)} to ${formatNumber(last.y)} at ${formatNumber(last.x)}`;
  });
  const subject = `Curves of ${figure.y.label} over ${figure.x.label}${runs > 1 ? `, mean of ${runs} runs` : ''}`;
  return `${figure.title}. ${subject}: ${ends.join('; ') || 'no finite values'}.`;
}

const formatNumber = (value: number) => String(Number(value.toPrecision(4)));
