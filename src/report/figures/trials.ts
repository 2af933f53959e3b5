import type { TopLevelSpec } from 'vega-lite';
import { series } from '../theme.ts';
import { type Canvas, plotSpec } from './canvas.ts';
import { xScale } from './curves.ts';
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

type Trials = FigureOf<'trials'>;

/** The Vega-Lite description of the learning curves of all trials, the best on top. */
export function trialsSpec(figure: Trials, canvas: Canvas): TopLevelSpec {
  const { objective, lines } = figure;
  const groups = divideIntoFifths(lines, objective);
  const best = bestOf(lines, objective);
  const bestRounds = roundsOf(best, lines);
  const range = rangeOf(
    lines.flatMap(({ y }) => y.flatMap((value) => value ?? [])),
    objective,
  );
  const points = sortWorstFirst(lines, objective).flatMap(({ trial, x, y }) =>
    x.flatMap((epoch, i) => {
      const value = y[i] ?? null;
      return value === null
        ? []
        : [{ trial, x: epoch, y: clampToRange(value, range).value, group: groups.groupOf(trial) }];
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
  const color = colorEncoding(groups, canvas, 'stroke');
  const subtitle = [
    ...(figure.subtitle ?? []),
    ...(best ? [`thick, orange: trial ${best.trial}, the best, ${formatNumber(best.score!)}`] : []),
    ...(range.isCut ? [`${edgeText(objective, range)} is drawn at that edge`] : []),
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

/** Returns the numbers of a trial and of the trials that it continues. */
function roundsOf(last: Trials['lines'][number] | undefined, lines: Trials['lines']): Set<number> {
  const rounds = new Set<number>();
  for (let line = last; line && !rounds.has(line.trial); ) {
    rounds.add(line.trial);
    const { before } = line;
    line = lines.find(({ trial }) => trial === before);
  }
  return rounds;
}

export function trialsAlt({ title, lines, objective, x, y }: Trials): string {
  const best = bestOf(lines, objective);
  const values = best?.y.flatMap((value) => value ?? []) ?? [];
  const bestText =
    best && values.length > 0
      ? ` The best, trial ${best.trial}, goes from ${formatNumber(values[0]!)} to ${formatNumber(values.at(-1)!)}.`
      : ' No finite values.';
  return `${title}. Curves of ${y.label} over ${x.label}, one for each of ${lines.length} trials.${bestText}`;
}
