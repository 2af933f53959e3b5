import type { Device } from '../../gpu/device.ts';
import { type DeviceArray, sizeOf } from '../array.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from '../epilogue.ts';
import { cachedSource } from '../generated.ts';
import { reduceInSlices, sliceCapacity } from '../matmul/add-slices.ts';
import { MAX_SUM_LENGTH } from '../reduce/long-sums.ts';
import { type IndexRange, runKernel } from '../run.ts';
import { type ConvGeometry, convFlops, filterShape, inputGradGeometry } from './conv-geometry.ts';
import { type DirectRowsSizes, forwardCode, weightGradCode, weightsPerRound } from './conv2d-direct-rows-codegen.ts';
import { packFilter } from './pack-filter.ts';

// Convolutions of few channels, for adapters with subgroups of eight lanes or more. conv2d-direct-rows-codegen.ts explains the method.

/** Multiply-adds of an unrolled loop. More are faster, but a driver takes a second to compile a thousand. */
const MAX_UNROLLED_FMAS = 1100;
/** Columns of a tile. With more, the driver would spend most of its compile time on loads and stores. */
const MAX_TILE_COLUMNS = 16;
/** Weights that an invocation of the forward kernel may hold. */
const MAX_WEIGHTS_PER_INVOCATION = 400;
/** Sums of the weight gradient. Fewer than weights, because each sum is loaded and stored once per row, which only long tiles outweigh. */
const MAX_SUMS_PER_INVOCATION = 240;
/** Workgroups that occupy every core of a CPU. */
const ENOUGH_WORKGROUPS = 64;

/** The tiles of the forward kernel; null if it does not support the shape. */
function forwardSizes(g: ConvGeometry): DirectRowsSizes | null {
  return g.kernel[0] * g.kernel[1] * g.inChannels > MAX_WEIGHTS_PER_INVOCATION ? null : directRowsSizes(g, g.kernel[0]);
}

/** The tiles of the weight gradient, for `height` rows of the filter at once; null if it does not support the shape. */
function weightGradSizes(g: ConvGeometry): (DirectRowsSizes & { height: number }) | null {
  const reach = g.kernel[1] * g.inChannels;
  const height = Math.ceil(g.kernel[0] / Math.ceil((g.kernel[0] * reach) / MAX_SUMS_PER_INVOCATION));
  const sizes = reach > MAX_WEIGHTS_PER_INVOCATION ? null : directRowsSizes(g, height);
  return sizes && { ...sizes, height };
}

/** The tiles for `height` rows of the filter; null if there are none. */
function directRowsSizes(g: ConvGeometry, height: number): DirectRowsSizes | null {
  const plain = [...g.strides, ...g.dilation].every((n) => n === 1);
  const { inChannels, kernel } = g;
  const taps = height * kernel[1] * inChannels;
  if (!plain || g.batch * g.outChannels * taps === 0) return null;
  const [width, inWidth, padLeft] = [g.output[1], g.input[1], g.pad[1]];
  const padRight = Math.max(0, width - 1 + kernel[1] - padLeft - inWidth);
  if ((inWidth * inChannels) % 4 !== 0) return null;
  const longest = Math.min(MAX_TILE_COLUMNS, width, Math.floor(MAX_UNROLLED_FMAS / taps));
  const aligned = (values: number, ...columns: number[]) => columns.every((n) => (n * inChannels) % values === 0);
  // As few tiles as possible, and as short as possible, so that the last one overlaps its neighbor least.
  for (let tiles = Math.ceil(width / longest); tiles <= width; tiles++) {
    for (let tile = Math.ceil(width / tiles); tile <= longest; tile++) {
      const unaligned = !aligned(4, tile, width - tile);
      if (unaligned && (padLeft + padRight > 0 || !aligned(2, tile, width - tile))) continue; // the generated source supports neither
      return { inChannels, kernel, tile, overlap: width % tile !== 0, unaligned, padLeft, padRight };
    }
  }
  return null;
}

/** Whether the adapter has subgroups, and a dispatch allows the workgroups along x: at least one for each tile of a row. */
export const supportsTiles = (device: Device, g: ConvGeometry, sizes: { tile: number } | null): boolean =>
  device.subgroupLanes !== null &&
  sizes !== null &&
  Math.ceil(g.output[1] / sizes.tile) <= device.limits.maxComputeWorkgroupsPerDimension;

const supports = (device: Device, g: ConvGeometry) => supportsTiles(device, g, forwardSizes(g));
export const supportsForward = supports;
export const supportsInputGrad = (device: Device, g: ConvGeometry): boolean =>
  g.strides[0] === 1 && g.strides[1] === 1 && supports(device, inputGradGeometry(g));
export function supportsWeightGrad(device: Device, g: ConvGeometry): boolean {
  const sizes = weightGradSizes(g);
  if (!sizes || !supportsTiles(device, g, sizes) || rowsAdded(g) > MAX_SUM_LENGTH) return false;
  return Math.ceil(g.output[1] / sizes.tile) <= maxSlices(device, g); // each tile of a row has separate sums
}

/** Additions to each sum of the weight gradient for one image. Slices are short enough to need no second level of summation. */
const rowsAdded = (g: ConvGeometry) => g.output[0] + g.kernel[0] - 1;

/** Most slices. The same with and without column sums, so that the weight gradient does not depend on them. */
const maxSlices = (device: Device, g: ConvGeometry) => sliceCapacity(device, sizeOf(filterShape(g)) + g.outChannels);

/**
 * Slices of the images and workgroups along y. With several replicas, fewer slices are enough; but the bits of a weight gradient depend
 * on its slices, so it plans for one replica.
 * @param options.longest most images of a slice
 * @param options.most    most slices, counted over all tiles of a row
 */
function planSlices(
  g: ConvGeometry,
  tile: number,
  lanes: number,
  { replicas = 1, longest = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY },
) {
  const tiles = Math.ceil(g.output[1] / tile);
  const blocks = Math.ceil(g.outChannels / lanes);
  const useful = Math.max(Math.ceil(ENOUGH_WORKGROUPS / (tiles * blocks * replicas)), Math.ceil(g.batch / longest));
  const wanted = Math.min(useful, Math.floor(most / tiles));
  const sliceLength = Math.ceil(g.batch / wanted);
  return { sliceLength, slices: Math.ceil(g.batch / sliceLength) * tiles, blocks };
}

export function forward(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
): void {
  const sizes = forwardSizes(g)!;
  const weights = g.kernel[0] * g.kernel[1] * g.inChannels;
  const text = { name: 'conv2d_direct_rows', code: cachedSource('forward', forwardCode, sizes) };
  runRowKernel(text, x, filter, g, y, epilogue, {
    tile: sizes.tile,
    weightRounds: weights / weightsPerRound(sizes),
    replicaWeights: weights * g.outChannels,
  });
}

/** The parameters of a dispatch of a `rowKernelSource`. */
export interface RowKernelDispatch {
  /** Columns of a tile. */
  tile: number;
  weightRounds: number;
  /** Weights of one replica. */
  replicaWeights: number;
  /** The part of the input channels to compute, and the channels of a part. Default: all channels. */
  part?: { index: number; channels: number };
  /** The replicas that `weights` holds. Default: all. */
  replicas?: IndexRange;
}

/** Dispatches a `rowKernelSource`. If the channels are computed in parts, the first part adds the bias, and the last applies the activation. */
export function runRowKernel(
  text: { name: string; code: string },
  x: DeviceArray,
  weights: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
  dispatch: RowKernelDispatch,
): void {
  const { tile, weightRounds, replicaWeights } = dispatch;
  const { part = { index: 0, channels: g.inChannels }, replicas = { first: 0, count: y.replicas } } = dispatch;
  const lanes = x.device.subgroupLanes!;
  const { sliceLength, slices, blocks } = planSlices(g, tile, lanes, { replicas: replicas.count });
  const parts = g.inChannels / part.channels;
  const [isFirst, isLast] = [part.index === 0, part.index === parts - 1];
  const [hasBias, activation] = epilogueFlags(epilogue);
  runKernel(
    x.device,
    withEpilogue({ ...text, constants: { LANES: lanes } }, epilogue.activation),
    [
      ...[g.batch, ...g.input, ...g.output, g.outChannels, g.pad[0], sliceLength],
      ...[weightRounds, isFirst ? hasBias : 0, isLast ? activation : 0, isFirst ? 0 : 1],
      ...[g.inChannels / 4, (part.index * part.channels) / 4, (part.index * replicaWeights) / parts, replicaWeights],
      replicas.first,
    ],
    [x, weights, epilogueArray(epilogue, weights), y],
    [slices, blocks, replicas.count],
    { flops: convFlops(g, replicas.count) / parts },
  );
}

/** dx is the full correlation of dy with the flipped filter, so the forward kernel computes it. */
export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  const [row, column] = [g.outChannels, g.inChannels].map((paddedChannels) => ({ paddedChannels, width: 4 }));
  const weights = packFilter(filter, g, true, row!, column!);
  forward(dy, weights, inputGradGeometry(g), dx, {});
  weights.dispose();
}

export function weightGrad(
  x: DeviceArray,
  dy: DeviceArray,
  g: ConvGeometry,
  dw: DeviceArray,
  columnSums?: DeviceArray,
): void {
  const { device } = x;
  const longest = Math.floor(MAX_SUM_LENGTH / rowsAdded(g));
  const grid = planSlices(g, weightGradSizes(g)!.tile, device.subgroupLanes!, { longest, most: maxSlices(device, g) });
  reduceInSlices(dw, grid.slices, g, { columnSums }, (to, replicas, targetOffset) =>
    dispatchWeightGrad(x, dy, g, to, { ...grid, replicas, targetOffset, hasColumnSums: !!columnSums }),
  );
}

/** The first pass of the weight gradient, for some of the replicas. */
function dispatchWeightGrad(
  x: DeviceArray,
  dy: DeviceArray,
  g: ConvGeometry,
  partial: DeviceArray,
  grid: ReturnType<typeof planSlices> & { replicas: IndexRange; targetOffset: number; hasColumnSums: boolean },
): void {
  const { sliceLength, slices, blocks, replicas, targetOffset, hasColumnSums } = grid;
  const lanes = x.device.subgroupLanes!;
  const { height, ...sizes } = weightGradSizes(g)!;
  const filterSize = sizeOf(filterShape(g));
  const sliceSize = filterSize + (hasColumnSums ? g.outChannels : 0);
  const reach = g.kernel[1] * g.inChannels;
  for (let first = 0; first < g.kernel[0]; first += height) {
    // These rows of the filter are computed as a separate filter, which begins `first` rows lower.
    const kernel = [Math.min(height, g.kernel[0] - first), g.kernel[1]] as const;
    const [pad, firstRow] = [Math.max(0, g.pad[0] - first), Math.max(0, first - g.pad[0])];
    // 0 if they are below the image for every row of the output.
    const rows = Math.max(0, Math.min(pad + g.input[0] - firstRow, g.output[0] + kernel[0] - 1));
    runKernel(
      x.device,
      {
        name: 'conv2d_weight_grad_direct_rows',
        code: cachedSource('weight gradient', weightGradCode, { ...sizes, kernel }),
        constants: { LANES: lanes },
      },
      [
        ...[g.batch, ...g.input, ...g.output, g.outChannels, pad, sliceLength, slices, sliceSize],
        ...[firstRow, rows, first * reach, reach, filterSize, hasColumnSums && first === 0 ? 1 : 0],
        ...[replicas.first, targetOffset],
      ],
      [x, dy, partial],
      [slices, blocks, replicas.count],
      { flops: (convFlops(g, replicas.count) * kernel[0]) / g.kernel[0] },
    );
  }
}
