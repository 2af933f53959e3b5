import { formatNumber } from './scored.ts';
import type { SearchAxis } from './search-schema.ts';

/** Returns the position of a value on an axis, from 0 to 1; null if the axis does not contain it. */
export function positionOf(axis: SearchAxis, value: number | string | null): number | null {
  if (value === null) return null;
  if (axis.kind === 'names') {
    const index = axis.names.indexOf(String(value));
    return index < 0 ? null : (index + 0.5) / axis.names.length;
  }
  if (typeof value !== 'number' || (axis.log && value <= 0)) return null;
  const scale = axis.log ? Math.log : (x: number) => x;
  const [low, high] = [scale(axis.min), scale(axis.max)];
  return low === high ? 0.5 : Math.min(1, Math.max(0, (scale(value) - low) / (high - low)));
}

/** Returns the ticks of an axis with their labels, at most `maxCount`. */
export function ticks(axis: SearchAxis, maxCount = 6): { at: number; label: string }[] {
  if (axis.kind === 'names')
    return pickEvenly(axis.names, maxCount).map((name) => ({ at: positionOf(axis, name)!, label: name }));
  const values =
    axis.ticks && axis.ticks.length <= maxCount ? axis.ticks : axis.log ? powers(axis, maxCount) : steps(axis);
  return values.map((value) => ({ at: positionOf(axis, value)!, label: formatNumber(value) }));
}

/** Returns at most `maxCount` values at equal distances, with the first. */
function pickEvenly<T>(values: readonly T[], maxCount: number): T[] {
  const step = Math.ceil((values.length - 1) / Math.max(1, maxCount - 1)) || 1;
  return values.filter((_, i) => i % step === 0);
}

/** Returns the powers of ten within the axis; its ends if there are fewer than two. */
function powers({ min, max }: { min: number; max: number }, maxCount: number): number[] {
  const first = Math.ceil(Math.log10(min) - 1e-9);
  const last = Math.floor(Math.log10(max) + 1e-9);
  const all = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(`1e${first + i}`));
  return all.length < 2 ? [min, max] : pickEvenly(all, maxCount);
}

const steps = ({ min, max }: { min: number; max: number }): number[] =>
  min === max ? [min] : [min, (min + max) / 2, max];

/** Cuts a text that is too long, because it would widen the drawing. */
export const cut = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, Math.max(1, Math.floor(length) - 1))}…` : text;
