import Table from 'cli-table3';
import { toPrintable, toPrintableLine } from '../base/printable.ts';
import { comparisonColumns, comparisonNotes, comparisonText, OFF_MARK, reasonsOf } from './comparison.ts';
import type { Cell, ComparisonRow } from './content.ts';
import { wrap } from './escape.ts';
import { count } from './format.ts';

/** A longer table has no lines between its rows. */
export const MAX_LINED_ROWS = 10;

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
    head: head.map(toPrintable),
    chars: long ? noLines : {},
    style: { head: [], border: [] },
    colAligns: head.map((_, column) => (figures.includes(column) ? 'right' : 'left')),
  });
  // Before widths are measured; else they would be off, and escape sequences count as none.
  for (const row of rows) drawn.push(row.map(toPrintable));
  return drawn.toString();
}

/** The published figures beside ours. */
export function comparisonTable(title: string, rows: readonly ComparisonRow[]): string {
  const texts = rows.map(comparisonText);
  const columns = comparisonColumns(texts);
  const shown = <T>(label: T, published: T, ours: T, difference: T): T[] => [
    label,
    ...(columns.published ? [published] : []),
    ours,
    ...(columns.difference ? [difference] : []),
  ];
  const drawn = table(
    shown(title, 'published', columns.ours, 'difference'),
    texts.map(({ label, published, ours, difference, isOff }) =>
      shown(label, published, ours, difference + (isOff ? ` ${OFF_MARK}` : '')),
    ),
    [1, 2, 3],
    rows.length > MAX_LINED_ROWS,
  );
  const notes = [
    ...comparisonNotes(rows, texts),
    ...reasonsOf(texts).flatMap(({ labels, why }) => wrap(toPrintableLine(`${labels}: ${why}`), WIDEST_NOTE)),
  ];
  return [drawn, ...notes].join('\n');
}

/** Decimals that a column's numbers are filled up to. */
const FILLED_DECIMALS = 4;

/** Returns the cells of a table as a report shows them: short numbers, formatted alike within a column. */
export function cellTexts(head: readonly string[], rows: readonly Cell[][]): string[][] {
  const columns = head.map((_, column) => columnTexts(rows.map((row) => row[column] ?? null)));
  return rows.map((_, row) => columns.map((texts) => texts[row]!));
}

function columnTexts(cells: readonly Cell[]): string[] {
  const numbers = cells.filter((cell) => typeof cell === 'number');
  const short = (value: number) => String(Number(value.toPrecision(6)));
  const isFilled = numbers.every((value) => new RegExp(`^-?\\d+(\\.\\d{1,${FILLED_DECIMALS}})?$`).test(short(value)));
  const decimals = Math.max(...numbers.map((value) => short(value).split('.')[1]?.length ?? 0));
  const text = (value: number) => {
    if (numbers.every(Number.isInteger)) return count(value);
    return isFilled ? value.toFixed(decimals) : short(value);
  };
  return cells.map((cell) => (typeof cell === 'number' ? text(cell) : (cell ?? '')));
}

const isFigure = (cell: Cell) => typeof cell !== 'string' || /^(-?\d[\d,]*(\.\d+)?(e[-+]?\d+)?|n\/a)$/.test(cell);

/** Columns, counted from 0, that hold nothing but numbers, written out or not. */
export function figureColumns(head: readonly string[], rows: readonly Cell[][]): number[] {
  return head.flatMap((_, column) =>
    rows.length > 0 && rows.every((row) => isFigure(row[column] ?? null)) ? [column] : [],
  );
}
