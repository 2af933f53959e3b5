import { FOLD } from '../reduce/long-sums.ts';
import { arrayCapacity, chunkRanges, type IndexRange } from '../run.ts';

/** Every implementation of the matrix product, the reference first. */
export const matmulVariants = ['naive', 'subgroup', 'workgroup', 'blocks64', 'blocks128'] as const;
export type MatmulVariant = (typeof matmulVariants)[number];

/** Sizes of one product: [m, k] times [k, n]. */
export interface MatmulSizes {
  m: number;
  n: number;
  k: number;
}

/** Sizes of all products of a call. */
export interface MatmulShape extends MatmulSizes {
  replicas: number;
  /** Products of each replica. */
  batch: number;
  /** Whether a is stored as [k, m]. */
  transposeA: boolean;
  /** Whether b is stored as [n, k]. */
  transposeB: boolean;
}

/** The properties of a device that a plan depends on: see `Device`. */
export interface PlanDevice {
  readonly info: { readonly isSoftware: boolean };
  readonly limits: { readonly maxComputeWorkgroupsPerDimension: number };
  readonly subgroupLanes: number | null;
  /** Bytes of the largest array that the adapter can bind. */
  readonly largestArray: number;
}

/** How one variant computes the products of a call. */
export interface MatmulPlan extends MatmulShape {
  variant: MatmulVariant;
  /** Rows and columns of c that a workgroup computes. */
  tile: readonly [rows: number, columns: number];
  /** Slices of the sum over k; more than one writes partial sums, which a second pass adds up. */
  slices: number;
  /** Terms of a slice, a multiple of four if there are several slices. */
  sliceLength: number;
  /** Which pass applies bias, activation or ReLU mask: the product, or the one that adds up its slices. */
  epiloguePass: 'product' | 'slices';
  /** Whether the kernel also writes the column sums of b. */
  columnSums: boolean;
  /** Lanes of a subgroup, for `subgroup`; else null. */
  subgroupLanes: number | null;
  /** Most workgroups along a dimension of a dispatch. */
  maxWorkgroups: number;
  /** Most replicas whose results, in all slices, fit into one array. */
  maxReplicas: number;
}

/** Tiles, slices and passes of a product. The slices depend on the sizes of one replica alone, so the bits do not depend on their number. */
export function planMatmul(
  variant: MatmulVariant,
  device: PlanDevice,
  shape: MatmulShape,
  options: { columnSums?: boolean } = {},
): MatmulPlan {
  const { m, n, k, batch, transposeB } = shape;
  const tile = tileOf(variant, device, n);
  const tiles = batch * Math.ceil(m / tile[0]) * Math.ceil(n / tile[1]);
  const resultSize = batch * m * n;
  const { slices, sliceLength } =
    variant === 'naive' ? { slices: 1, sliceLength: k } : planSlices(device, tiles, resultSize, k);
  const hasColumnSums = variant === 'subgroup' && slices === 1 && batch === 1 && !transposeB;
  return {
    ...{ m, n, k, batch, replicas: shape.replicas, transposeA: shape.transposeA, transposeB },
    ...{ variant, tile, slices, sliceLength },
    epiloguePass: slices === 1 ? 'product' : 'slices',
    columnSums: hasColumnSums && (options.columnSums ?? false),
    subgroupLanes: variant === 'subgroup' ? device.subgroupLanes : null,
    maxWorkgroups: device.limits.maxComputeWorkgroupsPerDimension,
    maxReplicas: arrayCapacity(device, slices * resultSize),
  };
}

/** Rows and columns of c that a workgroup of the variant `workgroup` computes. */
export const WORKGROUP_TILE = [64, 64] as const;

/** Rows and columns of c that a workgroup computes. */
function tileOf(variant: MatmulVariant, device: PlanDevice, n: number): readonly [rows: number, columns: number] {
  if (variant === 'naive') return [8, 8];
  if (variant === 'subgroup') return [4 * device.subgroupLanes!, 4 * blocksFor(n)];
  return variant === 'workgroup' ? WORKGROUP_TILE : [blocksTile(variant), blocksTile(variant)];
}

/** Rows, and columns, of c that a workgroup of a variant with 8 x 8 outputs per invocation computes. */
export const blocksTile = (variant: 'blocks64' | 'blocks128') => (variant === 'blocks64' ? 64 : 128);

/** Blocks of four columns in a tile. Classifiers of ten classes are too common to leave two thirds of a tile idle. */
export const blocksFor = (n: number) => (n > 12 ? 8 : 3);

/** Most terms of a slice. */
export const MAX_SLICE_LENGTH = FOLD ** 2;

/**
 * Fewest terms that a GPU adds up in slices: fewer are added up sooner than a second pass starts. Longer sums are cut into slices of 32 or more,
 * because a card needs many workgroups.
 */
const MIN_SLICED_ON_GPU = 256;

/**
 * Slices of a sum over k. There are enough of them that a product of few tiles keeps the adapter busy, but none so short that adding up
 * the slices costs more than it saves, and no more than an array holds for one replica. No slice is longer than two levels of
 * summation allow (see long-sums.ts); results of sums that long are small enough to fit.
 * @param resultSize elements of the result of one replica
 */
function planSlices(device: PlanDevice, tiles: number, resultSize: number, k: number) {
  const [enoughWorkgroups, minLength] = device.info.isSoftware ? [4, 192] : [128, k < MIN_SLICED_ON_GPU ? k : 32];
  const useful = Math.min(Math.floor(enoughWorkgroups / tiles), Math.floor(k / minLength));
  const required = Math.ceil(k / MAX_SLICE_LENGTH);
  const wanted = Math.max(1, Math.min(Math.max(useful, required), arrayCapacity(device, resultSize)));
  const step = device.info.isSoftware ? 4 : 16; // the tiles of a GPU's kernels advance by 16
  const sliceLength = Math.max(step, step * Math.ceil(k / wanted / step));
  return { slices: Math.max(1, Math.ceil(k / sliceLength)), sliceLength };
}

/** Ranges of replicas whose partial sums fit into one array. */
export const replicaGroups = (plan: MatmulPlan): IndexRange[] => chunkRanges(plan.replicas, plan.maxReplicas);

/** What one dispatch computes. */
export interface DispatchRange {
  rows: IndexRange;
  columns: IndexRange;
  /** Products, counted over the batches of all replicas. */
  products: IndexRange;
}

/** The parts of a group of replicas whose grids stay within the adapter's limit: one, unless there are very many tiles or products. */
export function dispatchRanges(plan: MatmulPlan, group: IndexRange): DispatchRange[] {
  const { m, n, batch, tile, slices, maxWorkgroups } = plan;
  const firstProduct = group.first * batch;
  return chunkRanges(group.count * batch, Math.floor(maxWorkgroups / slices)).flatMap(({ first, count }) =>
    chunkRanges(m, maxWorkgroups * tile[0]).flatMap((rows) =>
      chunkRanges(n, maxWorkgroups * tile[1]).map((columns) => ({
        ...{ rows, columns, products: { first: firstProduct + first, count } },
      })),
    ),
  );
}
