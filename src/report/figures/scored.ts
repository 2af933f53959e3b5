import { ramp, tones } from '../theme.ts';
import type { Canvas } from './canvas.ts';
import { legendColumns } from './curves.ts';

// The color of a trial shows the fifth of its score. Scores of a search are close together except for a few failures, so ranks show more.

export type Objective = { label: string; direction: 'min' | 'max' };
type Scored = { trial: number; score: number | null };

const FIFTH_NAMES = ['best fifth', 'second', 'third', 'fourth', 'last fifth'];
/** Names if there are fewer trials than fifths. */
const RANK_NAMES = ['best', 'second', 'third'];
export const FAILED = 'failed: no score';

/** Formats a number with four digits; small and large ones with an exponent if that is shorter. */
export const formatNumber = (value: number): string => {
  const rounded = Number(value.toPrecision(4));
  const size = Math.abs(rounded);
  const [plain, exponent] = [String(rounded), rounded.toExponential()];
  return (rounded !== 0 && size < 1e-3) || (size >= 1e6 && exponent.length < plain.length) ? exponent : plain;
};

/** Sorts trials from the worst to the best, those without a score first, because the last is drawn on top. */
export function sortWorstFirst<T extends Scored>(trials: readonly T[], { direction }: Objective): T[] {
  const sign = direction === 'max' ? 1 : -1;
  const key = ({ score }: Scored) => (score === null ? Number.NEGATIVE_INFINITY : sign * score);
  return [...trials].sort((a, b) => (key(a) === key(b) ? b.trial - a.trial : key(a) - key(b)));
}

/** Returns the best trial; undefined if none has a score. */
export const bestOf = <T extends Scored>(trials: readonly T[], objective: Objective): T | undefined =>
  sortWorstFirst(trials, objective).findLast(({ score }) => score !== null);

/**
 * Divides trials into fifths by the rank of their scores.
 * @returns names and colors of the groups (the names contain the groups' scores), and `groupOf`, which returns the name of a trial's group
 */
export function divideIntoFifths(trials: readonly Scored[], objective: Objective) {
  const scored = sortWorstFirst(trials, objective)
    .filter(({ score }) => score !== null)
    .reverse();
  const fifth = new Map<number, number>();
  for (const [i, trial] of scored.entries()) {
    const previous = scored[i - 1];
    const isTied = previous?.score === trial.score;
    fifth.set(trial.trial, isTied ? fifth.get(previous!.trial)! : fifthOfRank(i, scored.length));
  }
  const isFew = scored.length < FIFTH_NAMES.length;
  const groups = FIFTH_NAMES.flatMap((fifthName, index) => {
    const scores = scored.filter(({ trial }) => fifth.get(trial) === index).map(({ score }) => score!);
    if (scores.length === 0) return [];
    const firstRank = scored.findIndex(({ trial }) => fifth.get(trial) === index);
    const isLast = firstRank > 0 && index === FIFTH_NAMES.length - 1;
    const name = isFew ? (isLast ? 'last' : RANK_NAMES[firstRank]!) : fifthName;
    const [low, high] = [formatNumber(Math.min(...scores)), formatNumber(Math.max(...scores))];
    return [{ index, name: `${name}: ${low === high ? low : `${low} to ${high}`}`, color: ramp[index]!.light }];
  });
  const hasFailed = trials.some(({ score }) => score === null);
  return {
    names: [...groups.map(({ name }) => name), ...(hasFailed ? [FAILED] : [])],
    colors: [...groups.map(({ color }) => color), ...(hasFailed ? [tones.axis.light] : [])],
    groupOf: (trial: number): string => groups.find(({ index }) => index === fifth.get(trial))?.name ?? FAILED,
  };
}

/** Returns the fifth of a rank, both from 0. Fewer than five ranks are spread over all fifths. */
const fifthOfRank = (rank: number, count: number): number =>
  count < FIFTH_NAMES.length
    ? Math.round((rank * (FIFTH_NAMES.length - 1)) / Math.max(1, count - 1))
    : Math.floor((rank / count) * FIFTH_NAMES.length);

/** Returns Vega-Lite's color encoding by group, with its legend. */
export function colorEncoding(
  { names, colors }: ReturnType<typeof divideIntoFifths>,
  canvas: Canvas,
  symbolType: 'stroke' | 'circle',
) {
  return {
    field: 'group',
    type: 'nominal',
    scale: { domain: names, range: colors },
    legend: {
      columns: Math.min(3, legendColumns(names, canvas)),
      symbolOpacity: 1,
      ...(symbolType === 'stroke' ? { symbolType } : { symbolType, symbolStrokeWidth: 0, symbolSize: 70 }),
    },
  };
}

/** A value counts as diverged if it is this many times as far from the best one as the best quartile is, or as the best one is from 0. */
const DIVERGED = 30;

/** Removes the values of diverged trainings, which quartiles would not reveal if there are many. */
function removeDiverged(sorted: readonly number[], isRising: boolean): number[] {
  const best = isRising ? sorted.at(-1)! : sorted[0]!;
  const quarterIndex = Math.floor(sorted.length / 4);
  const quartile = isRising ? sorted.at(-1 - quarterIndex)! : sorted[quarterIndex]!;
  const unit = Math.max(Math.abs(quartile - best), Math.abs(best));
  return unit > 0 ? sorted.filter((value) => Math.abs(value - best) <= DIVERGED * unit) : [...sorted];
}

/**
 * Returns the range of values to draw. Values on the bad side of Tukey's fence, 1.5 times the distance of the quartiles beyond them, are
 * drawn at the edge, and so are those of diverged trainings. So a trial that learned nothing does not compress the others.
 */
export function rangeOf(
  values: readonly number[],
  { direction }: Objective,
): { low: number; high: number; isCut: boolean } {
  const all = [...values].sort((a, b) => a - b);
  if (all.length === 0) return { low: 0, high: 1, isCut: false };
  const sorted = removeDiverged(all, direction === 'max');
  const quantile = (share: number) => {
    const position = share * (sorted.length - 1);
    const [i, rest] = [Math.floor(position), position % 1];
    return sorted[i]! + rest * ((sorted[i + 1] ?? sorted[i]!) - sorted[i]!);
  };
  const fence = 1.5 * (quantile(0.75) - quantile(0.25));
  let [low, high] = [sorted[0]!, sorted.at(-1)!];
  if (fence > 0 && direction === 'max') low = Math.max(low, quantile(0.25) - fence);
  if (fence > 0 && direction === 'min') high = Math.min(high, quantile(0.75) + fence);
  const isFenced = low > sorted[0]! || high < sorted.at(-1)!;
  const isCut = isFenced || sorted.length < all.length;
  const margin = (high - low) * 0.04 || Math.abs(high) * 0.04 || 0.5;
  return {
    // Values that are never negative, such as losses, have no margin below 0.
    low: isFenced && direction === 'max' ? low : low >= 0 ? Math.max(0, low - margin) : low - margin,
    high: isFenced && direction === 'min' ? high : high + margin,
    isCut,
  };
}

/** Describes the values that are drawn at the edge. */
export const edgeText = ({ direction, label }: Objective, { low, high }: { low: number; high: number }): string =>
  direction === 'max' ? `${label} below ${formatNumber(low)}` : `${label} above ${formatNumber(high)}`;

/** Clamps a value to the range, and returns whether it was beyond the range. */
export function clampToRange(
  value: number,
  { low, high }: { low: number; high: number },
): { value: number; isBeyond: boolean } {
  const within = Math.min(high, Math.max(low, value));
  return { value: within, isBeyond: within !== value };
}
