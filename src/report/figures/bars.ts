import type { TopLevelSpec } from 'vega-lite';
import { unique } from '../arrays.ts';
import { seriesColor } from '../theme.ts';
import { type Canvas, canvasWidth, plotSpec, titleAtEdge } from './canvas.ts';
import { legendColumns } from './curves.ts';
import type { FigureOf } from './schema.ts';

type Bars = FigureOf<'bars'>;
type Histogram = FigureOf<'histogram'>;

/** The Vega-Lite description of grouped bars. */
export function barsSpec(figure: Bars, canvas: Canvas): TopLevelSpec {
  if (figure.horizontal) return horizontalSpec(figure, canvas);
  const groups = groupsOf(figure);
  const categories = unique(figure.bars.map(({ category }) => category));
  const bars = figure.bars
    .filter(({ value }) => value !== null)
    .map((bar) => ({ ...bar, low: bar.value! - (bar.sd ?? 0), high: bar.value! + (bar.sd ?? 0) }));
  const categoryWidth = (canvasWidth[canvas] - 90) / categories.length;
  const longest = Math.max(...categories.map((name) => name.length));
  const x = {
    field: 'category',
    type: 'nominal',
    title: figure.x.label,
    sort: categories,
    axis: { labelAngle: longest * 6.5 > categoryWidth ? -40 : 0, labelLimit: 140 },
    scale: { paddingInner: 0.22, paddingOuter: 0.1 },
  };
  const xOffset = groups.length > 1 ? { field: 'group', type: 'nominal', sort: groups } : undefined;
  const y = {
    field: 'value',
    type: 'quantitative',
    title: figure.y.label,
    axis: { format: figure.y.format ?? '~g', tickCount: 6 },
  };
  const color = {
    field: 'group',
    type: 'nominal',
    scale: { domain: groups, range: groups.map((_, i) => seriesColor(i)) },
    legend: groups.length > 1 ? { columns: legendColumns(groups, canvas), symbolType: 'square' } : null,
  };
  const barsWithSd = bars.filter(({ sd }) => sd !== null && sd !== undefined);
  const hasRoomForValues = (categoryWidth * 0.8) / groups.length > 30 && barsWithSd.length === 0;
  const subtitle = [
    ...(figure.subtitle ?? []),
    ...(barsWithSd.length > 0 ? ['error bars: one standard deviation'] : []),
  ];
  return plotSpec({ ...figure, subtitle }, canvas, {
    data: { values: bars },
    layer: [
      { mark: { type: 'bar', cornerRadiusEnd: 2 }, encoding: { x, xOffset, y, color } },
      ...(barsWithSd.length > 0
        ? [
            {
              data: { values: barsWithSd },
              mark: { type: 'rule', strokeWidth: 1.6, color: '#2b333b' },
              encoding: { x, xOffset, y: { ...y, field: 'low' }, y2: { field: 'high' } },
            },
          ]
        : []),
      ...(hasRoomForValues
        ? [
            {
              mark: { type: 'text', dy: -7, fontSize: 10.5, color: '#2b333b' },
              encoding: {
                x,
                xOffset,
                y,
                text: { field: 'value', type: 'quantitative', format: figure.y.format ?? '.3~g' },
              },
            },
          ]
        : []),
    ],
  });
}

/** Returns the groups in the order of their colors. */
const groupsOf = ({ bars, groups = [] }: Bars): string[] => unique([...groups, ...bars.map(({ group }) => group)]);

/** The Vega-Lite description of horizontal bars, with their values at the ends. */
function horizontalSpec(figure: Bars, canvas: Canvas): TopLevelSpec {
  const groups = groupsOf(figure);
  const bars = figure.bars.filter(({ value }) => value !== null);
  const y = {
    field: 'category',
    type: 'nominal',
    title: figure.x.label,
    sort: unique(figure.bars.map(({ category }) => category)),
    axis: { labelLimit: canvas === 'wide' ? 200 : 110, domain: false, ticks: false },
  };
  // If every category has only one bar, the color shows its group.
  const isSplit = unique(bars.map(({ category }) => category)).length < bars.length;
  const yOffset = isSplit ? { field: 'group', type: 'nominal', sort: groups } : undefined;
  const format = figure.y.format ?? '.3~g';
  const x = {
    field: 'value',
    type: 'quantitative',
    title: figure.y.label,
    axis: { format: figure.y.format ?? '~g', tickCount: canvas === 'wide' ? 8 : 4 },
  };
  const color = {
    field: 'group',
    type: 'nominal',
    scale: { domain: groups, range: groups.map((_, i) => seriesColor(i)) },
    legend: groups.length > 1 ? { columns: legendColumns(groups, canvas), symbolType: 'square' } : null,
  };
  return {
    ...plotSpec(figure, canvas, {
      title: titleAtEdge(figure, canvas),
      data: { values: bars },
      layer: [
        { mark: { type: 'bar', cornerRadiusEnd: 2 }, encoding: { y, yOffset, x, color } },
        {
          mark: { type: 'text', align: 'left', dx: 4, fontSize: 10.5, color: '#2b333b' },
          encoding: { y, yOffset, x, text: { field: 'value', type: 'quantitative', format } },
        },
      ],
    }),
    height: { step: isSplit ? 14 : 22 },
  } as TopLevelSpec;
}

export function barsAlt(figure: Bars): string {
  const bars = figure.bars.filter(({ value }) => value !== null).sort((a, b) => b.value! - a.value!);
  const describeBar = ({ category, group, value }: Bars['bars'][number]) =>
    `${Number(value!.toPrecision(4))} for ${category}${group && group !== category ? ` (${group})` : ''}`;
  const ends =
    bars.length > 0 ? `: from ${describeBar(bars.at(-1)!)} to ${describeBar(bars[0]!)}` : ' without a finite value';
  return `${figure.title}. Bar chart of ${figure.y.label} by ${figure.x.label}, ${figure.bars.length} bars${ends}.`;
}

/** The Vega-Lite description of a histogram. */
export function histogramSpec(figure: Histogram, canvas: Canvas): TopLevelSpec {
  return plotSpec(figure, canvas, {
    data: { values: figure.bins },
    mark: { type: 'bar', binSpacing: figure.bins.length > 60 ? 0 : 1, color: seriesColor(0) },
    encoding: {
      x: {
        field: 'from',
        type: 'quantitative',
        bin: { binned: true },
        title: figure.x.label,
        axis: { format: '~g', grid: false, tickCount: canvas === 'wide' ? 10 : 5 },
      },
      x2: { field: 'to' },
      y: { field: 'count', type: 'quantitative', title: figure.y.label, axis: { format: '~s', tickCount: 6 } },
    },
  });
}

export function histogramAlt(figure: Histogram): string {
  const total = figure.bins.reduce((sum, { count }) => sum + count, 0);
  const top = figure.bins.reduce((best, bin) => (bin.count > best.count ? bin : best));
  const formatRange = (low: number, high: number) => `${Number(low.toPrecision(3))} to ${Number(high.toPrecision(3))}`;
  const range = formatRange(figure.bins[0]!.from, figure.bins.at(-1)!.to);
  return `${figure.title}. Histogram of ${figure.x.label}: ${total} values from ${range}, most of them (${top.count}) in ${formatRange(top.from, top.to)}.`;
}

/**
 * Counts values in `count` intervals of equal width. Values that are not finite are left out.
 * @returns the intervals; none if no value is finite
 */
export function countBins(values: ArrayLike<number>, count = 40): Histogram['bins'] {
  const finite = Array.from(values).filter(Number.isFinite);
  if (finite.length === 0) return [];
  let low = finite[0]!;
  let high = low;
  for (const value of finite) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === high) {
    const half = Math.abs(low) / 2 || 0.5;
    low -= half;
    high += half;
  }
  const width = (high - low) / count;
  const counts = new Array<number>(count).fill(0);
  for (const value of finite) counts[Math.min(count - 1, Math.floor((value - low) / width))]!++;
  return counts.map((n, i) => ({ from: low + i * width, to: low + (i + 1) * width, count: n }));
}
