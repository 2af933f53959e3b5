import { sizeOf } from '../../kernels/array.ts';
import { type FusionRole, fusionRole } from '../layers/fusion-role.ts';
import type { LayerCall } from './layer-calls.ts';

/** Consecutive calls of a model of which only the last value is kept: see `Layer.recompute`. */
export interface RecomputeSegment {
  /** Index of the first call. */
  first: number;
  /** Index after the last call. */
  end: number;
}

/** Limits of a segment's size that are tried, each this much larger than the one before. */
const LIMIT_RATIO = 1.1;

/**
 * Divides the calls of layers with `recompute` into segments such that the values between segments, and those of the largest segment,
 * which are all in memory together in the backward pass, have as few elements as possible.
 *
 * The last segment of several is left out: its backward pass follows its forward pass at once, so recomputing it would free nothing.
 * @param range calls to divide; others are not part of a segment
 */
export function recomputeSegments(
  calls: readonly LayerCall[],
  range: { from: number; to: number },
): RecomputeSegment[] {
  const found: RecomputeSegment[] = [];
  for (let first = range.from; first < range.to; first++) {
    if (!calls[first]!.layer.recompute) continue;
    let end = first + 1;
    while (end < range.to && calls[end]!.layer.recompute) end++;
    found.push(...divide(calls, first, end));
    first = end;
  }
  return found;
}

/** The best segments of consecutive calls. */
function divide(calls: readonly LayerCall[], first: number, end: number): RecomputeSegment[] {
  const usable = usableSegments(calls, first, end);
  if (end === first + 1) return usable.length > 0 ? [{ first, end }] : [];
  const whole = usable.reduce((largest, { size }) => Math.max(largest, size), 0);
  let best = { cost: Number.POSITIVE_INFINITY, segments: [] as RecomputeSegment[] };
  for (let limit = whole; limit >= 1; limit /= LIMIT_RATIO) {
    const path = cheapestPath(
      calls,
      first,
      end,
      usable.filter(({ size }) => size <= limit),
    );
    const largest = path.segments.reduce((size, segment) => Math.max(size, segment.size), 0);
    if (path.kept + largest < best.cost) best = { cost: path.kept + largest, segments: path.segments };
  }
  return best.segments
    .slice(0, best.segments.length > 1 ? -1 : undefined)
    .map((one) => ({ first: one.first, end: one.end }));
}

interface SizedSegment extends RecomputeSegment {
  /** Elements, for one sample, of the values between its calls. */
  size: number;
}

/** The segments, or calls that are not recomputed, that keep the fewest elements. */
function cheapestPath(
  calls: readonly LayerCall[],
  first: number,
  end: number,
  segments: readonly SizedSegment[],
): { kept: number; segments: SizedSegment[] } {
  const byEnd = new Map<number, SizedSegment[]>();
  for (const segment of segments) byEnd.set(segment.end, [...(byEnd.get(segment.end) ?? []), segment]);
  const paths: { kept: number; last: SizedSegment | null }[] = [{ kept: 0, last: null }];
  for (let i = first + 1; i <= end; i++) {
    const kept = keptSize(calls, i);
    let path = { kept: paths[i - 1 - first]!.kept + kept, last: null as SizedSegment | null };
    for (const segment of byEnd.get(i) ?? []) {
      const candidate = paths[segment.first - first]!.kept + kept;
      if (candidate < path.kept) path = { kept: candidate, last: segment };
    }
    paths.push(path);
  }
  const chosen: SizedSegment[] = [];
  for (let i = end; i > first; ) {
    const { last } = paths[i - first]!;
    if (last) chosen.unshift(last);
    i = last ? last.first : i - 1;
  }
  return { kept: paths.at(-1)!.kept, segments: chosen };
}

/** Elements of value `value` that are stored: none if a kernel computes it together with the next one. */
const keptSize = (calls: readonly LayerCall[], value: number): number =>
  isFusible(calls, value) ? 0 : sizeOf(calls[value - 1]!.shape);

/** All segments of these calls that can be recomputed: no call outside reads a value within, and no fusion is divided. */
function usableSegments(calls: readonly LayerCall[], first: number, end: number): SizedSegment[] {
  const lastReader = Array<number>(calls.length + 1).fill(-1);
  for (const [i, { inputs }] of calls.entries()) for (const value of inputs) lastReader[value] = i;
  lastReader[calls.length] = calls.length; // the caller reads the output
  const found: SizedSegment[] = [];
  for (let start = first; start < end; start++) {
    if (start > 0 && isFusible(calls, start)) continue;
    const reads = new Map<number, number>();
    let size = 0;
    let lastInside = -1; // last call that reads a value within
    for (let stop = start + 1; stop <= end; stop++) {
      for (const value of readBy(calls[stop - 1]!)) reads.set(value, (reads.get(value) ?? 0) + 1);
      const isClosed = lastInside < stop && !readsAgain(calls, reads, start, stop);
      if (isClosed && !isFusible(calls, stop)) found.push({ first: start, end: stop, size });
      size += keptSize(calls, stop);
      lastInside = Math.max(lastInside, lastReader[stop]!);
    }
  }
  return found;
}

/** Input values of a call; its weights, as a negative number that tells layers apart. */
const readBy = ({ inputs, firstWeight, weightCount }: LayerCall): number[] =>
  weightCount > 0 ? [...inputs, -1 - firstWeight] : [...inputs];

/**
 * Whether something that calls of the segment read more than once is read by a later call, too. Its gradients would be added in another
 * order than without recomputing.
 */
function readsAgain(
  calls: readonly LayerCall[],
  reads: ReadonlyMap<number, number>,
  start: number,
  stop: number,
): boolean {
  const repeated = new Set([...reads].filter(([value, count]) => count > 1 && value <= start).map(([value]) => value));
  if (repeated.size === 0) return false;
  return calls.slice(stop).some((call) => readBy(call).some((value) => repeated.has(value)));
}

const ROLES: readonly FusionRole['role'][] = ['padding', 'convolution', 'normalization', 'activation'];

/** Whether the calls before and after a value may be one kernel: see fusion.ts. */
function isFusible(calls: readonly LayerCall[], value: number): boolean {
  const [before, after] = [calls[value - 1], calls[value]].map((call) => {
    const { role } = (call?.layer as { [fusionRole]?: FusionRole } | undefined)?.[fusionRole] ?? {};
    return role ? ROLES.indexOf(role) : -1;
  });
  return before! >= 0 && after! > before! && calls[value]!.inputs.length === 1 && calls[value]!.inputs[0] === value;
}
