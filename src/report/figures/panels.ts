import type { TopLevelSpec } from 'vega-lite';
import { series, tones } from '../theme.ts';
import { type Canvas, plotSpec } from './canvas.ts';
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

type Panels = FigureOf<'panels'>;

const SIZES = {
  wide: { columns: 3, width: 190, height: 120 },
  narrow: { columns: 2, width: 118, height: 96 },
} satisfies Record<Canvas, object>;

/**
 * Horizontal offset of a trial's point on an axis of names, by the golden ratio, so that points do not cover each other. A trial has the
 * same offset everywhere.
 */
const offsetOf = (trial: number) => ((trial * 0.618_033_988_75) % 1) - 0.5;

/** The Vega-Lite description of the score against each hyperparameter. */
export function panelsSpec(figure: Panels, canvas: Canvas): TopLevelSpec {
  const { objective, panels } = figure;
  const { columns, width, height } = SIZES[canvas];
  const all = panels.flatMap(({ points }) => points);
  const trials = [...new Map(all.map((point) => [point.trial, point])).values()];
  const groups = divideIntoFifths(
    trials.filter(({ score }) => score !== null),
    objective,
  );
  const range = rangeOf(
    trials.flatMap(({ score }) => score ?? []),
    objective,
  );
  const best = bestOf(trials, objective);
  const beyondShape = objective.direction === 'max' ? 'triangle-down' : 'triangle-up';
  const subtitle = [
    ...(figure.subtitle ?? []),
    ...(best ? [`orange ring: trial ${best.trial}, the best`] : []),
    ...(range.isCut ? [`triangles: ${edgeText(objective, range)}`] : []),
  ];
  const plots = panels.map(({ axis, note, points }, i) => {
    const offsetWidth = axis.kind === 'names' ? 0.6 / axis.names.length : 0;
    const values = sortWorstFirst(points, objective).flatMap((point) => {
      const position = positionOf(axis, point.value);
      if (position === null || point.score === null) return [];
      const { value: y, isBeyond } = clampToRange(point.score, range);
      const { trial } = point;
      return [
        {
          trial,
          at: position + offsetWidth * offsetOf(trial),
          y,
          shape: isBeyond ? beyondShape : 'circle',
          group: groups.groupOf(trial),
        },
      ];
    });
    const marks = ticks(axis, canvas === 'wide' ? 5 : 4).map(({ at, label: text }, _, all) => ({
      at,
      label: cut(text, width / 5.6 / Math.max(2, all.length)),
    }));
    const x = {
      field: 'at',
      type: 'quantitative',
      scale: { domain: [-0.04, 1.04], nice: false },
      axis: {
        title: null,
        values: marks.map(({ at }) => at),
        labelExpr: labelExpr(marks),
        ...{
          grid: false,
          labelFontSize: 9.5,
          labelFlush: false,
          labelOverlap: true,
        },
      },
    };
    const y = {
      field: 'y',
      type: 'quantitative',
      scale: { domain: [range.low, range.high], nice: false },
      axis: {
        title: null,
        format: '.4~g',
        tickCount: 4,
        labelFontSize: 9.5,
        labels: i % columns === 0,
        ticks: i % columns === 0,
      },
    };
    return {
      title: {
        text: cut(axis.label, width / 6.6),
        ...(note === '' ? {} : { subtitle: cut(note, width / 5.6) }),
        ...{ fontSize: 11, subtitleFontSize: 10, anchor: 'start', frame: 'group', offset: 4, subtitlePadding: 1 },
      },
      ...{ width, height },
      layer: [
        {
          data: { values },
          mark: { type: 'point', filled: true, size: 26, opacity: 0.85 },
          encoding: {
            ...{ x, y },
            color: colorEncoding(groups, canvas, 'circle'),
            shape: {
              field: 'shape',
              type: 'nominal',
              scale: { domain: ['circle', beyondShape], range: ['circle', beyondShape] },
              legend: null,
            },
          },
        },
        {
          data: { values: values.filter(({ trial }) => trial === best?.trial) },
          mark: { type: 'point', filled: false, size: 90, strokeWidth: 2, color: series[1]!.light },
          encoding: { x, y },
        },
      ],
    };
  });
  const {
    width: _,
    height: __,
    ...rest
  } = plotSpec({ ...figure, subtitle }, canvas, {
    concat: plots,
    columns,
    // Bounds of the plots alone, so that columns are close; rows need room for ticks and titles.
    bounds: 'flush',
    spacing: { row: 62, column: 24 },
  }) as unknown as Record<string, unknown>;
  return {
    ...rest,
    autosize: { type: 'pad' },
    config: { ...(rest.config as object), view: { stroke: tones.grid.light } },
  } as unknown as TopLevelSpec;
}

/** Returns a Vega expression for the label of a tick. */
const labelExpr = (marks: readonly { at: number; label: string }[]): string =>
  marks.reduceRight(
    (rest, { at, label }) => `abs(datum.value - ${at}) < 1e-6 ? ${JSON.stringify(label)} : ${rest}`,
    "''",
  );

export function panelsAlt({ title, panels, objective }: Panels): string {
  const all = panels.flatMap(({ points }) => points);
  const best = bestOf(all, objective);
  const bestText = best ? ` The best is trial ${best.trial} with ${formatNumber(best.score!)}.` : '';
  return `${title}. ${objective.label} of each trial against each of ${panels.length} hyperparameters: ${panels.map(({ axis }) => axis.label).join(', ')}.${bestText}`;
}
