import type { TopLevelSpec } from 'vega-lite';
import { series, tones } from '../theme.ts';
import { type Canvas, plotSpec, titleAtEdge } from './canvas.ts';
import type { FigureOf } from './schema.ts';
import { bestOf, clamped, colourOf, edgeText, fifths, rangeOf, show, worstFirst } from './scored.ts';
import { cut, position, ticks } from './search-axes.ts';
import type { SearchAxis } from './search-schema.ts';

type Parallel = FigureOf<'parallel'>;

/** Pixels from one axis to the next: a line of labels must fit between. */
const STEP = 40;

/** Where lines go that have no value on an axis, left of its beginning at 0: unbroken, they can be followed. */
const NONE = -0.14;

/**
 * The Vega-Lite description of parallel coordinates. The axes lie below each other, the score's last: twenty of them are as easy to
 * read as three, on a phone too, and names need not be turned.
 */
export function parallelSpec(figure: Parallel, canvas: Canvas): TopLevelSpec {
  const { objective } = figure;
  const scores = figure.lines.flatMap(({ score }) => score ?? []);
  const range = rangeOf(scores, objective);
  const scoreAxis: SearchAxis = { kind: 'number', label: objective.label, log: false, min: range.low, max: range.high };
  const axes = [...figure.axes, scoreAxis];
  const groups = fifths(figure.lines, objective);
  const best = bestOf(figure.lines, objective);
  const points = worstFirst(figure.lines, objective).flatMap((line) =>
    [...line.values, line.score].map((value, i) => ({
      ...{ trial: line.trial, group: groups.of(line.trial), row: i },
      at:
        position(axes[i]!, value !== null && i === figure.axes.length ? clamped(Number(value), range).value : value) ??
        NONE,
    })),
  );
  const isMissing = new Set(points.flatMap(({ at, row }) => (at === NONE ? [row] : [])));
  const labels = axes.flatMap((axis, row) =>
    [...(isMissing.has(row) ? [{ at: NONE, label: 'none' }] : []), ...ticks(axis, canvas === 'wide' ? 7 : 5)].map(
      ({ at, label }) => ({ row, at, label: cut(label, canvas === 'wide' ? 16 : 8) }),
    ),
  );
  const rows = axes.map((_, row) => row);
  const x = {
    field: 'at',
    type: 'quantitative',
    scale: { domain: [isMissing.size > 0 ? NONE - 0.04 : 0, 1], nice: false },
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
  const about = { ...figure, subtitle: [...(figure.subtitle ?? []), ...aboutLines(figure, range)] };
  const tickLabel = { type: 'text', dy: 11, fontSize: 9.5 };
  return {
    ...plotSpec(about, canvas, {
      title: titleAtEdge(about, canvas),
      layer: [
        {
          data: { values: rows.map((row) => ({ row })) },
          mark: { type: 'rule', color: tones.axis.light, strokeWidth: 1 },
          encoding: { y, x: { datum: 0, ...without(x) }, x2: { datum: 1 } },
        },
        {
          data: { values: points },
          mark: { type: 'line', strokeWidth: 1.3, opacity: 0.75 },
          encoding: { x, y, color: colourOf(groups, canvas, 'stroke'), detail, order },
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
        // Lines cross the labels: paper around the letters keeps them legible.
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

const without = ({ field: _, ...rest }: { field: string } & Record<string, unknown>) => rest;

function aboutLines(figure: Parallel, range: ReturnType<typeof rangeOf>): string[] {
  const best = bestOf(figure.lines, figure.objective);
  return [
    ...(best ? [`thick, orange: trial ${best.trial}, the best, ${show(best.score!)}`] : []),
    ...(range.cuts ? [`${edgeText(figure.objective, range)} is drawn at that edge`] : []),
  ];
}

export function parallelAlt({ title, axes, lines, objective }: Parallel): string {
  const best = bestOf(lines, objective);
  const values = best
    ? axes.flatMap(({ label }, i) => (best.values[i] === null ? [] : `${label} ${cell(best.values[i]!)}`)).join(', ')
    : '';
  const found = best
    ? ` The best, trial ${best.trial} with ${objective.label} ${show(best.score!)}, has ${values}.`
    : '';
  return `${title}. Parallel coordinates of ${axes.length} hyperparameters and ${objective.label}: a line for each of ${lines.length} trials.${found}`;
}

const cell = (value: number | string) => (typeof value === 'number' ? show(value) : value);
