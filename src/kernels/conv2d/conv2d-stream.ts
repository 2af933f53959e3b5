import type { Device } from '../../gpu/device.ts';
import { type DeviceArray, sizeOf } from '../array.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from '../epilogue.ts';
import { reduceInSlices, sliceCapacity } from '../matmul/add-slices.ts';
import { MAX_SUM_LENGTH } from '../reduce/long-sums.ts';
import { type IndexRange, runKernel } from '../run.ts';
import { type ConvGeometry, convFlops, filterShape, inputGradGeometry } from './conv-geometry.ts';
import { forwardCode, type StreamSizes, weightGradCode, weightsPerRound } from './conv2d-stream-code.ts';
import { packFilter } from './pack-filter.ts';

// The convolutions of few channels, for adapters with subgroups of eight lanes or more. See the shaders for why.

/** Multiply-adds of a loop, all written out: more are faster, but a driver takes a second to compile a thousand. */
const WRITTEN_OUT = 1100;
/** Columns, beyond which the lanes' loads and stores would take the driver longer than the rest. */
const LONGEST_TILE = 16;
/** Weights an invocation may hold. */
const HELD = 400;
/** Sums of a filter's gradient: fewer, for each is loaded and stored once a row, which wants long tiles to be worth it. */
const SUMS = 240;
/** Workgroups worth having, so that every core gets some. */
const WORKGROUPS = 64;

/** Texts that are remembered, of some 20 KB each. */
const MOST_TEXTS = 512;
/** The texts made so far, but for the oldest of too many: writing one takes longer than all else in a call. */
const texts = new Map<string, string>();
export function cachedSource<Sizes>(name: string, write: (sizes: Sizes) => string, sizes: Sizes): string {
  const key = `${name} ${JSON.stringify(sizes)}`;
  const text = texts.get(key) ?? write(sizes);
  texts.set(key, text);
  if (texts.size > MOST_TEXTS) texts.delete(texts.keys().next().value!);
  return text;
}

/** How the forward kernel cuts its work; null where it does not serve. */
function sizesFor(g: ConvGeometry): StreamSizes | null {
  return g.kernel[0] * g.kernel[1] * g.inChannels > HELD ? null : tilesFor(g, g.kernel[0]);
}

/** How the weight gradient's cuts its: `height` rows of the filter at once. */
function gradSizesFor(g: ConvGeometry): (StreamSizes & { height: number }) | null {
  const reach = g.kernel[1] * g.inChannels;
  const height = Math.ceil(g.kernel[0] / Math.ceil((g.kernel[0] * reach) / SUMS));
  const sizes = reach > HELD ? null : tilesFor(g, height);
  return sizes && { ...sizes, height };
}

/** Tiles for `height` rows of the filter. */
function tilesFor(g: ConvGeometry, height: number): StreamSizes | null {
  const plain = [...g.strides, ...g.dilation].every((n) => n === 1);
  const { inChannels, kernel } = g;
  const taps = height * kernel[1] * inChannels;
  if (!plain || g.batch * g.outChannels * taps === 0) return null;
  const [width, inWidth, padLeft] = [g.output[1], g.input[1], g.pad[1]];
  const padRight = Math.max(0, width - 1 + kernel[1] - padLeft - inWidth);
  if ((inWidth * inChannels) % 4 !== 0) return null;
  const longest = Math.min(LONGEST_TILE, width, Math.floor(WRITTEN_OUT / taps));
  const aligned = (values: number, ...columns: number[]) => columns.every((n) => (n * inChannels) % values === 0);
  // As few tiles as can be, and of those the shortest, so that the last overlaps its neighbour least.
  for (let tiles = Math.ceil(width / longest); tiles <= width; tiles++) {
    for (let tile = Math.ceil(width / tiles); tile <= longest; tile++) {
      const unaligned = !aligned(4, tile, width - tile);
      if (unaligned && (padLeft + padRight > 0 || !aligned(2, tile, width - tile))) continue; // see the text
      return { inChannels, kernel, tile, overlap: width % tile !== 0, unaligned, padLeft, padRight };
    }
  }
  return null;
}

/** Whether the adapter runs these texts, and a dispatch holds the tiles of a row: workgroups along x are no fewer. */
export const supportsTiles = (device: Device, g: ConvGeometry, sizes: { tile: number } | null): boolean =>
  device.subgroupLanes !== null &&
  sizes !== null &&
  Math.ceil(g.output[1] / sizes.tile) <= device.limits.maxComputeWorkgroupsPerDimension;

const supports = (device: Device, g: ConvGeometry) => supportsTiles(device, g, sizesFor(g));
export const supportsForward = supports;
export const supportsInputGrad = (device: Device, g: ConvGeometry): boolean =>
  g.strides[0] === 1 && g.strides[1] === 1 && supports(device, inputGradGeometry(g));
export function supportsWeightGrad(device: Device, g: ConvGeometry): boolean {
  const sizes = gradSizesFor(g);
  if (!sizes || !supportsTiles(device, g, sizes) || rowsAdded(g) > MAX_SUM_LENGTH) return false;
  return Math.ceil(g.output[1] / sizes.tile) <= mostSlices(device, g); // each tile of a row makes sums of its own
}

/** Additions to each sum of a filter's gradient, for an image: slices are kept so short that they need no second level. */
const rowsAdded = (g: ConvGeometry) => g.output[0] + g.kernel[0] - 1;

/** The same with the sums of dy's columns and without: the filter's gradient does not depend on them. */
const mostSlices = (device: Device, g: ConvGeometry) => sliceCapacity(device, sizeOf(filterShape(g)) + g.outChannels);

/**
 * Slices of the images, of `longest` at most but no more than `most` with all tiles, and workgroups along x and y. With several
 * models less slices do: the sums of a filter's gradient depend on them, so those are cut as one model's.
 */
function cut(
  g: ConvGeometry,
  tile: number,
  lanes: number,
  { models = 1, longest = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY },
) {
  const tiles = Math.ceil(g.output[1] / tile);
  const blocks = Math.ceil(g.outChannels / lanes);
  const useful = Math.max(Math.ceil(WORKGROUPS / (tiles * blocks * models)), Math.ceil(g.batch / longest));
  const wanted = Math.min(useful, Math.floor(most / tiles));
  const slice = Math.ceil(g.batch / wanted);
  return { slice, slices: Math.ceil(g.batch / slice) * tiles, blocks };
}

export function forward(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
): void {
  const sizes = sizesFor(g)!;
  const weights = g.kernel[0] * g.kernel[1] * g.inChannels;
  const text = { name: 'conv2d_stream', code: cachedSource('forward', forwardCode, sizes) };
  runStreaming(text, x, filter, g, y, epilogue, {
    tile: sizes.tile,
    weightRounds: weights / weightsPerRound(sizes),
    modelWeights: weights * g.outChannels,
  });
}

/** What a dispatch of a `streamingText` depends on besides its arrays. */
export interface Streaming {
  /** Columns of a tile. */
  tile: number;
  weightRounds: number;
  /** Weights of a model. */
  modelWeights: number;
  /** Which part of the input channels it takes, of parts of this many; all at once by default. */
  part?: { index: number; channels: number };
  /** Those that `weights` holds; all by default. */
  models?: IndexRange;
}

/** Dispatches a `streamingText`. Of several parts of the channels, the first stores with the bias, the last with the activation. */
export function runStreaming(
  text: { name: string; code: string },
  x: DeviceArray,
  weights: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
  streaming: Streaming,
): void {
  const { tile, weightRounds, modelWeights } = streaming;
  const { part = { index: 0, channels: g.inChannels }, models = { first: 0, count: y.replicas } } = streaming;
  const lanes = x.device.subgroupLanes!;
  const { slice, slices, blocks } = cut(g, tile, lanes, { models: models.count });
  const parts = g.inChannels / part.channels;
  const [isFirst, isLast] = [part.index === 0, part.index === parts - 1];
  const [hasBias, act] = epilogueFlags(epilogue);
  runKernel(
    x.device,
    withEpilogue({ ...text, constants: { LANES: lanes } }, epilogue.activation),
    [
      ...[g.batch, ...g.input, ...g.output, g.outChannels, g.pad[0], slice],
      ...[weightRounds, isFirst ? hasBias : 0, isLast ? act : 0, isFirst ? 0 : 1],
      ...[g.inChannels / 4, (part.index * part.channels) / 4, (part.index * modelWeights) / parts, modelWeights],
      models.first,
    ],
    [x, weights, epilogueArray(epilogue, weights), y],
    [slices, blocks, models.count],
    { flops: convFlops(g, models.count) / parts },
  );
}

/** dx is the full correlation of dy with the turned filter: the forward kernel on other arrays. */
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
  const grid = cut(g, gradSizesFor(g)!.tile, device.subgroupLanes!, { longest, most: mostSlices(device, g) });
  reduceInSlices(dw, grid.slices, g, { columnSums }, (to, models, place) =>
    sumSlices(x, dy, g, to, { ...grid, models, place, hasColumnSums: !!columnSums }),
  );
}

/** The first pass of a filter's gradient, for some of the models. */
function sumSlices(
  x: DeviceArray,
  dy: DeviceArray,
  g: ConvGeometry,
  partial: DeviceArray,
  grid: ReturnType<typeof cut> & { models: IndexRange; place: number; hasColumnSums: boolean },
): void {
  const { slice, slices, blocks, models, place, hasColumnSums } = grid;
  const lanes = x.device.subgroupLanes!;
  const { height, ...sizes } = gradSizesFor(g)!;
  const ofFilter = sizeOf(filterShape(g));
  const sliceSize = ofFilter + (hasColumnSums ? g.outChannels : 0);
  const reach = g.kernel[1] * g.inChannels;
  for (let first = 0; first < g.kernel[0]; first += height) {
    // These rows of the filter are one of its own, which begins as many rows later.
    const kernel = [Math.min(height, g.kernel[0] - first), g.kernel[1]] as const;
    const [pad, firstRow] = [Math.max(0, g.pad[0] - first), Math.max(0, first - g.pad[0])];
    // None where they lie below the image for every row of the output.
    const rows = Math.max(0, Math.min(pad + g.input[0] - firstRow, g.output[0] + kernel[0] - 1));
    runKernel(
      x.device,
      {
        name: 'conv2d_weight_grad_stream',
        code: cachedSource('weight gradient', weightGradCode, { ...sizes, kernel }),
        constants: { LANES: lanes },
      },
      [
        ...[g.batch, ...g.input, ...g.output, g.outChannels, pad, slice, slices, sliceSize],
        ...[firstRow, rows, first * reach, reach, ofFilter, hasColumnSums && first === 0 ? 1 : 0],
        ...[models.first, place],
      ],
      [x, dy, partial],
      [slices, blocks, models.count],
      { flops: (convFlops(g, models.count) * kernel[0]) / g.kernel[0] },
    );
  }
}
