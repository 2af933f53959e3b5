import type { Device, Workgroups } from '../../gpu/device.ts';
import type { KernelSource } from '../../gpu/pipelines.ts';
import { DeviceArray } from '../array.ts';
import { cachedSource } from '../generated.ts';
import { chunkRanges, runKernel } from '../run.ts';
import { type DepthwiseGeometry, depthwiseFlops } from './depthwise-geometry.ts';
import {
  extentOf,
  forwardCode,
  inputGradCode,
  openRows,
  type StripSizes,
  weightGradCode,
} from './depthwise-strips-codegen.ts';

// Depthwise convolutions by strips: an invocation loops over the rows of a strip of columns (see depthwise-strips-codegen.ts).

type Kernel = 'forward' | 'inputGrad' | 'weightGrad';

/** Channels of an invocation. */
export type StripVectorWidth = 1 | 4;

/** Most taps of an unrolled kernel: the weights, or the sums, of an invocation. */
const MAX_TAPS = 49;
/**
 * Columns of dx, or of x between the windows of a strip, by the channels of an invocation. On lavapipe, two columns of four channels are up
 * to 2 times as fast as four columns, whose sums no longer stay in registers, and compile in two thirds of the time.
 */
const TILE = { 1: 8, 4: 2 } as const;
/** Fewest columns of y in a strip. They share the extra values at both ends of a row. */
const MIN_COLUMNS = 2;
/** Most sums (rows of y times columns) of an invocation. */
const MAX_SUMS = 40;
/** Most rows that a sum of the weight gradient covers: as many additions as one f32 takes accurately. */
const MAX_ROWS = 256;

/** Layout of the work by the kind of adapter. Not measured on a GPU. */
interface Layout {
  /** Invocations in a workgroup, along the channels and along the strips. */
  workgroup: readonly [number, number];
  /** Invocations of one replica that keep the adapter busy. */
  invocations: number;
  /** The same for the weight gradient, where each invocation writes partial sums that a second pass adds up. */
  sums: number;
}
// One vector of eight invocations, so that all branches and loops of a workgroup are uniform.
const CPU: Layout = { workgroup: [8, 1], invocations: 2 ** 10, sums: 2 ** 10 };
// Eight vec4 of channels are the 128 bytes that a GPU loads at once.
const GPU: Layout = { workgroup: [8, 8], invocations: 2 ** 17, sums: 2 ** 15 };

/**
 * Whether the strips have a kernel for a geometry. The sizes are those of one replica.
 * @param vectorWidth 4 requires a multiple of four channels with one filter each
 */
export function supports(kernel: Kernel, vectorWidth: StripVectorWidth, device: Device, g: DepthwiseGeometry): boolean {
  const { batch, inChannels, outChannels, multiplier } = g;
  if (batch * inChannels * outChannels === 0 || g.kernel[0] * g.kernel[1] > MAX_TAPS) return false;
  if (vectorWidth === 4 && (multiplier !== 1 || inChannels % 4 !== 0)) return false;
  if (kernel === 'inputGrad' && multiplier !== 1) return false;
  const { sums, group } = stripOf(kernel, vectorWidth, g);
  if (sums * group > MAX_SUMS) return false;
  const { workgroups } = planFor(kernel, vectorWidth, device, g);
  return workgroups.every((n) => n <= device.limits.maxComputeWorkgroupsPerDimension);
}

/** Columns that form a unit (those of dx that a column of dy begins), sums for each column, and desired columns of a strip. */
function stripOf(kernel: Kernel, vectorWidth: StripVectorWidth, g: DepthwiseGeometry) {
  const [sh, sw] = g.strides;
  if (kernel === 'inputGrad') return { group: sw, sums: openRows(g) * sh, wanted: TILE[vectorWidth] };
  return { group: 1, sums: openRows(g), wanted: Math.max(MIN_COLUMNS, Math.floor(TILE[vectorWidth] / sw)) };
}

/** How the work is divided. */
interface Plan {
  sizes: StripSizes;
  strips: number;
  /** Strips that one invocation computes, one after another. */
  stripsAtOnce: number;
  /** Groups of `stripsAtOnce` strips. */
  stripGroups: number;
  /** Rows of y in a block (of dx: groups of stride rows). */
  rows: number;
  blocks: number;
  /** Images that one invocation computes, one after another. */
  images: number;
  /** Slices of `images` images. */
  slices: number;
  /** Workgroups of one replica. */
  workgroups: Workgroups;
}

function planFor(kernel: Kernel, vectorWidth: StripVectorWidth, device: Device, g: DepthwiseGeometry): Plan {
  const layout = device.info.isSoftware ? CPU : GPU;
  const { group, sums, wanted } = stripOf(kernel, vectorWidth, g);
  const [height, width] = kernel === 'inputGrad' ? [spanOf(g, 0), spanOf(g, 1)] : g.output;
  const strips = Math.ceil(width / Math.max(1, Math.floor(Math.min(wanted, MAX_SUMS / sums) / group)));
  const groups = Math.ceil(width / strips); // of columns in a strip
  const channels = g.outChannels / vectorWidth;

  // With too few invocations, divide the rows. With enough, let each compute several strips and images with the same weights or sums.
  const invocations = kernel === 'weightGrad' ? layout.sums : layout.invocations;
  const walks = channels * strips * g.batch;
  const cut = Math.min(Math.ceil(invocations / walks), Math.ceil(height / 8));
  const rows = Math.ceil(height / Math.max(cut, Math.ceil(height / MAX_ROWS)));
  const blocks = Math.ceil(height / rows);
  const walksAtOnce = Math.max(1, Math.min(Math.floor((walks * blocks) / invocations), Math.floor(MAX_ROWS / rows)));
  const stripGroups = Math.ceil(strips / walksAtOnce);
  const stripsAtOnce = Math.ceil(strips / stripGroups);
  const images = Math.max(1, Math.min(Math.floor(walksAtOnce / stripsAtOnce), g.batch));
  const slices = Math.ceil(g.batch / images);

  const { workgroup } = layout;
  const { kernel: taps, strides, dilation, multiplier } = g;
  const edges = edgesOf(kernel, g, strips, groups);
  return {
    sizes: { vectorWidth, kernel: taps, strides, dilation, multiplier, tile: groups * group, edges, workgroup },
    ...{ strips, stripsAtOnce, stripGroups, rows, blocks, images, slices },
    workgroups: [Math.ceil(channels / workgroup[0]), Math.ceil((stripGroups * blocks) / workgroup[1]), slices],
  };
}

/** Groups of `stride` rows (axis 0) or columns (axis 1) of dx that overlap the image; leading padding counts. */
function spanOf({ pad, strides, input }: DepthwiseGeometry, axis: 0 | 1): number {
  const [p, s] = [pad[axis], strides[axis]];
  return Math.floor((p + input[axis] - 1) / s) - Math.floor(p / s) + 1;
}

/** Which columns lie outside the image in some strip. */
function edgesOf(kernel: Kernel, g: DepthwiseGeometry, strips: number, groups: number): StripSizes['edges'] {
  const [inWidth, outWidth] = [g.input[1], g.output[1]];
  const [stride, pad] = [g.strides[1], g.pad[1]];
  /** Those of `count` columns from `first(strip)` on that are outside an image of `width` columns. */
  const outside = (count: number, width: number, first: (strip: number) => number) => {
    const begins = [first(0), first(strips - 1)]; // a column that is outside in some strip is outside in the first or the last
    return Array.from({ length: count }, (_, i) => i).filter((i) => begins.some((at) => at + i < 0 || at + i >= width));
  };
  const extent = extentOf(g, 1);
  if (kernel === 'inputGrad') {
    const before = Math.ceil(extent / stride) - 1;
    const begins = Math.floor(pad / stride);
    return {
      read: outside(before + groups, outWidth, (strip) => begins + strip * groups - before),
      own: outside(groups * stride, inWidth, (strip) => (begins + strip * groups) * stride - pad),
    };
  }
  return {
    read: outside((groups - 1) * stride + extent, inWidth, (strip) => strip * groups * stride - pad),
    own: outside(groups, outWidth, (strip) => strip * groups),
  };
}

/** Parameters in the order of the generated `Params`; channels count vectors. */
function paramsOf(g: DepthwiseGeometry, plan: Plan, firstReplica: number, hasBias: boolean): number[] {
  const { vectorWidth } = plan.sizes;
  return [
    ...[g.batch, ...g.input, g.inChannels / vectorWidth, ...g.output, g.outChannels / vectorWidth, ...g.pad],
    ...[plan.strips, plan.stripsAtOnce, plan.stripGroups, plan.rows, plan.blocks, plan.images, plan.slices],
    ...[firstReplica, hasBias ? 1 : 0],
  ];
}

function sourceOf(name: string, write: (sizes: StripSizes) => string, { sizes }: Plan): KernelSource {
  return { name: `${name}_strips${sizes.vectorWidth === 4 ? '_vec4' : ''}`, code: cachedSource(name, write, sizes) };
}

/** Dispatches as many replicas at once as fit along one axis of the grid together with the slices. */
function dispatch(
  device: Device,
  source: KernelSource,
  g: DepthwiseGeometry,
  plan: Plan,
  replicas: number,
  bindings: readonly DeviceArray[],
  hasBias = false,
): void {
  const [x, y, slices] = plan.workgroups;
  const atOnce = Math.floor(device.limits.maxComputeWorkgroupsPerDimension / slices);
  for (const { first, count } of chunkRanges(replicas, atOnce)) {
    const params = paramsOf(g, plan, first, hasBias);
    const cost = { flops: depthwiseFlops(g, count) };
    runKernel(device, source, params, bindings, [x, y, slices * count], cost);
  }
}

/** x [N,H,W,C], filter [KH,KW,C,M], bias [C*M] or null -> y [N,OH,OW,C*M]. Memory-bound. */
export function forward(
  vectorWidth: StripVectorWidth,
  x: DeviceArray,
  filter: DeviceArray,
  bias: DeviceArray | null,
  g: DepthwiseGeometry,
  y: DeviceArray,
): void {
  const plan = planFor('forward', vectorWidth, x.device, g);
  const source = sourceOf('depthwise_conv2d', forwardCode, plan);
  dispatch(x.device, source, g, plan, y.replicas, [x, filter, bias ?? filter, y], bias !== null);
}

/** dy [N,OH,OW,C], filter [KH,KW,C,1] -> dx [N,H,W,C]. Memory-bound. */
export function inputGrad(
  vectorWidth: StripVectorWidth,
  dy: DeviceArray,
  filter: DeviceArray,
  g: DepthwiseGeometry,
  dx: DeviceArray,
): void {
  const plan = planFor('inputGrad', vectorWidth, dy.device, g);
  const source = sourceOf('depthwise_conv2d_input_grad', inputGradCode, plan);
  dispatch(dy.device, source, g, plan, dx.replicas, [dy, filter, dx]);
}

/** The first pass of the gradient for the filter: x [N,H,W,C], dy [N,OH,OW,C*M] -> [slices, KH*KW*C*M]. Memory-bound. */
export function weightGradParts(
  vectorWidth: StripVectorWidth,
  x: DeviceArray,
  dy: DeviceArray,
  g: DepthwiseGeometry,
): DeviceArray {
  const { device, replicas } = x;
  const plan = planFor('weightGrad', vectorWidth, device, g);
  const slices = plan.slices * plan.blocks * plan.stripGroups;
  const part = DeviceArray.empty(device, [slices, g.kernel[0] * g.kernel[1] * g.outChannels], { replicas });
  const source = sourceOf('depthwise_conv2d_weight_grad', weightGradCode, plan);
  dispatch(device, source, g, plan, replicas, [x, dy, part]);
  return part;
}
