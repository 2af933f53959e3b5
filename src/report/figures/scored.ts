import { ramp, tones } from '../theme.ts';
import type { Canvas } from './canvas.ts';
import { legendColumns } from './curves.ts';

// The colour of a trial: which fifth of all its score is in. Scores of a search lie close together but for a few failures, so their rank says more.

export type Objective = { label: string; direction: 'min' | 'max' };
type Scored = { trial: number; score: number | null };

const NAMES = ['best fifth', 'second', 'third', 'fourth', 'last fifth'];
/** Of fewer trials than that. */
const PLACES = ['best', 'second', 'third'];
export const FAILED = 'failed: no score';

/** A figure's number with four digits; small and large ones with an exponent, where that is shorter. */
export const show = (value: number): string => {
  const rounded = Number(value.toPrecision(4));
  const size = Math.abs(rounded);
  const [plain, exponent] = [String(rounded), rounded.toExponential()];
  return (rounded !== 0 && size < 1e-3) || (size >= 1e6 && exponent.length < plain.length) ? exponent : plain;
};

/** Trials from the worst to the best, those without a score first: what is drawn last lies on top. */
export function worstFirst<T extends Scored>(trials: readonly T[], { direction }: Objective): T[] {
  const sign = direction === 'max' ? 1 : -1;
  const at = ({ score }: Scored) => (score === null ? Number.NEGATIVE_INFINITY : sign * score);
  return [...trials].sort((a, b) => (at(a) === at(b) ? b.trial - a.trial : at(a) - at(b)));
}

/** The best of them; undefined where none has a score. */
export const bestOf = <T extends Scored>(trials: readonly T[], objective: Objective): T | undefined =>
  worstFirst(trials, objective).findLast(({ score }) => score !== null);

/**
 * The group of each trial by the rank of its score, in words that give the scores of the group, and the colours of all groups.
 * @returns `of` by the trial's number
 */
export function fifths(trials: readonly Scored[], objective: Objective) {
  const scored = worstFirst(trials, objective)
    .filter(({ score }) => score !== null)
    .reverse();
  const fifth = new Map<number, number>();
  for (const [i, one] of scored.entries()) {
    const before = scored[i - 1];
    const ties = before?.score === one.score;
    fifth.set(one.trial, ties ? fifth.get(before!.trial)! : groupAt(i, scored.length));
  }
  const isFew = scored.length < NAMES.length;
  const groups = NAMES.flatMap((ofFifth, at) => {
    const scores = scored.filter(({ trial }) => fifth.get(trial) === at).map(({ score }) => score!);
    if (scores.length === 0) return [];
    const place = scored.findIndex(({ trial }) => fifth.get(trial) === at);
    const isLast = place > 0 && at === NAMES.length - 1;
    const name = isFew ? (isLast ? 'last' : PLACES[place]!) : ofFifth;
    const [low, high] = [show(Math.min(...scores)), show(Math.max(...scores))];
    return [{ at, name: `${name}: ${low === high ? low : `${low} to ${high}`}`, colour: ramp[at]!.light }];
  });
  const hasFailed = trials.some(({ score }) => score === null);
  return {
    names: [...groups.map(({ name }) => name), ...(hasFailed ? [FAILED] : [])],
    colours: [...groups.map(({ colour }) => colour), ...(hasFailed ? [tones.axis.light] : [])],
    of: (trial: number): string => groups.find(({ at }) => at === fifth.get(trial))?.name ?? FAILED,
  };
}

/** The fifth that a place is in, counted from 0; of fewer than five, places apart as far as can be. */
const groupAt = (place: number, count: number): number =>
  count < NAMES.length
    ? Math.round((place * (NAMES.length - 1)) / Math.max(1, count - 1))
    : Math.floor((place / count) * NAMES.length);

/** Vega-Lite's colour by that group, with its legend. */
export function colourOf(
  { names, colours }: ReturnType<typeof fifths>,
  canvas: Canvas,
  symbolType: 'stroke' | 'circle',
) {
  return {
    field: 'group',
    type: 'nominal',
    scale: { domain: names, range: colours },
    legend: {
      columns: Math.min(3, legendColumns(names, canvas)),
      symbolOpacity: 1,
      ...(symbolType === 'stroke' ? { symbolType } : { symbolType, symbolStrokeWidth: 0, symbolSize: 70 }),
    },
  };
}

/** Values so many times further from the best than the better quarter is, or than the best is from 0, are those of a training that diverged. */
const DIVERGED = 30;

/** Values without those of trainings that diverged, which no quartile would tell where they are many. */
function sensible(sorted: readonly number[], isRising: boolean): number[] {
  const best = isRising ? sorted.at(-1)! : sorted[0]!;
  const at = Math.floor(sorted.length / 4);
  const quarter = isRising ? sorted.at(-1 - at)! : sorted[at]!;
  const unit = Math.max(Math.abs(quarter - best), Math.abs(best));
  return unit > 0 ? sorted.filter((value) => Math.abs(value - best) <= DIVERGED * unit) : [...sorted];
}

/**
 * The range of values to draw: beyond one and a half times the distance of the quartiles on the bad side (Tukey's fence) they are drawn
 * at the edge, as those of trainings that diverged are, so that a trial that learned nothing does not press the others together.
 */
export function rangeOf(
  values: readonly number[],
  { direction }: Objective,
): { low: number; high: number; cuts: boolean } {
  const all = [...values].sort((a, b) => a - b);
  if (all.length === 0) return { low: 0, high: 1, cuts: false };
  const sorted = sensible(all, direction === 'max');
  const quantile = (share: number) => {
    const at = share * (sorted.length - 1);
    const [i, rest] = [Math.floor(at), at % 1];
    return sorted[i]! + rest * ((sorted[i + 1] ?? sorted[i]!) - sorted[i]!);
  };
  const fence = 1.5 * (quantile(0.75) - quantile(0.25));
  let [low, high] = [sorted[0]!, sorted.at(-1)!];
  if (fence > 0 && direction === 'max') low = Math.max(low, quantile(0.25) - fence);
  if (fence > 0 && direction === 'min') high = Math.min(high, quantile(0.75) + fence);
  const isFenced = low > sorted[0]! || high < sorted.at(-1)!;
  const cuts = isFenced || sorted.length < all.length;
  const room = (high - low) * 0.04 || Math.abs(high) * 0.04 || 0.5;
  return {
    // What is never negative, such as a loss, has no room below 0.
    low: isFenced && direction === 'max' ? low : low >= 0 ? Math.max(0, low - room) : low - room,
    high: isFenced && direction === 'min' ? high : high + room,
    cuts,
  };
}

/** What the edge means, where values beyond it are drawn there. */
export const edgeText = ({ direction, label }: Objective, { low, high }: { low: number; high: number }): string =>
  direction === 'max' ? `${label} below ${show(low)}` : `${label} above ${show(high)}`;

/** Which side of the range a value is beyond, on the bad side; that is where it is drawn. */
export function clamped(
  value: number,
  { low, high }: { low: number; high: number },
): { value: number; isBeyond: boolean } {
  const within = Math.min(high, Math.max(low, value));
  return { value: within, isBeyond: within !== value };
}
