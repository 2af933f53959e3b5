import forwardCode from '../../shaders/conv2d_subgroup.wgsl';
import weightGradCode from '../../shaders/conv2d_weight_grad_subgroup.wgsl';
import padChannelsCode from '../../shaders/pad_channels.wgsl';
import type { Device } from '../gpu/device.ts';
import { addSlices, type ChannelAxis } from './add-slices.ts';
import { DeviceArray, sizeOf } from './array.ts';
import { type ConvGeometry, convFlops, turned } from './conv-geometry.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from './epilogue.ts';
import { packFilter } from './pack-filter.ts';
import { elementwise, parts, runKernel } from './run.ts';

// The variant of the three convolutions for adapters with subgroups of eight lanes or more. See the shaders for why.

/** Channels go in groups of up to four, a vec4 each: six in two groups of three, which leaves less idle than four and two. */
function grouping(channels: number): { groups: number; width: number } {
  const groups = Math.ceil(channels / 4);
  return { groups, width: Math.ceil(channels / groups) };
}

/** The same for an axis of the filter. */
function axis(channels: number): ChannelAxis {
  const { groups, width } = grouping(channels);
  return { places: 4 * groups, width };
}

const undilated = (g: ConvGeometry) => g.dilation[0] === 1 && g.dilation[1] === 1;
const notEmpty = (g: ConvGeometry) => g.batch * g.inChannels * g.outChannels > 0;

export const servesForward = (device: Device, g: ConvGeometry): boolean =>
  device.subgroupLanes !== null && notEmpty(g) && undilated(g) && g.strides[1] === 1;
export const servesInputGrad = (device: Device, g: ConvGeometry): boolean =>
  servesForward(device, g) && g.strides[0] === 1;

/** Pixels of a row that one invocation takes: what leaves the fewest idle, and of those the most. */
function tileFor(width: number): number {
  const covered = (tile: number) => Math.ceil(width / tile) * tile;
  return [8, 7, 6, 5, 4].reduce((best, tile) => (covered(tile) < covered(best) ? tile : best));
}

/** x [N,H,W,C] with its channels in groups; x itself where they fill whole vec4. The caller disposes a copy. */
function padChannels(x: DeviceArray): DeviceArray {
  const channels = x.shape.at(-1)!;
  if (channels % 4 === 0) return x;
  const { groups, width } = grouping(channels);
  const rows = (x.models * x.size) / channels;
  const y = DeviceArray.empty(x.device, [...x.shape.slice(0, -1), 4 * groups], { models: x.models });
  const source = { name: 'pad_channels', code: padChannelsCode };
  runKernel(x.device, source, [rows, channels, groups, width], [x, y], elementwise(rows * groups));
  return y;
}

/** True when some window of these reaches outside the image. */
function reachesOutside(input: number, output: number, kernel: number, stride: number, pad: number): boolean {
  return pad > 0 || (output - 1) * stride + kernel - pad > input;
}

export function forward(x: DeviceArray, filter: DeviceArray, g: ConvGeometry, y: DeviceArray, options: Epilogue): void {
  const weights = packFilter(filter, g, false, axis(g.inChannels), axis(g.outChannels));
  correlate(x, weights, g, y, options);
  weights.dispose();
}

/** dx is the full correlation of dy with the turned filter: the forward kernel on other arrays. */
export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  const weights = packFilter(filter, g, true, axis(g.outChannels), axis(g.inChannels));
  correlate(dy, weights, turned(g), dx, {});
  weights.dispose();
}

function correlate(x: DeviceArray, weights: DeviceArray, g: ConvGeometry, y: DeviceArray, epilogue: Epilogue): void {
  const input = padChannels(x);
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
    ...{ IN_WIDTH: from.width, OUT_WIDTH: to.width },
  };
  runKernel(
    x.device,
    withEpilogue({ name: 'conv2d_subgroup', code: forwardCode, constants }, epilogue.activation),
    [
      ...[g.batch, ...g.input, from.groups, ...g.output, g.outChannels, to.groups],
      ...[...g.kernel, g.strides[0], ...g.pad, tiles, ...epilogueFlags(epilogue)],
    ],
    [input, weights, epilogueArray(epilogue, weights), y],
    elementwise((lanes * to.groups) / (pairs ? 2 : 1), y.models),
    { flops: convFlops(g, y.models) },
  );
  if (input !== x) input.dispose();
}

/** Slices the long sum is cut into, each one workgroup's: enough to fill any adapter, few enough to add up quickly. */
const SLICES = 64;

/** Workgroups of a slice: 32 (tap, group of input channels) pairs each, by two groups of output channels. */
function gradGroups({ kernel, inChannels, outChannels }: ConvGeometry): { blocks: number; groups: number } {
  const blocks = Math.ceil((kernel[0] * kernel[1] * grouping(inChannels).groups) / 32);
  return { blocks, groups: blocks * Math.ceil(grouping(outChannels).groups / 2) };
}

export const servesWeightGrad = (device: Device, g: ConvGeometry): boolean =>
  servesForward(device, g) && gradGroups(g).groups <= device.limits.maxComputeWorkgroupsPerDimension;

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  const { device, models } = x;
  const [input, grad] = [padChannels(x), padChannels(dy)];
  const [kh, kw] = g.kernel;
  const [from, to] = [grouping(g.inChannels), grouping(g.outChannels)];
  const partialShape = [kh * kw, 4 * from.groups, 4 * to.groups];
  // No more slices than an array holds, whatever the number of models, on which no model's bits may depend; and of the models no
  // more at once.
  const mostSlices = Math.max(1, Math.floor(device.largestArray / (4 * sizeOf(partialShape))));
  const rows = g.batch * g.output[0];
  const slice = Math.ceil(rows / Math.min(SLICES, mostSlices));
  const slices = Math.ceil(rows / slice);
  const { blocks, groups } = gradGroups(g);
  const tile = tileFor(g.output[1]);
  const padded =
    reachesOutside(g.input[0], g.output[0], kh, g.strides[0], g.pad[0]) ||
    reachesOutside(g.input[1], g.output[1], kw, 1, g.pad[1]);
  const constants = {
    ...{ PADDED: padded ? 1 : 0, WHOLE: g.output[1] % tile === 0 ? 1 : 0 },
    ...{ TILE: tile, IN_WIDTH: from.width, OUT_WIDTH: to.width },
  };
  for (const { first, count } of parts(models, Math.floor(mostSlices / slices))) {
    const partial = DeviceArray.empty(device, [slices, ...partialShape], { models: count });
    runKernel(
      device,
      { name: 'conv2d_weight_grad_subgroup', code: weightGradCode, constants },
      [
        ...[g.batch, ...g.input, from.groups, ...g.output, to.groups],
        ...[kh, kw, g.strides[0], ...g.pad, slice, slices, blocks, first],
      ],
      [input, grad, partial],
      [slices, groups, count],
      { flops: convFlops(g, count) },
    );
    addSlices(partial, dw, slices, g, { rows: axis(g.inChannels), columns: axis(g.outChannels), firstModel: first });
    partial.dispose();
  }
  if (input !== x) input.dispose();
  if (grad !== dy) grad.dispose();
}
