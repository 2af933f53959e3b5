import Table from 'cli-table3';
import { toPrintable, toPrintableLine } from '../base/printable.ts';
import { comparisonColumns, comparisonNotes, comparisonText, OFF_MARK, reasonsOf } from './comparison.ts';
import type { Cell, ComparisonRow } from './content.ts';
import { wrap } from './escape.ts';
import { count } from './format.ts';

/** A longer table has no lines between its rows. */
export const MAX_LINED_ROWS = 10;

/** Maximum widths in characters, because a terminal breaks lines without regard for columns or words. */
export const MAX_CELL_WIDTH = 40;
const MAX_NOTE_WIDTH = 100;

/**
 * Draws a table for a terminal, without colors, so that it is the same in a file. The columns `figures`, counted from 0, are aligned right.
 * A long table has no lines between its rows.
 */
export function table(head: string[], rows: string[][], figures: number[] = [], isLong = false): string {
  const noLines = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
  const drawnTable = new Table({
    head: head.map(toPrintable),
    chars: isLong ? noLines : {},
    style: { head: [], border: [] },
    colAligns: head.map((_, column) => (figures.includes(column) ? 'right' : 'left')),
  });
  // Before widths are measured, because escape sequences would have no width.
  for (const row of rows) drawnTable.push(row.map(toPrintable));
  return drawnTable.toString();
}

/** Draws the published values next to ours. */
export function comparisonTable(title: string, rows: readonly ComparisonRow[]): string {
  const texts = rows.map(comparisonText);
  const columns = comparisonColumns(texts);
  const selectColumns = <T>(label: T, published: T, ours: T, difference: T): T[] => [
    label,
    ...(columns.published ? [published] : []),
    ours,
    ...(columns.difference ? [difference] : []),
  ];
  const drawnTable = table(
    selectColumns(title, 'published', columns.ours, 'difference'),
    texts.map(({ label, published, ours, difference, isOff }) =>
      selectColumns(label, published, ours, difference + (isOff ? ` ${OFF_MARK}` : '')),
    ),
    [1, 2, 3],
    rows.length > MAX_LINED_ROWS,
  );
  const notes = [
    ...comparisonNotes(rows, texts),
    ...reasonsOf(texts).flatMap(({ labels, why }) => wrap(toPrintableLine(`${labels}: ${why}`), MAX_NOTE_WIDTH)),
  ];
  return [drawnTable, ...notes].join('\n');
}

/** Maximum number of decimals to which a column's numbers are padded. */
const MAX_PADDED_DECIMALS = 4;

/** Returns the cells of a table as a report shows them: short numbers, formatted alike within a column. */
export function cellTexts(head: readonly string[], rows: readonly Cell[][]): string[][] {
  const columns = head.map((_, column) => columnTexts(rows.map((row) => row[column] ?? null)));
  return rows.map((_, row) => columns.map((texts) => texts[row]!));
}

function columnTexts(cells: readonly Cell[]): string[] {
  const numbers = cells.filter((cell) => typeof cell === 'number');
  const formatShort = (value: number) => String(Number(value.toPrecision(6)));
  const isPadded = numbers.every((value) =>
    new RegExp(`^-?\\d+(\\.\\d{1,${MAX_PADDED_DECIMALS}})?$`).test(formatShort(value)),
  );
  const decimals = Math.max(...numbers.map((value) => formatShort(value).split('.')[1]?.length ?? 0));
  const text = (value: number) => {
    if (numbers.every(Number.isInteger)) return count(value);
    return isPadded ? value.toFixed(decimals) : formatShort(value);
  };
  return cells.map((cell) => (typeof cell === 'number' ? text(cell) : (cell ?? '')));
}

const isFigure = (cell: Cell) => typeof cell !== 'string' || /^(-?\d[\d,]*(\.\d+)?(e[-+]?\d+)?|n\/a)$/.test(cell);

/** Returns the columns, counted from 0, that contain only numbers, also as text. */
export function figureColumns(head: readonly string[], rows: readonly Cell[][]): number[] {
  return head.flatMap((_, column) =>
    rows.length > 0 && rows.every((row) => isFigure(row[column] ?? null)) ? [column] : [],
  );
}
