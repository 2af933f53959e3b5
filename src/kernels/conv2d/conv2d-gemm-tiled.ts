import type { Device } from '../../gpu/device.ts';
import type { DeviceArray } from '../array.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from '../epilogue.ts';
import { cachedSource } from '../generated.ts';
import { reduceInSlices } from '../matmul/add-slices.ts';
import { FOLD, MAX_SUM_LENGTH } from '../reduce/long-sums.ts';
import { arrayCapacity, chunkRanges, runKernel } from '../run.ts';
import { type ConvGeometry, convFlops } from './conv-geometry.ts';
import {
  DEPTH,
  FORWARD,
  INPUT_GRAD,
  PARTS,
  ROWS,
  type TiledSource,
  tiledCode,
  WEIGHT_GRAD,
} from './conv2d-gemm-tiled-codegen.ts';

// The convolutions as matrix products tiled in workgroup memory, for GPUs. conv2d-gemm-tiled-codegen.ts explains the method.

/** Which of the three convolutions. */
type Operation = TiledSource['operation'];

/** The matrix product of an operation. */
interface Product {
  /** Rows, of which the weight gradient pads each tap's to a multiple of four. */
  m: number;
  n: number;
  /** Products of a sum. The first two operations pad each tap's to whole steps. */
  k: number;
  /** Taps along y and x, and channels of a tap. A row of taps without dilation is one tap, because its channels are consecutive in x. */
  taps: [number, number];
  tapChannels: number;
}

export function productOf(operation: Operation, g: ConvGeometry): Product {
  const [inputs, outputs] = [g.input, g.output].map(([h, w]) => g.batch * h * w) as [number, number];
  const isMerged = operation !== INPUT_GRAD && (g.dilation[1] === 1 || g.kernel[1] === 1);
  const taps: [number, number] = [g.kernel[0], isMerged ? 1 : g.kernel[1]];
  const tapChannels = operation === INPUT_GRAD ? g.outChannels : (isMerged ? g.kernel[1] : 1) * g.inChannels;
  const padded = (multiple: number) => taps[0] * taps[1] * Math.ceil(tapChannels / multiple) * multiple;
  const common = { taps, tapChannels, n: operation === INPUT_GRAD ? g.inChannels : g.outChannels };
  if (operation === WEIGHT_GRAD) return { ...common, m: padded(4), k: outputs };
  return { ...common, m: operation === FORWARD ? outputs : inputs, k: padded(DEPTH) };
}

/** Workgroups that fill a large GPU: three for each of 96 compute units, with four waves each. */
const ENOUGH_WORKGROUPS = 288;
/** Fewest tiles of 64 columns: with fewer, half as wide tiles keep more compute units busy. */
const MIN_WIDE_TILES = 64;
/** Fewest terms of a sum that are worth a separate workgroup. */
const MIN_SLICE_LENGTH = 256;

/** Columns of the tiles: those that are the least empty, and of these the widest, which load least. */
function columnsFor(operation: Operation, { m, n }: Pick<Product, 'm' | 'n'>): TiledSource['columns'] {
  if (n <= 32) return n <= 8 ? 8 : n <= 16 ? 16 : 32;
  const wide = Math.ceil(n / 64);
  if (wide * 64 > Math.ceil(n / 32) * 32) return 32;
  return operation === WEIGHT_GRAD || Math.ceil(m / ROWS) * wide >= MIN_WIDE_TILES ? 64 : 32;
}

/**
 * How a product is divided. Only the weight gradient has long sums, which are cut into slices.
 * @param maxSlices most slices that the output can hold; the number of replicas does not matter, so the bits do not depend on it
 */
export function planProduct(
  operation: Operation,
  { m, n, k }: Pick<Product, 'm' | 'n' | 'k'>,
  maxSlices: number,
  columns = columnsFor(operation, { m, n }),
) {
  const [rowTiles, columnTiles] = [Math.ceil(m / ROWS), Math.ceil(n / columns)];
  const useful = Math.min(Math.ceil(ENOUGH_WORKGROUPS / (rowTiles * columnTiles)), Math.ceil(k / MIN_SLICE_LENGTH));
  // Slices whose sums need one level, if these are not many more.
  const short = Math.ceil(k / (PARTS * MAX_SUM_LENGTH));
  const wanted =
    operation === WEIGHT_GRAD ? Math.min(short <= 2 * useful ? Math.max(useful, short) : useful, maxSlices) : 1;
  const sliceLength = Math.ceil(k / wanted / DEPTH) * DEPTH;
  const additions = sliceLength / PARTS;
  const levels: TiledSource['levels'] = additions > FOLD ** 2 ? 3 : additions > MAX_SUM_LENGTH ? 2 : 1;
  // With three levels, 64 columns would need more registers than a card has.
  if (levels === 3 && columns === 64) return planProduct(operation, { m, n, k }, maxSlices, 32);
  return { columns, rowTiles, columnTiles, sliceLength, slices: Math.ceil(k / sliceLength), levels };
}

function supports(operation: Operation) {
  return (device: Device, g: ConvGeometry): boolean => {
    const { m, n, k } = productOf(operation, g);
    return m * n * k > 0 && Math.ceil(n / 8) <= device.limits.maxComputeWorkgroupsPerDimension;
  };
}
export const supportsForward = supports(FORWARD);
export const supportsInputGrad = supports(INPUT_GRAD);
export const supportsWeightGrad = supports(WEIGHT_GRAD);

function run(
  operation: Operation,
  g: ConvGeometry,
  left: DeviceArray,
  right: DeviceArray,
  c: DeviceArray,
  epilogue: Epilogue = {},
): void {
  const product = productOf(operation, g);
  const { limits } = c.device;
  const { isSoftware } = c.device.info;
  const plan = planProduct(operation, product, arrayCapacity(c.device, c.size));
  const { columns, rowTiles, columnTiles, sliceLength, slices, levels } = plan;
  // On a CPU, compiling takes longest: so there are fewer kernels.
  const isVec4 = (channels: number) =>
    channels % 4 === 0 && (!isSoftware || (g.inChannels % 4 === 0 && g.outChannels % 4 === 0));
  const sizes: TiledSource = {
    ...{ operation, columns, levels },
    isLeftVec4: isVec4(operation === INPUT_GRAD ? g.outChannels : g.inChannels),
    isRightVec4: isVec4(g.outChannels),
    isOutputVec4: isVec4(product.n),
    hasStrides: operation === INPUT_GRAD && g.strides.some((stride) => stride > 1),
    unroll: c.device.unrollsLoops,
  };
  const text = { name: 'conv2d_gemm_tiled', code: cachedSource('gemm tiled', tiledCode, sizes) };
  const source = withEpilogue(text, epilogue.activation);
  const params = paramsOf(operation, g, product, sizes, sliceLength, slices);
  reduceInSlices(c, slices, g, {}, (to, { first, count }, targetOffset) => {
    for (const tiles of chunkRanges(rowTiles, limits.maxComputeWorkgroupsPerDimension)) {
      runKernel(
        c.device,
        source,
        [...params, ...epilogueFlags(epilogue), first, targetOffset, tiles.first, 1],
        [left, right, epilogueArray(epilogue, right), to],
        [tiles.count, columnTiles, count * slices],
        { flops: (convFlops(g, count) * tiles.count) / rowTiles },
      );
    }
  });
}

/** The parameters of the shader up to `next_image`. Lengths along a row of `left` count its elements, which are vec4 if its channels allow. */
function paramsOf(
  operation: Operation,
  g: ConvGeometry,
  { m, n, taps, tapChannels }: Product,
  sizes: TiledSource,
  sliceLength: number,
  slices: number,
): number[] {
  const width = sizes.isLeftVec4 ? 4 : 1;
  const isInputGrad = operation === INPUT_GRAD;
  const [grid, input, channels] = isInputGrad ? [g.input, g.output, g.outChannels] : [g.output, g.input, g.inChannels];
  const pixel = channels / width;
  // The input gradient divides by the stride before it multiplies with the channels.
  const [strideX, padX, dilationX] = [g.strides, g.pad, g.dilation].map((pair) => pair[1] * (isInputGrad ? 1 : pixel));
  const tapVec4s = Math.ceil(tapChannels / 4);
  const leftW = input[1] * pixel;
  const [endX, endY] = [grid[1] * strideX!, grid[0] * g.strides[0]];
  const rowsMoved = Math.floor(DEPTH / grid[1]);
  const stepX = (DEPTH % grid[1]) * strideX!;
  const stepY = (rowsMoved % grid[0]) * g.strides[0];
  return [
    ...[operation === WEIGHT_GRAD ? taps[0] * taps[1] * tapChannels : m, n, g.batch, grid[1], grid[0], input[0], leftW],
    ...[
      g.outChannels / (sizes.isRightVec4 ? 4 : 1),
      g.strides[0],
      strideX!,
      g.pad[0],
      padX!,
      g.dilation[0],
      dilationX!,
    ],
    ...[taps[1], taps[0] * taps[1], tapChannels / width, tapChannels, tapVec4s, taps[0] * taps[1] * tapVec4s],
    ...[g.batch * g.output[0] * g.output[1], sliceLength / DEPTH, sliceLength, slices],
    ...[stepY, stepX, (Math.floor(rowsMoved / grid[0]) * input[0] + stepY) * leftW + stepX, endX, endY],
    ...[g.strides[0] * leftW - endX, (input[0] - endY) * leftW],
  ];
}

export function forward(x: DeviceArray, filter: DeviceArray, g: ConvGeometry, y: DeviceArray, options: Epilogue): void {
  run(FORWARD, g, x, filter, y, options);
}

export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  run(INPUT_GRAD, g, dy, filter, dx);
}

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  run(WEIGHT_GRAD, g, x, dy, dw);
}
