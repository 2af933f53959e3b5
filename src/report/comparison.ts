import type { ComparisonInput, ComparisonRow } from './content.ts';
import { count, duration } from './format.ts';

/** From here on a difference is marked: a published figure counts as reproduced within 2 points of accuracy. */
const MAX_POINTS = 2;

/** `0.6022`, or `n/a` for a figure that is missing or not finite. */
export function accuracyText(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? 'n/a' : value.toFixed(4);
}

/** How a row's figures are written: `digits` are those of a bare number, leading zeros apart. */
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

/** A row's figures are in one unit, so that they can be subtracted by eye: those of some seconds never in milliseconds. */
function secondsText(seconds: number, largest: number): string {
  return largest >= 0.9995 && largest < 59.995 ? `${seconds.toFixed(2)} s` : duration(seconds);
}

/** A row of the comparison as text: the same in the terminal and on the page. */
export interface ComparisonText {
  label: string;
  published: string;
  ours: string;
  difference: string;
  /** Whether it is not within 2 points of accuracy of the published figure, and ought to be. */
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
    // As printed: 2.00 points are not more than two.
    return { text: `${sign}${points.toFixed(2)} points`, isOff: Number(points.toFixed(2)) > MAX_POINTS };
  }
  return { text: difference === 0 ? 'equal' : sign + valueText(Math.abs(difference), 3), isOff: false };
}

export function comparisonText(given: ComparisonInput): ComparisonText {
  const row: ComparisonRow = { unit: 'accuracy', ...given };
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

/** What the mark at a difference means. */
export const OFF_MARK = '!';
export const OFF_NOTE = `${OFF_MARK} not within ${MAX_POINTS} points of the published figure`;
/** What is said instead of marks where a run was too quick for them. */
export const QUICK_NOTE =
  'A quick run: figures far from the published ones are to be expected, see what was reduced or changed.';

/** The columns of a comparison: without those that would be empty in each row. */
export interface ComparisonColumns {
  published: boolean;
  difference: boolean;
  /** What our own figures are called: `ours` says nothing where there are no others. */
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

/** What stands below a comparison: what its marks mean, or why it has none. */
export function comparisonNotes(rows: readonly ComparisonInput[], texts: readonly ComparisonText[]): string[] {
  const isQuick = rows.some(({ likeForLike }, i) => likeForLike === false && texts[i]!.difference !== '');
  return [...(texts.some(({ isOff }) => isOff) ? [OFF_NOTE] : []), ...(isQuick ? [QUICK_NOTE] : [])];
}

/** The reasons of a comparison, each once, with the figures it is of: they are sentences, too long for a column. */
export function reasonsOf(texts: readonly ComparisonText[]): { labels: string; why: string }[] {
  const reasons = [...new Set(texts.map(({ why }) => why))].filter((why) => why !== '');
  return reasons.map((why) => {
    const labels = texts.filter((text) => text.why === why).map(({ label }) => label);
    return { labels: labels.join('; '), why };
  });
}
