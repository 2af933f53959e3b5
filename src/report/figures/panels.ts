import type { TopLevelSpec } from 'vega-lite';
import { series, tones } from '../theme.ts';
import { type Canvas, plotSpec } from './canvas.ts';
import type { FigureOf } from './schema.ts';
import { bestOf, clamped, colourOf, edgeText, fifths, rangeOf, show, worstFirst } from './scored.ts';
import { cut, position, ticks } from './search-axes.ts';

type Panels = FigureOf<'panels'>;

const SIZES = {
  wide: { columns: 3, width: 190, height: 120 },
  narrow: { columns: 2, width: 118, height: 96 },
} satisfies Record<Canvas, object>;

/** Names one beside the other get their points spread out, by the golden ratio: the same trial always at the same place. */
const spread = (trial: number) => ((trial * 0.618_033_988_75) % 1) - 0.5;

/** The Vega-Lite description of the score against each hyperparameter. */
export function panelsSpec(figure: Panels, canvas: Canvas): TopLevelSpec {
  const { objective, panels } = figure;
  const { columns, width, height } = SIZES[canvas];
  const all = panels.flatMap(({ points }) => points);
  const trials = [...new Map(all.map((point) => [point.trial, point])).values()];
  const groups = fifths(
    trials.filter(({ score }) => score !== null),
    objective,
  );
  const range = rangeOf(
    trials.flatMap(({ score }) => score ?? []),
    objective,
  );
  const best = bestOf(trials, objective);
  const beyond = objective.direction === 'max' ? 'triangle-down' : 'triangle-up';
  const subtitle = [
    ...(figure.subtitle ?? []),
    ...(best ? [`orange ring: trial ${best.trial}, the best`] : []),
    ...(range.cuts ? [`triangles: ${edgeText(objective, range)}`] : []),
  ];
  const drawn = panels.map(({ axis, note, points }, i) => {
    const room = axis.kind === 'names' ? 0.6 / axis.names.length : 0;
    const values = worstFirst(points, objective).flatMap((point) => {
      const at = position(axis, point.value);
      if (at === null || point.score === null) return [];
      const { value: y, isBeyond } = clamped(point.score, range);
      const { trial } = point;
      return [
        { trial, at: at + room * spread(trial), y, shape: isBeyond ? beyond : 'circle', group: groups.of(trial) },
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
            color: colourOf(groups, canvas, 'circle'),
            shape: {
              field: 'shape',
              type: 'nominal',
              scale: { domain: ['circle', beyond], range: ['circle', beyond] },
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
    concat: drawn,
    columns,
    // By the plots alone, so that columns lie close; rows need room for ticks and titles.
    bounds: 'flush',
    spacing: { row: 62, column: 24 },
  }) as unknown as Record<string, unknown>;
  return {
    ...rest,
    autosize: { type: 'pad' },
    config: { ...(rest.config as object), view: { stroke: tones.grid.light } },
  } as unknown as TopLevelSpec;
}

/** The label of the tick that is nearest. */
const labelExpr = (marks: readonly { at: number; label: string }[]): string =>
  marks.reduceRight(
    (rest, { at, label }) => `abs(datum.value - ${at}) < 1e-6 ? ${JSON.stringify(label)} : ${rest}`,
    "''",
  );

export function panelsAlt({ title, panels, objective }: Panels): string {
  const all = panels.flatMap(({ points }) => points);
  const best = bestOf(all, objective);
  const found = best ? ` The best is trial ${best.trial} with ${show(best.score!)}.` : '';
  return `${title}. ${objective.label} of each trial against each of ${panels.length} hyperparameters: ${panels.map(({ axis }) => axis.label).join(', ')}.${found}`;
}
