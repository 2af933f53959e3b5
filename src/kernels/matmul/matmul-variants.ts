import matmulCode from '../../../shaders/matmul/matmul.wgsl';
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
import { FOLD, isLong } from '../reduce/long-sums.ts';
import { arrayCapacity, chunkRanges, elementwiseWorkgroups, runKernel } from '../run.ts';

/** Every implementation of the matrix product, the reference first. */
export const matmulVariants = ['naive', 'subgroup', 'workgroup'] as const;
export type MatmulVariant = (typeof matmulVariants)[number];

/** Of one product: [m, k] times [k, n]. */
export interface MatmulSizes {
  m: number;
  n: number;
  k: number;
}

/** Whether a variant has a kernel for this adapter and these sizes. The reference always has. */
export function matmulSupports(variant: MatmulVariant, device: Device, { m, n, k }: MatmulSizes): boolean {
  if (variant === 'naive') return true;
  return m * n * k > 0 && (variant === 'workgroup' || device.subgroupLanes !== null);
}

/**
 * Whether one row of a is so long that its product should be by tiles, of which nearly all is idle then: they cut the sum in slices, where
 * the reference has an invocation for each column go reluMask all of it. Not worth it on a processor.
 */
const isLongRow = ({ info }: Device, k: number) => !info.isSoftware && k > 1024;

/**
 * Runs `body` with the variant for an adapter and sizes: as measured, or the tiles that serve the adapter.
 * @throws ArgumentError when one was asked for that cannot
 */
export function withMatmulVariant(
  device: Device,
  sizes: Pick<MatmulRun, 'm' | 'n' | 'k' | 'transposeA' | 'transposeB' | 'batch'>,
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
      preferred: m > 1 || isLongRow(device, k) ? ['subgroup', 'workgroup'] : [],
      supports: (variant) => matmulSupports(variant, device, sizes),
      requested,
    },
    body,
  );
}

/**
 * Whether a matrix that does not lie along k should be transposed before the product, which reads every value of it `uses` / 32
 * times: beyond what a core's cache holds, walking down its columns misses the cache at every step.
 */
export function shouldTranspose(variant: MatmulVariant, elements: number, uses: number): boolean {
  return variant === 'subgroup' && elements > 2 ** 21 && uses >= 512;
}

export interface MatmulRun extends MatmulSizes {
  replicas: number;
  /** Products a replica. */
  batch: number;
  transposeA: boolean;
  transposeB: boolean;
  epilogue: ProductEpilogue;
  /** How many products, one after another, have the left matrix in common; then the right. */
  aShare: number;
  bShare: number;
  /** [n], where the kernel is to write the sums of b's columns if it can. */
  columnSums?: DeviceArray;
}

/** Dispatches c = act(a b + bias), or what its epilogue says, with one variant, which must serve the sizes. Returns whether column sums were written. */
export function runMatmul(
  variant: MatmulVariant,
  a: DeviceArray,
  b: DeviceArray,
  c: DeviceArray,
  run: MatmulRun,
): boolean {
  const { m, n, k, batch, epilogue, transposeA, transposeB } = run;
  if (run.replicas * batch * m * n === 0) return false;
  const tile = tileOf(variant, a.device, n);
  const tiles = Math.ceil(m / tile[0]) * Math.ceil(n / tile[1]);
  // By the products of one replica: what a replica gets must not depend on how many there are.
  const perReplica = batch * m * n;
  const { slices, length } =
    variant === 'naive' ? { slices: 1, length: k } : planSlices(a.device, tiles * batch, perReplica, k);
  const sums = variant === 'subgroup' && slices === 1 && batch === 1 && !transposeB ? run.columnSums : undefined;
  const source = sourceOf(variant, a.device, run, {
    length,
    columnSums: sums !== undefined,
    reluMask: slices === 1 && !!epilogue.reluMask,
    activation: slices === 1 ? epilogue.activation : null, // else where the slices are added up
  });
  const wide = variant === 'subgroup';
  const unused = wide && !sums ? DeviceArray.empty(a.device, [1]) : undefined; // a binding must hold something
  const strides = [...(transposeA ? [1, m] : [k, 1]), ...(transposeB ? [1, k] : [n, 1])];
  const flags = epilogueFlags(epilogue);
  const most = a.device.limits.maxComputeWorkgroupsPerDimension;
  // As many replicas at once as an array holds the slices of.
  for (const group of chunkRanges(run.replicas, arrayCapacity(a.device, slices * perReplica))) {
    const to = slices > 1 ? DeviceArray.empty(a.device, [slices * perReplica], { replicas: group.count }) : c;
    const [before, products] = [group.first * batch, group.count * batch];
    // A grid for all of it, or several where a dimension of it has more tiles or products than a dispatch holds.
    const grids = chunkRanges(products, Math.floor(most / slices)).flatMap((z) =>
      chunkRanges(m, most * tile[0]).flatMap((y) => chunkRanges(n, most * tile[1]).map((x) => ({ x, y, z }))),
    );
    for (const { x, y, z } of grids) {
      runKernel(
        a.device,
        source,
        [
          ...[m, n, k, ...strides, ...(slices > 1 ? [0, 0] : flags), x.first, y.first, before + z.first],
          ...[run.aShare, run.bShare, batch, products, slices, length, before],
        ],
        wide ? [a, b, a, b, epilogueArray(epilogue, b), to, sums ?? unused!] : [a, b, epilogueArray(epilogue, b), to],
        [Math.ceil(x.count / tile[1]), Math.ceil(y.count / tile[0]), slices * z.count],
        { flops: 2 * x.count * y.count * k * z.count },
      );
    }
    if (to === c) continue;
    const size = group.count * perReplica;
    runKernel(
      a.device,
      withEpilogue({ name: 'matmul_slices', code: slicesCode }, epilogue.activation),
      [size, slices, n, ...flags, perReplica, group.first * perReplica],
      [to, epilogueArray(epilogue, to), c],
      elementwiseWorkgroups(size),
    );
    to.dispose();
  }
  unused?.dispose();
  return sums !== undefined;
}

/** What of c a workgroup computes. */
function tileOf(variant: MatmulVariant, device: Device, n: number): readonly [rows: number, columns: number] {
  if (variant === 'naive') return [8, 8];
  return variant === 'workgroup' ? [64, 64] : [4 * device.subgroupLanes!, 4 * blocksFor(n)];
}

/** Blocks of four columns in a tile. Classifiers of ten classes are too common to leave two thirds of a tile idle. */
const blocksFor = (n: number) => (n > 12 ? 8 : 3);

function sourceOf(
  variant: MatmulVariant,
  device: Device,
  { m, n, k, transposeA, transposeB }: MatmulRun,
  slice: { length: number; columnSums: boolean; reluMask: boolean; activation?: FusedActivation | null | undefined },
): KernelSource {
  const { length, columnSums, reluMask, activation } = slice;
  if (variant === 'naive') return withEpilogue({ name: 'matmul', code: matmulCode }, activation);
  if (variant === 'workgroup') {
    const constants = { LONG: isLong(length) };
    return withEpilogue({ name: 'matmul_workgroup', code: workgroupCode, constants }, activation);
  }
  const aWide = (transposeA ? m : k) % 4 === 0;
  const bWide = (transposeB ? k : n) % 4 === 0;
  const constants = {
    ...{ LANES: device.subgroupLanes!, BLOCKS: blocksFor(n), RAGGED: k % 4 === 0 ? 0 : 1 },
    ...{ A_WIDE: aWide ? 1 : 0, TRANSPOSE_A: aWide && transposeA ? 1 : 0 },
    ...{ B_WIDE: bWide ? 1 : 0, TRANSPOSE_B: bWide && transposeB ? 1 : 0 },
    ...{ COLUMN_SUMS: columnSums ? 1 : 0, RELU_MASK: reluMask ? 1 : 0, LONG: isLong(length / 4) },
  };
  const code = subgroupCode + (n % 4 === 0 ? storeVec4Code : storeScalarsCode);
  return withEpilogue({ name: 'matmul_subgroup', code, constants }, activation);
}

/** Products of a slice. */
const MAX_SLICE_LENGTH = FOLD ** 2;

/**
 * Slices of a sum over k, so that the workgroups of a product with few tiles are enough to keep the adapter busy, and none
 * so short that adding the slices up costs more than it saves; and no more than an array holds for one replica. None is longer than
 * what the kernels' two levels add up well (see long-sums.ts): matrices that long are so narrow that there is room.
 * @param size of one replica's result
 */
function planSlices(device: Device, tiles: number, size: number, k: number): { slices: number; length: number } {
  const [enough, shortest] = device.info.isSoftware ? [4, 192] : [128, 128];
  const useful = Math.min(Math.floor(enough / tiles), Math.floor(k / shortest));
  const wanted = Math.max(1, Math.min(Math.max(useful, Math.ceil(k / MAX_SLICE_LENGTH)), arrayCapacity(device, size)));
  const length = Math.max(4, 4 * Math.ceil(k / wanted / 4));
  return { slices: Math.max(1, Math.ceil(k / length)), length };
}
