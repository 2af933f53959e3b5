import { toPrintable, toPrintableLine } from '../base/printable.ts';
import { unique } from './arrays.ts';
import type { Block, Report } from './content.ts';
import { wrap } from './escape.ts';
import { meanCurve } from './figures/curves.ts';
import type { FigureOf } from './figures/schema.ts';
import { adapterText, duration } from './format.ts';
import { experimentIdOf } from './run-report.ts';
import { cellTexts, comparisonTable, figureColumns, MAX_CELL_WIDTH, MAX_LINED_ROWS, table } from './tables.ts';

const BARS = '▁▂▃▄▅▆▇█';
const MAX_BARS = 40;

/** Returns a curve as one line of text, scaled from its lowest to its highest value. Values that are not finite are gaps. */
export function sparkline(values: readonly (number | null)[]): string {
  const step = Math.max(1, Math.ceil(values.length / MAX_BARS));
  const sampled = values.filter((_, i) => i % step === 0 || i === values.length - 1);
  const finite = sampled.filter((value): value is number => value !== null && Number.isFinite(value));
  const low = Math.min(...finite);
  const span = Math.max(...finite) - low || 1;
  return sampled
    .map((value) => (value === null || !Number.isFinite(value) ? ' ' : BARS[Math.round(((value - low) / span) * 7)]!))
    .join('');
}

const formatShort = (value: number) => String(Number(value.toPrecision(4)));

/** Maximum numbers of runs that each have a line: runs with other seeds, and different runs. More runs are shown by their mean. */
const MAX_SEEDS = 4;
const MAX_RUNS = 20;

/**
 * Returns a line for each series: its mean over the runs as a sparkline, and its first and last value. A few different runs have a line
 * each.
 */
function curvesText(figure: FigureOf<'curves'>): string {
  const names = unique(figure.lines.map(({ series }) => series));
  const runs = unique(figure.lines.map(({ run }) => run));
  const maxRuns = runs.every((run) => /^seed \d+$/.test(run)) ? MAX_SEEDS : MAX_RUNS;
  const isEachRun = figure.show === 'each' && runs.length > 1 && runs.length <= maxRuns;
  const curves = isEachRun
    ? runs.flatMap((run) => names.map((name) => ({ name: `${run}, ${name}`, points: meanCurve(figure, name, run) })))
    : names.map((name) => ({ name, points: meanCurve(figure, name) }));
  for (const curve of curves) curve.name = toPrintableLine(curve.name);
  const width = Math.max(...curves.map(({ name }) => name.length));
  const lines = curves.flatMap(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last) return [];
    return `  ${name.padEnd(width)}  ${sparkline(points.map(({ y }) => y))}  ${formatShort(first.y)} → ${formatShort(last.y)}`;
  });
  const mean = runs.length > 1 && !isEachRun ? `, mean of ${runs.length} runs` : '';
  return [toPrintableLine(`${figure.y.label} over ${figure.x.label}${mean}`), ...lines].join('\n');
}

/** Returns the text of a block; empty if only a picture can show it. */
function blockText(block: Block, id: string): string {
  switch (block.type) {
    case 'text':
      return toPrintable(block.text);
    case 'heading':
      return toPrintableLine(block.text);
    case 'comparison':
      return comparisonTable(block.caption || id, block.rows);
    case 'table': {
      // Too large for a terminal; the page can sort it.
      if (block.sortable) return '';
      const drawnTable = table(
        block.head,
        cellTexts(block.head, block.rows).map((texts) => texts.map((text) => wrap(text, MAX_CELL_WIDTH).join('\n'))),
        figureColumns(block.head, block.rows),
        block.rows.length > MAX_LINED_ROWS,
      );
      return block.caption ? `${toPrintableLine(block.caption)}\n${drawnTable}` : drawnTable;
    }
    case 'figure':
      return block.figure.type === 'curves' ? curvesText(block.figure) : '';
    case 'preformatted':
      return '';
  }
}

/** Returns the reductions as a list; empty if there are none. Users' experiments may have no published values. */
function reducedText({ reduced, sections }: Report): string {
  if (reduced.length === 0) return '';
  const isCompared = sections.some(({ blocks }) => blocks.some(hasPublished));
  const head = isCompared ? 'Not like for like with the published figures' : 'Reduced or changed';
  return `${head}:\n${reduced.map((note) => `  - ${toPrintableLine(note)}`).join('\n')}`;
}

/** Whether a block contains published values. */
function hasPublished(block: Block): boolean {
  if (block.type === 'comparison') return block.rows.some(({ published }) => published !== null);
  if (block.type === 'table') return block.head.some((column) => /\bpublished\b/.test(column)); // of coursework B
  return block.type === 'figure' && 'published' in block.figure && block.figure.published !== undefined;
}

/** Whether there is any text before the next heading. */
function hasText(blocks: readonly Block[], texts: readonly string[], from: number): boolean {
  const next = blocks.findIndex(({ type }, i) => i >= from && type === 'heading');
  return texts.slice(from, next < 0 ? undefined : next).some((text) => text !== '');
}

/** Returns the results of a report for a terminal: curves as sparklines, tables, and what was cut. */
export function resultsText(report: Report): string {
  const blocks = report.sections.flatMap(({ title, blocks }) => {
    const texts = blocks.map((block) => blockText(block, experimentIdOf(title) ?? report.id));
    // A heading over figures only is left out.
    return texts.filter((_, i) => blocks[i]!.type !== 'heading' || hasText(blocks, texts, i + 1));
  });
  const warnings = report.warnings.map((warning) => `Warning: ${warning}`);
  return [...blocks, reducedText(report), ...warnings].filter((text) => text !== '').join('\n\n');
}

/** Returns a short report for a terminal. */
export function reportText(report: Report): string {
  const status = report.status === 'finished' ? '' : ` (${report.status})`;
  const runTexts = report.provenance.map(({ adapter, seconds, command }) =>
    [`Ran on ${adapterText(adapter)}${seconds === null ? '' : ` in ${duration(seconds)}`}.`, `Again: ${command}`]
      .map(toPrintableLine)
      .join('\n'),
  );
  const head = toPrintableLine(`${report.id}: ${report.title}${status}`);
  const question = report.question.map(toPrintableLine).join('\n');
  return [head, question, resultsText(report), ...runTexts].join('\n\n');
}
