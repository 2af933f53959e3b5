import type { ComparisonInput, ComparisonRow } from './content.ts';
import { count, duration } from './format.ts';

/** Larger differences are marked: a published value counts as reproduced within 2 points of accuracy. */
const MAX_POINTS = 2;

/** Returns `0.6022`, or `n/a` for a value that is missing or not finite. */
export function accuracyText(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? 'n/a' : value.toFixed(4);
}

/** Formats a row's values; `digits` is the number of significant digits of a value without a unit. */
type ValueText = (value: number | null | undefined, digits?: number) => string;

function valueTextOf({ unit, published, ours }: ComparisonRow): ValueText {
  const sizes = [published, ours].map((value) => (typeof value === 'number' && Number.isFinite(value) ? value : 0));
  const largest = Math.max(...sizes);
  return (value, digits) => valueText(value, unit, largest, digits);
}

function valueText(value: number | null | undefined, unit: ComparisonRow['unit'], largest: number, digits = 4): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return 'n/a';
  if (unit === 'count') return count(value);
  if (unit === 'seconds') return secondsText(value, largest);
  return unit === 'accuracy' ? accuracyText(value) : String(Number(value.toPrecision(digits)));
}

/** All values of a row have one unit, so that they can be compared by eye: if the largest is some seconds, none is in milliseconds. */
function secondsText(seconds: number, largest: number): string {
  return largest >= 0.9995 && largest < 59.995 ? `${seconds.toFixed(2)} s` : duration(seconds);
}

/** A row of the comparison as text: the same in the terminal and on the page. */
export interface ComparisonText {
  label: string;
  published: string;
  ours: string;
  difference: string;
  /** Whether an accuracy that should reproduce the published value is more than 2 points away from it. */
  isOff: boolean;
  why: string;
}

/** Difference in points of accuracy, signed: `+1.25 points`. */
function differenceText(
  { ours, published, unit }: ComparisonRow,
  valueText: ValueText,
): { text: string; isOff: boolean } {
  if (typeof published !== 'number') return { text: '', isOff: false };
  if (ours === null || !Number.isFinite(ours)) return { text: 'n/a', isOff: unit === 'accuracy' };
  const difference = ours - published;
  const sign = difference < 0 ? '-' : '+';
  if (unit === 'accuracy') {
    const points = Math.abs(difference) * 100;
    // Rounded as printed, so that 2.00 points are not marked.
    return { text: `${sign}${points.toFixed(2)} points`, isOff: Number(points.toFixed(2)) > MAX_POINTS };
  }
  return { text: difference === 0 ? 'equal' : sign + valueText(Math.abs(difference), 3), isOff: false };
}

export function comparisonText(input: ComparisonInput): ComparisonText {
  const row: ComparisonRow = { unit: 'accuracy', ...input };
  const valueText = valueTextOf(row);
  const { text, isOff } = differenceText(row, valueText);
  const isMarked = isOff && row.likeForLike !== false;
  const runs = row.runs !== undefined && row.runs > 1 ? `, ${row.runs} runs` : '';
  const spread = row.sd === null || row.sd === undefined ? '' : ` (sd ${valueText(row.sd, 2)}${runs})`;
  return {
    label: row.label,
    published:
      row.published === null ? '' : typeof row.published === 'string' ? row.published : valueText(row.published, 6),
    ours: valueText(row.ours) + spread,
    difference: text,
    isOff: isMarked,
    why: row.why ?? '',
  };
}

/** The mark of a large difference and its explanation. */
export const OFF_MARK = '!';
export const OFF_NOTE = `${OFF_MARK} not within ${MAX_POINTS} points of the published figure`;
/** The note of a quick run, which has no marks. */
export const QUICK_NOTE =
  'A quick run: figures far from the published ones are to be expected, see what was reduced or changed.';

/** The columns of a comparison, without those that would be empty in every row. */
export interface ComparisonColumns {
  published: boolean;
  difference: boolean;
  /** Heading of our values: `ours`, or `measured` if nothing is published. */
  ours: string;
}

export function comparisonColumns(texts: readonly ComparisonText[]): ComparisonColumns {
  const published = texts.some((text) => text.published !== '');
  return {
    published,
    difference: texts.some((text) => text.difference !== ''),
    ours: published ? 'ours' : 'measured',
  };
}

/** Returns the notes below a comparison: the meaning of its marks, or why it has none. */
export function comparisonNotes(rows: readonly ComparisonInput[], texts: readonly ComparisonText[]): string[] {
  const isQuick = rows.some(({ likeForLike }, i) => likeForLike === false && texts[i]!.difference !== '');
  return [...(texts.some(({ isOff }) => isOff) ? [OFF_NOTE] : []), ...(isQuick ? [QUICK_NOTE] : [])];
}

/** Returns each reason of a comparison once, with the labels of its rows. Reasons are sentences, which are too long for a column. */
export function reasonsOf(texts: readonly ComparisonText[]): { labels: string; why: string }[] {
  const reasons = [...new Set(texts.map(({ why }) => why))].filter((why) => why !== '');
  return reasons.map((why) => {
    const labels = texts.filter((text) => text.why === why).map(({ label }) => label);
    return { labels: labels.join('; '), why };
  });
}
