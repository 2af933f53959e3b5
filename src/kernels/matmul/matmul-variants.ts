import matmulCode from '../../../shaders/matmul/matmul.wgsl';
import blocksCode from '../../../shaders/matmul/matmul_blocks.wgsl';
import slicesCode from '../../../shaders/matmul/matmul_slices.wgsl';
import storeScalarsCode from '../../../shaders/matmul/matmul_store_scalars.wgsl';
import storeVec4Code from '../../../shaders/matmul/matmul_store_vec4.wgsl';
import subgroupCode from '../../../shaders/matmul/matmul_subgroup.wgsl';
import workgroupCode from '../../../shaders/matmul/matmul_workgroup.wgsl';
import type { Device } from '../../gpu/device.ts';
import type { KernelSource } from '../../gpu/pipelines.ts';
import { DeviceArray } from '../array.ts';
import { withVariant } from '../choice.ts';
import { epilogueArray, epilogueFlags, type FusedActivation, type ProductEpilogue, withEpilogue } from '../epilogue.ts';
import { isLong } from '../reduce/long-sums.ts';
import { elementwiseWorkgroups, type IndexRange, runKernel } from '../run.ts';
import {
  blocksFor,
  blocksTile,
  type DispatchRange,
  dispatchRanges,
  type MatmulPlan,
  type MatmulShape,
  type MatmulSizes,
  type MatmulVariant,
  matmulVariants,
  planMatmul,
  replicaGroups,
  WORKGROUP_TILE,
} from './matmul-plan.ts';

export { type MatmulVariant, matmulVariants } from './matmul-plan.ts';

/** Sizes of one product, and how its matrices are stored. */
type StoredSizes = MatmulSizes & Partial<Pick<MatmulShape, 'transposeA' | 'transposeB' | 'batch'>>;

/**
 * Whether a variant has a kernel for this adapter and these sizes. The reference always has. The variants with blocks read and write
 * vectors of four, so the contiguous axes must be multiples of four.
 */
export function matmulSupports(variant: MatmulVariant, device: Device, sizes: StoredSizes): boolean {
  const { m, n, k, transposeA, transposeB } = sizes;
  if (variant === 'naive') return true;
  if (m * n * k === 0) return false;
  if (variant === 'subgroup') return device.subgroupLanes !== null;
  return variant === 'workgroup' || [n, transposeA ? m : k, transposeB ? k : n].every((length) => length % 4 === 0);
}

/**
 * Whether a product of one row should be computed by tiles although most of each tile is idle: tiles cut a long sum into slices, whereas
 * in the reference one invocation for each column adds up the whole sum. Not worth it on a CPU.
 */
const isLongRow = ({ info }: Device, k: number) => !info.isSoftware && k > 1024;

/** Multiply-adds from which tiles in workgroup memory are faster than the reference on a CPU, if the tiles are not mostly idle. */
const MIN_TILED_FMAS = 2 ** 23;

/**
 * Tiles of 8 x 8 outputs per invocation from which a GPU has enough workgroups: about one wave for each SIMD of a large card, or two
 * tiles of 128 x 128 for each of its compute units. With fewer, smaller invocations hide more of the loads' latency. Not measured: based on
 * static analysis for three cards of AMD.
 */
const MIN_TILES = 192;
/** Fewest terms for which these tiles are worth their long beginning and end. */
const MIN_DEPTH_OF_BLOCKS = 64;

/**
 * Tiles in order of preference; none if the reference should be used.
 *
 * A CPU without subgroups has only the tiles in workgroup memory. On SwiftShader their shader takes 2 s to compile, the reference's 0.1 s,
 * and a product of few multiply-adds or columns takes 1.3 to 20 times as long (32 x 64 times 64 x 10: 41 ms instead of 2 ms).
 */
export function preferredMatmul(device: Device, sizes: StoredSizes): MatmulVariant[] {
  const { m, n, k, batch = 1 } = sizes;
  if (m === 1 && !isLongRow(device, k)) return [];
  if (device.info.isSoftware && device.subgroupLanes === null) {
    const [rows, columns] = WORKGROUP_TILE;
    const computed = Math.ceil(m / rows) * rows * Math.ceil(n / columns) * columns * k;
    if (m * n * k < MIN_TILED_FMAS || computed > 3 * m * n * k) return [];
  }
  const tiles = (side: number) => batch * Math.ceil(m / side) * Math.ceil(n / side);
  const large = !device.info.isSoftware && k >= MIN_DEPTH_OF_BLOCKS && tiles(64) >= MIN_TILES;
  const isFull = 4 * tiles(128) <= 1.25 * tiles(64);
  return [
    ...(large && tiles(128) >= MIN_TILES && isFull ? (['blocks128'] as const) : []),
    ...(large ? (['blocks64'] as const) : []),
    ...(['subgroup', 'workgroup'] as const),
  ];
}

/**
 * Runs `body` with the variant for an adapter and sizes: the measured one, or the preferred tiles that the adapter supports.
 * @throws ArgumentError if a variant was requested that does not support them
 */
export function withMatmulVariant(
  device: Device,
  sizes: Omit<MatmulShape, 'replicas'>,
  requested: MatmulVariant | undefined,
  body: (variant: MatmulVariant) => void,
): void {
  const { m, n, k, batch } = sizes;
  const [transposeA, transposeB] = [sizes.transposeA ? 1 : 0, sizes.transposeB ? 1 : 0];
  withVariant<MatmulVariant, void>(
    device,
    'matmul',
    { m, n, k, transposeA, transposeB, batch },
    {
      variants: matmulVariants,
      preferred: preferredMatmul(device, sizes),
      supports: (variant) => matmulSupports(variant, device, sizes),
      requested,
    },
    body,
  );
}

/**
 * Whether a matrix that is not contiguous along k should be transposed in memory first. The product reads each of its values `uses` / 32
 * times, and beyond the size of a core's cache each step down its columns is a cache miss.
 */
export function shouldTranspose(variant: MatmulVariant, elements: number, uses: number): boolean {
  return variant === 'subgroup' && elements > 2 ** 21 && uses >= 512;
}

export interface MatmulRun extends MatmulShape {
  epilogue: ProductEpilogue;
  /** Consecutive products that share a matrix of a: 1, or the batch. */
  aShare: number;
  /** The same for b. */
  bShare: number;
  /** f32 [n]; receives the column sums of b if the kernel can compute them. */
  columnSums?: DeviceArray;
}

/**
 * Dispatches c = act(a b + bias), or the epilogue's ReLU mask, with one variant, which must support the sizes.
 * @returns whether the column sums were written
 */
export function runMatmul(
  variant: MatmulVariant,
  a: DeviceArray,
  b: DeviceArray,
  c: DeviceArray,
  run: MatmulRun,
): boolean {
  if (run.replicas * run.batch * run.m * run.n === 0) return false;
  const plan = planMatmul(variant, a.device, run, { columnSums: run.columnSums !== undefined });
  const source = matmulSource(plan, run.epilogue);
  // The subgroup kernel binds column sums even if it writes none, and a binding must hold something.
  const placeholder = variant === 'subgroup' && !plan.columnSums ? DeviceArray.empty(a.device, [1]) : null;
  const columnSums = placeholder ?? run.columnSums;
  for (const group of replicaGroups(plan)) {
    const partial = plan.slices > 1 ? emptyPartials(plan, group, a.device) : null;
    for (const range of dispatchRanges(plan, group)) {
      dispatchMatmul(plan, source, run, group, range, { a, b, c: partial ?? c, columnSums });
    }
    if (partial) reducePartials(plan, run.epilogue, group, partial, c);
    partial?.dispose();
  }
  placeholder?.dispose();
  return plan.columnSums;
}

/** The shader of a plan, with the epilogue if the product applies it. */
export function matmulSource(plan: MatmulPlan, epilogue: ProductEpilogue): KernelSource {
  const { variant, m, n, k, transposeA, transposeB, sliceLength, subgroupLanes } = plan;
  const inProduct = plan.epiloguePass === 'product';
  const activation: FusedActivation | null = (inProduct && epilogue.activation) || null;
  if (variant === 'naive') return withEpilogue({ name: 'matmul', code: matmulCode }, activation);
  if (variant !== 'subgroup') {
    const constants = { LONG: isLong(sliceLength) };
    const code = variant === 'workgroup' ? workgroupCode : `const TILE = ${blocksTile(variant)}u;\n${blocksCode}`;
    return withEpilogue({ name: `matmul_${variant}`, code, constants }, activation);
  }
  const isVec4A = (transposeA ? m : k) % 4 === 0;
  const isVec4B = (transposeB ? k : n) % 4 === 0;
  const constants = {
    ...{ LANES: subgroupLanes!, BLOCKS: blocksFor(n), RAGGED: k % 4 === 0 ? 0 : 1 },
    ...{ A_WIDE: isVec4A ? 1 : 0, TRANSPOSE_A: isVec4A && transposeA ? 1 : 0 },
    ...{ B_WIDE: isVec4B ? 1 : 0, TRANSPOSE_B: isVec4B && transposeB ? 1 : 0 },
    ...{ COLUMN_SUMS: plan.columnSums ? 1 : 0, RELU_MASK: inProduct && epilogue.reluMask ? 1 : 0 },
    LONG: isLong(sliceLength / 4),
  };
  const code = subgroupCode + (n % 4 === 0 ? storeVec4Code : storeScalarsCode);
  return withEpilogue({ name: 'matmul_subgroup', code, constants }, activation);
}

const emptyPartials = ({ slices, batch, m, n }: MatmulPlan, { count }: IndexRange, device: Device) =>
  DeviceArray.empty(device, [slices * batch * m * n], { replicas: count });

/** One dispatch of the product: `range` of the products of a group of replicas, into c or its partial sums. */
function dispatchMatmul(
  plan: MatmulPlan,
  source: KernelSource,
  { epilogue, aShare, bShare }: MatmulRun,
  group: IndexRange,
  { rows, columns, products }: DispatchRange,
  { a, b, c, columnSums }: { a: DeviceArray; b: DeviceArray; c: DeviceArray; columnSums?: DeviceArray | undefined },
): void {
  const { m, n, k, batch, tile, slices, sliceLength } = plan;
  const strides = [...(plan.transposeA ? [1, m] : [k, 1]), ...(plan.transposeB ? [1, k] : [n, 1])];
  const flags = plan.epiloguePass === 'product' ? epilogueFlags(epilogue) : [0, 0];
  const bias = epilogueArray(epilogue, b);
  runKernel(
    a.device,
    source,
    [
      ...[m, n, k, ...strides, ...flags, columns.first, rows.first, products.first],
      ...[aShare, bShare, batch, group.count * batch, slices, sliceLength, group.first * batch],
    ],
    plan.variant === 'subgroup' ? [a, b, a, b, bias, c, columnSums!] : [a, b, bias, c],
    [Math.ceil(columns.count / tile[1]), Math.ceil(rows.count / tile[0]), slices * products.count],
    { flops: 2 * rows.count * columns.count * k * products.count },
  );
}

/** Adds up the slices of a group of replicas, in order, and applies the epilogue. Memory-bound. */
function reducePartials(
  { n, m, batch, slices }: MatmulPlan,
  epilogue: ProductEpilogue,
  group: IndexRange,
  partial: DeviceArray,
  c: DeviceArray,
): void {
  const resultSize = batch * m * n;
  const size = group.count * resultSize;
  runKernel(
    c.device,
    withEpilogue({ name: 'matmul_slices', code: slicesCode }, epilogue.activation),
    [size, slices, n, ...epilogueFlags(epilogue), resultSize, group.first * resultSize],
    [partial, epilogueArray(epilogue, partial), c],
    elementwiseWorkgroups(size),
  );
}
