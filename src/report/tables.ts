import Table from 'cli-table3';
import { comparisonText, OFF_MARK, OFF_NOTE, reasonsOf } from './comparison.ts';
import type { Cell, ComparisonRow } from './content.ts';
import { wrap } from './escape.ts';

/** A longer table has no lines between its rows. */
export const MOST_LINED_ROWS = 10;

/** Characters: a terminal breaks lines without regard for columns, and words. */
export const WIDEST_CELL = 40;
const WIDEST_NOTE = 100;

/**
 * A terminal table without colours, so that it reads the same in a file. Columns of figures, counted from 0, align
 * right; a long table has no lines between its rows.
 */
export function table(head: string[], rows: string[][], figures: number[] = [], long = false): string {
  const noLines = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
  const drawn = new Table({
    head,
    chars: long ? noLines : {},
    style: { head: [], border: [] },
    colAligns: head.map((_, column) => (figures.includes(column) ? 'right' : 'left')),
  });
  drawn.push(...rows);
  return drawn.toString();
}

/** The published figures beside ours. */
export function comparisonTable(title: string, rows: readonly ComparisonRow[]): string {
  const texts = rows.map(comparisonText);
  const drawn = table(
    [title, 'published', 'ours', 'difference'],
    texts.map(({ label, published, ours, difference, isOff }) => [
      label,
      published,
      ours,
      difference + (isOff ? ` ${OFF_MARK}` : ''),
    ]),
    [1, 2, 3],
    rows.length > MOST_LINED_ROWS,
  );
  const notes = [
    ...(texts.some(({ isOff }) => isOff) ? [OFF_NOTE] : []),
    ...reasonsOf(texts).flatMap(({ labels, why }) => wrap(`${labels}: ${why}`, WIDEST_NOTE)),
  ];
  return [drawn, ...notes].join('\n');
}

/** A cell as a report shows it: numbers short enough to compare. */
export function cellText(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell !== 'number') return cell;
  return String(Number.isInteger(cell) ? cell : Number(cell.toPrecision(6)));
}

/** Columns, counted from 0, that hold nothing but numbers. */
export function figureColumns(head: readonly string[], rows: readonly Cell[][]): number[] {
  return head.flatMap((_, column) =>
    rows.length > 0 && rows.every((row) => typeof (row[column] ?? null) !== 'string') ? [column] : [],
  );
}
