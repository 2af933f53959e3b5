import { show } from './scored.ts';
import type { SearchAxis } from './search-schema.ts';

/** Where a value lies on an axis, from 0 to 1; null where it has no place there. */
export function position(axis: SearchAxis, value: number | string | null): number | null {
  if (value === null) return null;
  if (axis.kind === 'names') {
    const at = axis.names.indexOf(String(value));
    return at < 0 ? null : (at + 0.5) / axis.names.length;
  }
  if (typeof value !== 'number' || (axis.log && value <= 0)) return null;
  const scale = axis.log ? Math.log : (x: number) => x;
  const [low, high] = [scale(axis.min), scale(axis.max)];
  return low === high ? 0.5 : Math.min(1, Math.max(0, (scale(value) - low) / (high - low)));
}

/** What is written along an axis, at most `most` labels. */
export function ticks(axis: SearchAxis, most = 6): { at: number; label: string }[] {
  if (axis.kind === 'names')
    return evenly(axis.names, most).map((name) => ({ at: position(axis, name)!, label: name }));
  const values = axis.ticks && axis.ticks.length <= most ? axis.ticks : axis.log ? powers(axis, most) : steps(axis);
  return values.map((value) => ({ at: position(axis, value)!, label: show(value) }));
}

/** The first and the last, and others between. */
function evenly<T>(values: readonly T[], most: number): T[] {
  const step = Math.ceil((values.length - 1) / Math.max(1, most - 1)) || 1;
  return values.filter((_, i) => i % step === 0);
}

/** Powers of ten within the axis; its ends where there are not two of them. */
function powers({ min, max }: { min: number; max: number }, most: number): number[] {
  const first = Math.ceil(Math.log10(min) - 1e-9);
  const last = Math.floor(Math.log10(max) + 1e-9);
  const all = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(`1e${first + i}`));
  return all.length < 2 ? [min, max] : evenly(all, most);
}

const steps = ({ min, max }: { min: number; max: number }): number[] =>
  min === max ? [min] : [min, (min + max) / 2, max];

/** A text that is too long for its place, cut: it would widen the drawing. */
export const cut = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, Math.max(1, Math.floor(length) - 1))}…` : text;
