import cooperativeCode from '../../../shaders/reduce/reduce_cooperative.wgsl';
import extremeCode from '../../../shaders/reduce/reduce_extreme.wgsl';
import rowsCode from '../../../shaders/reduce/reduce_rows.wgsl';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray } from '../array.ts';
import { withVariant } from '../choice.ts';
import {
  cooperativeGroupsFor,
  cooperativeGroupsForColumns,
  cooperativeShaders,
  cooperativeSize,
  cooperativeSource,
  cooperativeSupports,
  cooperativeWorkgroups,
  planWorkgroupSlices,
} from '../cooperative.ts';
import { floatBits, withFloatBits } from '../float-bits.ts';
import { elementwiseWorkgroups, f32Bits, runKernel, vectorized, vectorWidthFor } from '../run.ts';
import { longSumCode, withLongSums } from './long-sums.ts';

// Sums and extremes along the middle axis of [outer, rows, channels]: an invocation for each column, one for several columns as a
// vector, or a cooperative group for few, long columns.

/** Every implementation of a reduction, the reference first. */
export const reduceVariants = ['naive', 'vector', 'subgroup', 'workgroup'] as const;
export type ReduceVariant = (typeof reduceVariants)[number];

/** The reductions, with the names that the tuner uses. */
export type Reduction = 'reduceSum' | 'reduceExtreme';

/** An array read as [outer, rows, channels], whose middle axis is reduced. Replicas are folded into `outer`. */
export interface Rows {
  outer: number;
  rows: number;
  channels: number;
}

export const reduceShaders: readonly string[] = [
  rowsCode,
  extremeCode,
  cooperativeCode,
  floatBits('Value'),
  longSumCode,
  ...cooperativeShaders,
];

/** Whether an array of one channel can be read with four channels: then vectors reduce it, and a second pass adds their elements. */
const isSplittableRow = ({ rows, channels }: Pick<Rows, 'rows' | 'channels'>) => channels === 1 && rows % 4 === 0;

/** Whether a variant has a kernel for this adapter and these sizes. The reference always has. */
export function reduceSupports(variant: ReduceVariant, device: Device, { outer, rows, channels }: Rows): boolean {
  if (variant === 'naive') return true;
  if (outer * rows * channels === 0) return false;
  if (variant === 'vector') return vectorWidthFor(channels) > 1 || isSplittableRow({ rows, channels });
  return cooperativeSupports(variant, device) && (variant === 'workgroup' || channels === 1);
}

/** Fewest rows of a single channel for which vectors are worth the second pass over their four results. */
const MIN_ROWS_FOR_VECTORS = 256;

/** Preferred without measurement: vectors on a CPU; cooperative groups on a GPU, if the columns alone do not keep it busy. */
function preferred(device: Device, { outer, rows, channels }: Rows): ReduceVariant[] {
  const vector = channels > 1 || rows >= MIN_ROWS_FOR_VECTORS ? (['vector'] as const) : [];
  // With this many columns, an invocation for each keeps a GPU busy.
  if (outer * channels >= 2 ** 17 && channels > 1) return [...vector];
  return [
    ...(channels === 1 ? cooperativeGroupsFor(device, rows) : cooperativeGroupsForColumns(device, rows, channels)),
    ...vector,
  ];
}

/** The layout of one replica. Plans use it, so that the bits do not depend on the number of replicas. */
const oneReplica = ({ replicas }: DeviceArray, { outer, rows, channels }: Rows) => ({
  outer: outer / replicas,
  rows,
  channels,
});

/**
 * Reduces the middle axis of x into y [outer, channels]. The order of additions depends on the shape of one replica alone.
 * @param factor for a sum, the factor on it; for an extreme, 1 for the largest value or -1 for the smallest
 */
export function reduceMiddle(
  reduction: Reduction,
  x: DeviceArray,
  layout: Rows,
  y: DeviceArray,
  { factor, variant: requested }: { factor: number; variant?: ReduceVariant },
): void {
  const { device } = x;
  const one = oneReplica(x, layout);
  const options = {
    variants: reduceVariants,
    preferred: preferred(device, one),
    supports: (candidate: ReduceVariant) => reduceSupports(candidate, device, one),
    requested,
  };
  withVariant<ReduceVariant, void>(device, reduction, { ...one }, options, (variant) =>
    runVariant(variant, reduction, x, layout, y, factor),
  );
}

/** Dispatches `reduceMiddle` with one variant. */
function runVariant(
  variant: ReduceVariant,
  reduction: Reduction,
  x: DeviceArray,
  layout: Rows,
  y: DeviceArray,
  factor: number,
): void {
  const { device } = x;
  const { rows, channels } = layout;
  const one = oneReplica(x, layout);
  const pass = passFor(reduction, variant, device);
  if (variant === 'vector' && channels === 1) {
    // Read [outer, rows] as [outer, rows / 4, 4]: first reduce these columns, then the four results of each slice.
    const wide = { outer: layout.outer, rows: rows / 4, channels: 4 };
    const { sliceLength, slices } = planSlices(variant, device, { ...wide, outer: one.outer });
    const part = DeviceArray.empty(device, [layout.outer * slices * 4]);
    pass(x, wide, sliceLength, slices, part, reduction === 'reduceSum' ? 1 : factor);
    const last = { outer: layout.outer, rows: slices * 4, channels: 1 };
    passFor(reduction, 'naive', device)(part, last, last.rows, 1, y, factor);
    part.dispose();
    return;
  }
  const { sliceLength, slices } = planSlices(variant, device, one);
  if (slices <= 1) {
    pass(x, layout, Math.max(1, rows), 1, y, factor);
    return;
  }
  const part = DeviceArray.empty(device, [layout.outer * slices * channels]);
  pass(x, layout, sliceLength, slices, part, reduction === 'reduceSum' ? 1 : factor);
  pass(part, { ...layout, rows: slices }, slices, 1, y, factor);
  part.dispose();
}

/**
 * Slices of rows for the first pass, by the sizes of one replica. With an invocation for each column, up to 64 rows take one pass; with
 * more, slices of about the square root keep both passes short. A software adapter has few threads, so there a second pass costs more
 * than a longer sum. With cooperative groups, there are as many slices as keep a GPU busy.
 */
function planSlices(variant: ReduceVariant, { info }: Device, one: Rows): { sliceLength: number; slices: number } {
  const { rows, channels } = one;
  const whole = { sliceLength: rows, slices: 1 };
  if (variant === 'subgroup') return whole;
  if (variant === 'workgroup') return planWorkgroupSlices(one);
  if (rows <= 64 || (info.isSoftware && rows <= 1024 && rows * channels <= 32_768)) return whole;
  const sliceLength = Math.ceil(Math.sqrt(rows));
  return { sliceLength, slices: Math.ceil(rows / sliceLength) };
}

/** A function that dispatches one pass of a variant: [outer, rows, channels] -> [outer, slices, channels]. */
function passFor(reduction: Reduction, variant: ReduceVariant, device: Device) {
  const name = reduction === 'reduceSum' ? 'reduce_rows' : 'reduce_extreme';
  return (
    x: DeviceArray,
    { outer, rows, channels }: Rows,
    sliceLength: number,
    slices: number,
    y: DeviceArray,
    factor: number,
  ) => {
    const cost = { flops: outer * rows * channels };
    const sums = reduction === 'reduceSum';
    if (variant === 'subgroup' || variant === 'workgroup') {
      const { width } = variant === 'subgroup' ? { width: 1 } : planWorkgroupSlices({ outer, rows, channels });
      const { code } = withFloatBits(vectorized(name, cooperativeCode, 1));
      const source = withLongSums(
        cooperativeSource(variant, `${name}_cooperative`, code, { EXTREME: sums ? 0 : 1 }),
        sums ? (sliceLength * width) / cooperativeSize(variant) / 4 : 0, // the kernel adds four rows as one term
      );
      const groups = cooperativeWorkgroups(variant, outer * slices * Math.ceil(channels / width));
      runKernel(
        device,
        source,
        [outer, rows, channels, sliceLength, slices, f32Bits(factor), width],
        [x, y],
        groups,
        cost,
      );
      return;
    }
    const vectorWidth = variant === 'vector' ? vectorWidthFor(channels) : 1;
    // The kernel adds eight rows as one term, and up to seven remaining rows one by one.
    const source = sums
      ? withLongSums(vectorized(name, rowsCode, vectorWidth), sliceLength / 8 + 7)
      : withFloatBits(vectorized(name, extremeCode, vectorWidth), 'Value');
    const params = [outer, rows, channels / vectorWidth, sliceLength, slices, f32Bits(factor)];
    runKernel(device, source, params, [x, y], elementwiseWorkgroups((outer * slices * channels) / vectorWidth), cost);
  };
}
