import type { TopLevelSpec } from 'vega-lite';
import { series, tones } from '../theme.ts';
import { type Canvas, plotSpec, titleAtEdge } from './canvas.ts';
import type { FigureOf } from './schema.ts';
import {
  bestOf,
  clampToRange,
  colorEncoding,
  divideIntoFifths,
  edgeText,
  formatNumber,
  rangeOf,
  sortWorstFirst,
} from './scored.ts';
import { cut, positionOf, ticks } from './search-axes.ts';
import type { SearchAxis } from './search-schema.ts';

type Parallel = FigureOf<'parallel'>;

/** Pixels from one axis to the next: a line of labels must fit between them. */
const STEP = 40;

/** Position of trials without a value on an axis, left of its start at 0. So lines are not broken and can be followed. */
const NONE = -0.14;

/**
 * The Vega-Lite description of parallel coordinates. The axes are below each other, the score's last: twenty axes are as easy to read as
 * three, also on a phone, and names are not rotated.
 */
export function parallelSpec(figure: Parallel, canvas: Canvas): TopLevelSpec {
  const { objective } = figure;
  const scores = figure.lines.flatMap(({ score }) => score ?? []);
  const range = rangeOf(scores, objective);
  const scoreAxis: SearchAxis = { kind: 'number', label: objective.label, log: false, min: range.low, max: range.high };
  const axes = [...figure.axes, scoreAxis];
  const groups = divideIntoFifths(figure.lines, objective);
  const best = bestOf(figure.lines, objective);
  const points = sortWorstFirst(figure.lines, objective).flatMap((line) =>
    [...line.values, line.score].map((value, i) => ({
      ...{ trial: line.trial, group: groups.groupOf(line.trial), row: i },
      at:
        positionOf(
          axes[i]!,
          value !== null && i === figure.axes.length ? clampToRange(Number(value), range).value : value,
        ) ?? NONE,
    })),
  );
  const rowsWithMissing = new Set(points.flatMap(({ at, row }) => (at === NONE ? [row] : [])));
  const labels = axes.flatMap((axis, row) =>
    [...(rowsWithMissing.has(row) ? [{ at: NONE, label: 'none' }] : []), ...ticks(axis, canvas === 'wide' ? 7 : 5)].map(
      ({ at, label }) => ({ row, at, label: cut(label, canvas === 'wide' ? 16 : 8) }),
    ),
  );
  const rows = axes.map((_, row) => row);
  const x = {
    field: 'at',
    type: 'quantitative',
    scale: { domain: [rowsWithMissing.size > 0 ? NONE - 0.04 : 0, 1], nice: false },
    axis: null,
  };
  const y = {
    field: 'row',
    type: 'ordinal',
    scale: { type: 'point', domain: rows, padding: 0.5 },
    axis: {
      ...{ title: null, domain: false, ticks: false, grid: false, labelPadding: 10 },
      labelLimit: canvas === 'wide' ? 180 : 96,
      labelExpr: `${JSON.stringify(axes.map(({ label }) => label))}[datum.value]`,
      labelFontWeight: { condition: { test: `datum.value === ${rows.length - 1}`, value: 600 }, value: 400 },
    },
  };
  const detail = { field: 'trial' };
  const order = { field: 'row' };
  const headedFigure = { ...figure, subtitle: [...(figure.subtitle ?? []), ...subtitleLines(figure, range)] };
  const tickLabel = { type: 'text', dy: 11, fontSize: 9.5 };
  return {
    ...plotSpec(headedFigure, canvas, {
      title: titleAtEdge(headedFigure, canvas),
      layer: [
        {
          data: { values: rows.map((row) => ({ row })) },
          mark: { type: 'rule', color: tones.axis.light, strokeWidth: 1 },
          encoding: { y, x: { datum: 0, ...omitField(x) }, x2: { datum: 1 } },
        },
        {
          data: { values: points },
          mark: { type: 'line', strokeWidth: 1.3, opacity: 0.75 },
          encoding: { x, y, color: colorEncoding(groups, canvas, 'stroke'), detail, order },
        },
        ...(best
          ? [
              {
                data: { values: points.filter(({ trial }) => trial === best.trial) },
                mark: {
                  type: 'line',
                  strokeWidth: 3,
                  color: series[1]!.light,
                  point: { size: 34, color: series[1]!.light },
                },
                encoding: { x, y, order },
              },
            ]
          : []),
        {
          data: { values: labels },
          mark: { type: 'tick', orient: 'vertical', size: 7, thickness: 1, color: tones.axis.light },
          encoding: { x, y },
        },
        // Lines cross the labels, so the letters have an outline in the color of the background.
        {
          data: { values: labels },
          mark: { ...tickLabel, color: tones.paper.light, stroke: tones.paper.light, strokeWidth: 3, opacity: 0.85 },
          encoding: { x, y, text: { field: 'label' } },
        },
        {
          data: { values: labels },
          mark: { ...tickLabel, color: tones.faint.light },
          encoding: { x, y, text: { field: 'label' } },
        },
      ],
    }),
    height: { step: STEP },
  } as TopLevelSpec;
}

const omitField = ({ field: _, ...rest }: { field: string } & Record<string, unknown>) => rest;

function subtitleLines(figure: Parallel, range: ReturnType<typeof rangeOf>): string[] {
  const best = bestOf(figure.lines, figure.objective);
  return [
    ...(best ? [`thick, orange: trial ${best.trial}, the best, ${formatNumber(best.score!)}`] : []),
    ...(range.isCut ? [`${edgeText(figure.objective, range)} is drawn at that edge`] : []),
  ];
}

export function parallelAlt({ title, axes, lines, objective }: Parallel): string {
  const best = bestOf(lines, objective);
  const values = best
    ? axes.flatMap(({ label }, i) => (best.values[i] === null ? [] : `${label} ${cell(best.values[i]!)}`)).join(', ')
    : '';
  const bestText = best
    ? ` The best, trial ${best.trial} with ${objective.label} ${formatNumber(best.score!)}, has ${values}.`
    : '';
  return `${title}. Parallel coordinates of ${axes.length} hyperparameters and ${objective.label}: a line for each of ${lines.length} trials.${bestText}`;
}

const cell = (value: number | string) => (typeof value === 'number' ? formatNumber(value) : value);
