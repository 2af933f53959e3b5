import longSumCode from '../../../shaders/reduce/long_sum.wgsl';
import type { KernelSource } from '../../gpu/pipelines.ts';
import type { ConvGeometry } from '../conv2d/conv-geometry.ts';

// Long sums. The relative error of adding n equal terms one after another in f32 is up to 1.5e-8 n. So a long sum is added up in levels of at
// most a few hundred additions: within a kernel, and over slices of the sum. The form of a kernel determines the order of additions, so it
// must depend on the shape of one replica alone.

/** The shader with `add_term`, which is put after kernels that call it. */
export { longSumCode };

/** Most additions to one accumulator of products. For longer sums, kernels fold it into a second level. */
export const MAX_SUM_LENGTH = 512;
/** Additions after which a kernel folds the accumulator. */
export const FOLD = 256;

/** The constant `LONG` of a kernel: whether `additions` additions need a second level. */
export const isLong = (additions: number): 0 | 1 => (additions > MAX_SUM_LENGTH ? 1 : 0);

/**
 * Adds `add_term` to a kernel that defines `Value` (see `vectorized`), for sums of at most `terms` terms.
 * @param longest most terms of one level; the relative error of 128 equal terms is up to 2e-6
 */
export const withLongSums = (source: KernelSource, terms: number, longest = 128): KernelSource => ({
  ...source,
  code: `${source.code}\n${longSumCode}`,
  constants: { ...source.constants, LONG: terms > longest ? 1 : 0 },
});

/** Slices of a kernel's sum over the pixels of dy: of its rows (n, oy), or of parts of rows if they are long. */
export interface RowSlices {
  slices: number;
  /** Parts in a slice. */
  sliceLength: number;
  /** Parameters of the kernels: parts after which the sums are folded, parts of a row, pixels of a part. */
  params: readonly number[];
  LONG: 0 | 1;
}

/**
 * Plans about `wanted` slices, more if two levels could not add up such long ones accurately, and at most `maxSlices`.
 * @param options.pixelsPerAddition pixels that one addition includes
 * @param options.align pixels that a kernel processes at once; parts are multiples of it
 * @param options.preferShort whether to make slices so short that they need one level, if `maxSlices` allows
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
