import longSumCode from '../../../shaders/reduce/long_sum.wgsl';
import type { KernelSource } from '../../gpu/pipelines.ts';
import type { ConvGeometry } from '../conv2d/conv-geometry.ts';

// Long sums. An f32 that takes n equal terms one after another drifts by up to 1.5e-8 n of itself, so a long sum is added up in levels,
// none of more than a few hundred additions: within a kernel, and over slices of the sum. Which form a kernel takes must depend on the
// shape of one replica alone, as the order of additions does on it.

/** A text that kernels with `add_term` end in. */
export { longSumCode };

/** Additions to an accumulator of products, from which on a kernel takes the form that folds it into a second level. */
export const MAX_SUM_LENGTH = 512;
/** Additions after which such a kernel folds. */
export const FOLD = 256;

/** As constants of a kernel: whether it needs the second level for so many additions. */
export const isLong = (additions: number): 0 | 1 => (additions > MAX_SUM_LENGTH ? 1 : 0);

/**
 * A kernel that adds up by `add_term` and defines `Value` (see `laned`), for sums of at most `terms` terms.
 * @param longest terms that one f32 may take: 128 equal ones drift by up to 2e-6 of their sum
 */
export const withLongSums = (source: KernelSource, terms: number, longest = 128): KernelSource => ({
  ...source,
  code: `${source.code}\n${longSumCode}`,
  constants: { ...source.constants, LONG: terms > longest ? 1 : 0 },
});

/** How a kernel's sum over the pixels of dy is cut: by its rows (n, oy), each in parts where it is long. */
export interface RowSlices {
  slices: number;
  /** In parts. */
  sliceLength: number;
  /** As the kernels have it: parts before the sums are folded, parts of a row, pixels of a part. */
  params: readonly number[];
  LONG: 0 | 1;
}

/**
 * About `wanted` slices, or as many more as keep each to what two levels add up well, but at most `maxSlices`.
 * @param options.pixelsPerAddition pixels of an addition
 * @param options.align pixels that a kernel takes at once: parts are multiples of them
 * @param options.preferShort whether to keep slices so short that they need one level, if there is maxSlices
 */
export function planRowSlices(
  { batch, output }: ConvGeometry,
  options: { pixelsPerAddition: number; align: number; wanted: number; maxSlices: number; preferShort?: boolean },
): RowSlices {
  const { pixelsPerAddition, align, wanted, maxSlices, preferShort = false } = options;
  const [height, width] = output;
  const longest = FOLD * pixelsPerAddition - ((FOLD * pixelsPerAddition) % align); // of a part
  const part = Math.min(longest, Math.ceil(width / align) * align);
  const rowParts = Math.ceil(width / part);
  const parts = batch * height * rowParts;
  const fold = Math.max(1, Math.floor((FOLD * pixelsPerAddition) / part));
  const atMost = (count: number) => Math.ceil(parts / count);
  const shorter = atMost(Math.floor((MAX_SUM_LENGTH * pixelsPerAddition) / part));
  const least = preferShort && shorter <= maxSlices ? shorter : atMost(fold * FOLD);
  const sliceLength = Math.ceil(parts / Math.min(Math.max(wanted, least), maxSlices));
  const slices = Math.ceil(parts / sliceLength);
  const LONG = rowParts > 1 ? 1 : isLong((sliceLength * part) / pixelsPerAddition);
  return { slices, sliceLength, params: [fold, rowParts, part], LONG };
}
