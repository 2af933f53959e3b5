import type { Device } from '../../gpu/device.ts';
import { DeviceArray } from '../array.ts';
import type { Epilogue } from '../epilogue.ts';
import { cachedSource } from '../generated.ts';
import { FOLD } from '../reduce/long-sums.ts';
import { arrayCapacity, chunkRanges, elementwiseWorkgroups, type IndexRange, runKernel } from '../run.ts';
import { type ConvGeometry, inputGradGeometry } from './conv-geometry.ts';
import { runRowKernel, supportsTiles } from './conv2d-direct-rows.ts';
import {
  filterCode,
  forwardCode,
  type WinogradSizes,
  weightsPerInvocation,
  weightsPerRound,
} from './conv2d-winograd1d-codegen.ts';
import { MAX_POINTS } from './winograd.ts';

// Convolutions by Winograd's algorithm along the rows, for adapters with subgroups of eight lanes or more. conv2d-winograd1d-codegen.ts
// explains the method.

/** Weights that an invocation may hold. More would not stay in the first-level cache of a CPU. */
const MAX_WEIGHTS_PER_INVOCATION = 900;
/** Columns of a tile. With more, the transforms cost more than they save. */
const MAX_TILE_COLUMNS = 4;

/** The tiles of the kernel; null if it does not support the shape. */
function sizesFor(g: ConvGeometry): WinogradSizes | null {
  const { inChannels, kernel, pad } = g;
  const plain = [...g.strides, ...g.dilation].every((n) => n === 1);
  const channels = inChannels % 32 === 0 ? 32 : inChannels;
  if (inChannels / channels > FOLD) return null; // each part is added to y, and with more parts the rounding errors would grow
  if (!plain || g.batch * g.outChannels === 0 || ![8, 16, 32].includes(channels)) return null;
  const [taps, width] = [kernel[1], g.output[1]];
  // Eight lanes load 32 / channels pixels at once; that many groups of lanes share the points evenly.
  for (let tile = MAX_TILE_COLUMNS; tile >= 2 && taps >= 3; tile--) {
    const points = tile + taps - 1;
    if (tile > width || points > MAX_POINTS || points % Math.max(2, 32 / channels) !== 0) continue;
    const padded = pad[1] > 0 || width - 1 + taps > g.input[1];
    const sizes: WinogradSizes = {
      channels,
      parts: channels < inChannels ? 2 : 1,
      kernel,
      tile,
      overlap: width % tile !== 0,
      padLeft: pad[1],
      padded,
    };
    if (weightsPerInvocation(sizes) <= MAX_WEIGHTS_PER_INVOCATION) return sizes;
  }
  return null;
}

/**
 * Whether this variant is the fastest, as measured on lavapipe: if it saves enough multiplications, including those for rows and columns
 * that are not stored, and if rows are long enough for the fixed cost of each.
 */
export function isProfitable(g: ConvGeometry): boolean {
  const sizes = sizesFor(g);
  if (!sizes) return false;
  const { tile, kernel, channels } = sizes;
  const rows = Math.max(1, g.input[0] / g.output[0]);
  const columns = (Math.ceil(g.output[1] / tile) * tile) / g.output[1];
  const saving = (tile * kernel[1]) / (tile + kernel[1] - 1) / (rows * columns);
  return channels < 32 ? g.output[1] >= 12 && saving > (channels < 16 ? 1.7 : 1.3) : g.output[1] >= 6 && saving > 1.35;
}

/** Elements of one replica's transformed filter. */
const filterSize = (g: ConvGeometry, { tile }: WinogradSizes) =>
  g.kernel[0] * (tile + g.kernel[1] - 1) * g.inChannels * g.outChannels;

function supports(device: Device, g: ConvGeometry): boolean {
  const sizes = sizesFor(g);
  return sizes !== null && supportsTiles(device, g, sizes) && arrayCapacity(device, filterSize(g, sizes)) > 0;
}
export const supportsForward = supports;
export const supportsInputGrad = (device: Device, g: ConvGeometry): boolean =>
  g.strides[0] === 1 && g.strides[1] === 1 && supports(device, inputGradGeometry(g));
/** Not supported: each product would load and store its sums, which is slower than the other variants. */
export const supportsWeightGrad = (): boolean => false;

/** The transformed filters of some replicas, flipped for the input gradient if `flip`. The caller disposes them. */
function transformFilter(
  filter: DeviceArray,
  g: ConvGeometry,
  sizes: WinogradSizes,
  flip: boolean,
  { first, count }: IndexRange,
): DeviceArray {
  const algorithm = { outputs: sizes.tile, taps: g.kernel[1] };
  const weights = DeviceArray.empty(filter.device, [filterSize(g, sizes)], { replicas: count });
  runKernel(
    filter.device,
    {
      name: 'winograd1d_filter',
      code: cachedSource('filter', filterCode, algorithm),
      constants: { FLIP: flip ? 1 : 0 },
    },
    [g.kernel[0], g.inChannels, g.outChannels, sizes.channels, first],
    [filter, weights],
    elementwiseWorkgroups(g.kernel[0] * g.inChannels * g.outChannels, count),
  );
  return weights;
}

/** A convolution, with its filter flipped if `flip`, over the parts of the input channels one after another. */
function correlate(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
  flip: boolean,
): void {
  const sizes = sizesFor(g)!;
  const text = { name: 'conv2d_winograd1d', code: cachedSource('winograd1d', forwardCode, sizes) };
  // A transformed filter is up to three times as large as the filter: as many replicas at once as fit into an array.
  for (const replicas of chunkRanges(y.replicas, arrayCapacity(y.device, filterSize(g, sizes)))) {
    const weights = transformFilter(filter, g, sizes, flip, replicas);
    for (let index = 0; index < g.inChannels / sizes.channels; index++) {
      runRowKernel(text, x, weights, g, y, epilogue, {
        tile: sizes.tile,
        weightRounds: weightsPerInvocation(sizes) / weightsPerRound(sizes),
        replicaWeights: weights.size,
        part: { index, channels: sizes.channels },
        replicas,
      });
    }
    weights.dispose();
  }
}

export function forward(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
): void {
  correlate(x, filter, g, y, epilogue, false);
}

/** dx is the full correlation of dy with the flipped filter, so the forward kernel computes it. */
export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  correlate(dy, filter, inputGradGeometry(g), dx, {}, true);
}
