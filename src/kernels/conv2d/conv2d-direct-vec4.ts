import forwardCode from '../../../shaders/conv2d/conv2d_direct_vec4.wgsl';
import weightGradCode from '../../../shaders/conv2d/conv2d_weight_grad_direct_vec4.wgsl';
import padChannelsCode from '../../../shaders/conv2d/pad_channels.wgsl';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray } from '../array.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from '../epilogue.ts';
import { type ChannelAxis, reduceInSlices, sliceCapacity } from '../matmul/add-slices.ts';
import { FOLD, isLong, planRowSlices } from '../reduce/long-sums.ts';
import { arrayCapacity, chunkRanges, elementwiseWorkgroups, type IndexRange, runKernel } from '../run.ts';
import { type ConvGeometry, convFlops, inputGradGeometry } from './conv-geometry.ts';
import { packFilter } from './pack-filter.ts';

// Direct convolutions for adapters with subgroups of eight lanes or more. The shaders explain the method.

/** Channels in groups of up to four, each in a vec4. Six channels are two groups of three: fewer idle lanes than with four and two. */
function grouping(channels: number): { groups: number; width: number } {
  const groups = Math.ceil(channels / 4);
  return { groups, width: Math.ceil(channels / groups) };
}

/** The padded layout of a channel axis of the filter. */
function axis(channels: number): ChannelAxis {
  const { groups, width } = grouping(channels);
  return { paddedChannels: 4 * groups, width };
}

const undilated = (g: ConvGeometry) => g.dilation[0] === 1 && g.dilation[1] === 1;
const notEmpty = (g: ConvGeometry) => g.batch * g.inChannels * g.outChannels > 0;

/** Elements of one replica's arrays with padded channels: up to four times as many, up to 16 times for a filter. */
function paddedSizes({ batch, input, output, kernel, inChannels, outChannels }: ConvGeometry) {
  const [from, to] = [4 * grouping(inChannels).groups, 4 * grouping(outChannels).groups];
  const [x, y] = [batch * input[0] * input[1] * from, batch * output[0] * output[1] * to];
  return { x, y, filter: kernel[0] * kernel[1] * from * to };
}
/** Elements of one replica's largest scratch array in the forward pass. Replicas that do not fit at once are computed in groups. */
const forwardScratch = (g: ConvGeometry) => Math.max(paddedSizes(g).x, paddedSizes(g).filter);

/** Additions to each sum of the forward kernel. */
const steps = (g: ConvGeometry) => g.kernel[0] * g.kernel[1] * grouping(g.inChannels).groups;

/** Conditions of all three kernels. */
const supports = (device: Device, g: ConvGeometry): boolean =>
  device.subgroupLanes !== null &&
  notEmpty(g) &&
  undilated(g) &&
  g.strides[1] === 1 &&
  arrayCapacity(device, forwardScratch(g)) > 0;
export const supportsForward = (device: Device, g: ConvGeometry): boolean =>
  g.kernel[1] <= FOLD && steps(g) <= FOLD ** 2 && supports(device, g); // the longest sum that two levels add up accurately
export const supportsInputGrad = (device: Device, g: ConvGeometry): boolean =>
  g.strides[0] === 1 && supportsForward(device, inputGradGeometry(g));

/** Pixels of a row that one invocation computes: the largest tile with the fewest idle pixels. */
function tileFor(width: number): number {
  const covered = (tile: number) => Math.ceil(width / tile) * tile;
  return [8, 7, 6, 5, 4].reduce((best, tile) => (covered(tile) < covered(best) ? tile : best));
}

/**
 * Some replicas of x [N,H,W,C] with padded channels, and the index of the first of them in `array`: a copy, or x itself if its channels
 * fill whole vec4. The caller disposes a copy.
 */
function padChannels(x: DeviceArray, replicas: IndexRange): { array: DeviceArray; first: number } {
  const channels = x.shape.at(-1)!;
  if (channels % 4 === 0) return { array: x, first: replicas.first };
  const { groups, width } = grouping(channels);
  const perReplica = x.size / channels;
  const rows = replicas.count * perReplica;
  const array = DeviceArray.empty(x.device, [...x.shape.slice(0, -1), 4 * groups], { replicas: replicas.count });
  const source = { name: 'pad_channels', code: padChannelsCode };
  const params = [rows, channels, groups, width, replicas.first * perReplica];
  runKernel(x.device, source, params, [x, array], elementwiseWorkgroups(rows * groups));
  return { array, first: 0 };
}

/** Whether some window reaches outside the image along an axis. */
function reachesOutside(input: number, output: number, kernel: number, stride: number, pad: number): boolean {
  return pad > 0 || (output - 1) * stride + kernel - pad > input;
}

export function forward(x: DeviceArray, filter: DeviceArray, g: ConvGeometry, y: DeviceArray, options: Epilogue): void {
  for (const replicas of chunkRanges(y.replicas, arrayCapacity(y.device, forwardScratch(g)))) {
    const weights = packFilter(filter, g, false, axis(g.inChannels), axis(g.outChannels), replicas);
    correlate(x, weights, g, y, options, replicas);
    weights.dispose();
  }
}

/** dx is the full correlation of dy with the flipped filter, so the forward kernel computes it. */
export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  for (const replicas of chunkRanges(dx.replicas, arrayCapacity(dx.device, forwardScratch(inputGradGeometry(g))))) {
    const weights = packFilter(filter, g, true, axis(g.outChannels), axis(g.inChannels), replicas);
    correlate(dy, weights, inputGradGeometry(g), dx, {}, replicas);
    weights.dispose();
  }
}

/** Computes some of the replicas; `weights` holds only theirs. */
function correlate(
  x: DeviceArray,
  weights: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
  replicas: IndexRange,
): void {
  const input = padChannels(x, replicas);
  const tile = tileFor(g.output[1]);
  const tiles = Math.ceil(g.output[1] / tile);
  const padded =
    reachesOutside(g.input[0], g.output[0], g.kernel[0], g.strides[0], g.pad[0]) ||
    reachesOutside(g.input[1], g.output[1], g.kernel[1], 1, g.pad[1]);
  const [from, to] = [grouping(g.inChannels), grouping(g.outChannels)];
  const pairs = to.groups % 2 === 0;
  const lanes = Math.ceil((g.batch * g.output[0] * tiles) / 64) * 64;
  const constants = {
    ...{ PADDED: padded ? 1 : 0, TILE: tile, KERNEL_W: g.kernel[1], PAIR: pairs ? 1 : 0 },
    ...{ IN_WIDTH: from.width, OUT_WIDTH: to.width, LONG: isLong(steps(g)) },
  };
  runKernel(
    x.device,
    withEpilogue({ name: 'conv2d_direct_vec4', code: forwardCode, constants }, epilogue.activation),
    [
      ...[g.batch, ...g.input, from.groups, ...g.output, g.outChannels, to.groups],
      ...[...g.kernel, g.strides[0], ...g.pad, tiles, ...epilogueFlags(epilogue)],
      ...[input.first, replicas.first],
    ],
    [input.array, weights, epilogueArray(epilogue, weights), y],
    elementwiseWorkgroups((lanes * to.groups) / (pairs ? 2 : 1), replicas.count),
    { flops: convFlops(g, replicas.count) },
  );
  if (input.array !== x) input.array.dispose();
}

/** Slices of the weight gradient's sum, each computed by one workgroup: enough to fill any adapter, few enough to add up quickly. */
const SLICES = 64;

/** Workgroups of a slice, each for 32 pairs of tap and input channel group, and two groups of output channels. */
function gradGroups({ kernel, inChannels, outChannels }: ConvGeometry): { blocks: number; groups: number } {
  const blocks = Math.ceil((kernel[0] * kernel[1] * grouping(inChannels).groups) / 32);
  return { blocks, groups: blocks * Math.ceil(grouping(outChannels).groups / 2) };
}

export const supportsWeightGrad = (device: Device, g: ConvGeometry): boolean =>
  supports(device, g) &&
  arrayCapacity(device, paddedSizes(g).y) > 0 &&
  gradGroups(g).groups <= device.limits.maxComputeWorkgroupsPerDimension;

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  const { device } = x;
  const [kh, kw] = g.kernel;
  const [from, to] = [grouping(g.inChannels), grouping(g.outChannels)];
  const padded = paddedSizes(g);
  const { blocks, groups } = gradGroups(g);
  const tile = tileFor(g.output[1]);
  const maxSlices = sliceCapacity(device, padded.filter);
  const { slices, sliceLength, params, LONG } = planRowSlices(g, {
    pixelsPerAddition: 1,
    align: tile,
    wanted: SLICES,
    maxSlices,
  });
  const reaches =
    reachesOutside(g.input[0], g.output[0], kh, g.strides[0], g.pad[0]) ||
    reachesOutside(g.input[1], g.output[1], kw, 1, g.pad[1]);
  const constants = {
    ...{ PADDED: reaches ? 1 : 0, WHOLE: g.output[1] % tile === 0 ? 1 : 0 },
    ...{ TILE: tile, IN_WIDTH: from.width, OUT_WIDTH: to.width, LONG },
  };
  const layout = { rows: axis(g.inChannels), columns: axis(g.outChannels), scratch: Math.max(padded.x, padded.y) };
  reduceInSlices(dw, slices, g, layout, (partial, replicas) => {
    const [input, grad] = [padChannels(x, replicas), padChannels(dy, replicas)];
    runKernel(
      device,
      { name: 'conv2d_weight_grad_direct_vec4', code: weightGradCode, constants },
      [
        ...[g.batch, ...g.input, from.groups, ...g.output, to.groups],
        ...[kh, kw, g.strides[0], ...g.pad, sliceLength, slices, blocks, input.first, grad.first, ...params],
      ],
      [input.array, grad.array, partial],
      [slices, groups, replicas.count],
      { flops: convFlops(g, replicas.count) },
    );
    if (input.array !== x) input.array.dispose();
    if (grad.array !== dy) grad.array.dispose();
  });
}
