import type { TopLevelSpec } from 'vega-lite';
import { tones } from '../theme.ts';
import { type Canvas, plotSpec, titleAtEdge } from './canvas.ts';
import type { FigureOf } from './schema.ts';
import { bestOf, colorEncoding, divideIntoFifths, formatNumber } from './scored.ts';

type Brackets = FigureOf<'brackets'>;
type Configuration = Brackets['brackets'][number]['configurations'][number];

/** Height of a configuration's bar with its margin. */
const STEP = 17;
/** Maximum number of configurations of a bracket that are drawn, the best ones. */
const MAX_ROWS = 40;

/**
 * The Vega-Lite description of Hyperband's brackets: a bar for each configuration, as long as its training, with a piece for each round.
 */
export function bracketsSpec(figure: Brackets, canvas: Canvas): TopLevelSpec {
  const { objective, brackets } = figure;
  const all = brackets.flatMap(({ configurations }) => configurations.flat());
  const groups = divideIntoFifths(all, objective);
  const sign = objective.direction === 'max' ? 1 : -1;
  const lastScore = (rounds: Configuration) => rounds.at(-1)!.score ?? sign * Number.NEGATIVE_INFINITY;
  const names: string[] = [];
  const headings: { row: number; text: string }[] = [];
  const pieces: object[] = [];
  const ends: object[] = [];
  for (const { label, configurations } of brackets) {
    const sorted = [...configurations].sort(
      (a, b) => b.length - a.length || sign * (lastScore(b) - lastScore(a)) || a[0]!.trial - b[0]!.trial,
    );
    const omitted = sorted.length - MAX_ROWS;
    headings.push({ row: names.length, text: omitted > 0 ? `${label}; ${omitted} more are not drawn` : label });
    names.push('');
    for (const rounds of sorted.slice(0, MAX_ROWS)) {
      const row = names.length;
      names.push(rounds.map(({ trial }) => trial).join(' → '));
      for (const { trial, from, to } of rounds) pieces.push({ row, from, to, group: groups.groupOf(trial) });
      const { to, score } = rounds.at(-1)!;
      ends.push({ row, to, text: score === null ? 'failed' : formatNumber(score) });
    }
  }
  const lastEpoch = Math.max(...all.map(({ to, planned }) => planned ?? to));
  const rows = names.map((_, row) => row);
  const x = {
    field: 'from',
    type: 'quantitative',
    title: 'epochs',
    // Room for the score at the end of the longest bar.
    scale: { domain: [0, lastEpoch * (canvas === 'wide' ? 1.1 : 1.22)], nice: false },
    axis: { ...epochTicks(all), grid: true, format: ',d' },
  };
  const y = {
    field: 'row',
    type: 'ordinal',
    scale: { type: 'point', domain: rows, padding: 0.5 },
    axis: {
      title: 'trials',
      ...{ domain: false, ticks: false, grid: false, labelFontSize: 10, labelLimit: canvas === 'wide' ? 160 : 88 },
      labelExpr: `${JSON.stringify(names)}[datum.value]`,
    },
  };
  const best = bestOf(all, objective);
  const subtitle = [
    ...(figure.subtitle ?? []),
    ...(best ? [`the best is trial ${best.trial}, ${formatNumber(best.score!)}`] : []),
  ];
  return {
    ...plotSpec(figure, canvas, {
      title: titleAtEdge({ ...figure, subtitle }, canvas),
      layer: [
        {
          data: { values: pieces },
          mark: { type: 'bar', height: 10, stroke: tones.paper.light, strokeWidth: 1 },
          encoding: { x, x2: { field: 'to' }, y, color: colorEncoding(groups, canvas, 'circle') },
        },
        {
          data: { values: ends },
          mark: { type: 'text', align: 'left', dx: 5, fontSize: 10, color: tones.ink.light },
          encoding: { x: { ...x, field: 'to' }, y, text: { field: 'text' } },
        },
        {
          data: { values: headings },
          mark: { type: 'text', align: 'left', dx: 2, fontSize: 11, fontWeight: 600, color: tones.ink.light },
          encoding: { x: { value: 0 }, y, text: { field: 'text' } },
        },
      ],
    }),
    height: { step: STEP },
  } as TopLevelSpec;
}

/** Ticks at the ends of the rounds. */
const epochTicks = (trials: readonly { to: number; planned?: number | undefined }[]) => ({
  values: [...new Set([0, ...trials.map(({ to, planned }) => planned ?? to)])].sort((a, b) => a - b).slice(0, 12),
});

export function bracketsAlt({ title, brackets, objective }: Brackets): string {
  const best = bestOf(
    brackets.flatMap(({ configurations }) => configurations.flat()),
    objective,
  );
  const bestText = best ? ` The best is trial ${best.trial} with ${objective.label} ${formatNumber(best.score!)}.` : '';
  return `${title}. Bars of how many epochs each configuration was trained, by bracket: ${brackets.map(({ label }) => label).join('; ')}.${bestText}`;
}
