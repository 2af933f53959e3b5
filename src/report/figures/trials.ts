import type { TopLevelSpec } from 'vega-lite';
import { series } from '../theme.ts';
import { type Canvas, plotSpec } from './canvas.ts';
import { xScale } from './curves.ts';
import type { FigureOf } from './schema.ts';
import { bestOf, clamped, colourOf, edgeText, fifths, rangeOf, show, worstFirst } from './scored.ts';

type Trials = FigureOf<'trials'>;

/** The Vega-Lite description of the learning curves of all trials, the best on top. */
export function trialsSpec(figure: Trials, canvas: Canvas): TopLevelSpec {
  const { objective, lines } = figure;
  const groups = fifths(lines, objective);
  const best = bestOf(lines, objective);
  const bestRounds = roundsOf(best, lines);
  const range = rangeOf(
    lines.flatMap(({ y }) => y.flatMap((value) => value ?? [])),
    objective,
  );
  const points = worstFirst(lines, objective).flatMap(({ trial, x, y }) =>
    x.flatMap((at, i) => {
      const value = y[i] ?? null;
      return value === null ? [] : [{ trial, x: at, y: clamped(value, range).value, group: groups.of(trial) }];
    }),
  );
  const x = { field: 'x', type: 'quantitative', title: figure.x.label, ...xScale(figure, points, canvas) };
  const y = {
    field: 'y',
    type: 'quantitative',
    title: figure.y.label,
    scale: { domain: [range.low, range.high], nice: false },
    axis: { format: '.4~g', tickCount: 6 },
  };
  const color = colourOf(groups, canvas, 'stroke');
  const subtitle = [
    ...(figure.subtitle ?? []),
    ...(best ? [`thick, orange: trial ${best.trial}, the best, ${show(best.score!)}`] : []),
    ...(range.cuts ? [`${edgeText(objective, range)} is drawn at that edge`] : []),
  ];
  return plotSpec({ ...figure, subtitle }, canvas, {
    layer: [
      {
        data: { values: points },
        mark: { type: 'line', strokeWidth: 1.3, opacity: 0.8, point: { size: 14, filled: true } },
        encoding: { x, y, color, detail: { field: 'trial' } },
      },
      ...(best
        ? [
            {
              data: { values: points.filter(({ trial }) => bestRounds.has(trial)) },
              mark: {
                type: 'line',
                strokeWidth: 3,
                color: series[1]!.light,
                point: { size: 34, color: series[1]!.light },
              },
              encoding: { x, y },
            },
          ]
        : []),
    ],
  });
}

/** The numbers of a trial and of those that it went on from. */
function roundsOf(last: Trials['lines'][number] | undefined, lines: Trials['lines']): Set<number> {
  const rounds = new Set<number>();
  for (let one = last; one && !rounds.has(one.trial); ) {
    rounds.add(one.trial);
    const { before } = one;
    one = lines.find(({ trial }) => trial === before);
  }
  return rounds;
}

export function trialsAlt({ title, lines, objective, x, y }: Trials): string {
  const best = bestOf(lines, objective);
  const values = best?.y.flatMap((value) => value ?? []) ?? [];
  const found =
    best && values.length > 0
      ? ` The best, trial ${best.trial}, goes from ${show(values[0]!)} to ${show(values.at(-1)!)}.`
      : ' No finite values.';
  return `${title}. Curves of ${y.label} over ${x.label}, one for each of ${lines.length} trials.${found}`;
}
