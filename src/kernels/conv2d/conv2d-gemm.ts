import forwardCode from '../../../shaders/conv2d/conv2d_gemm.wgsl';
import weightGradCode from '../../../shaders/conv2d/conv2d_weight_grad_gemm.wgsl';
import type { Device } from '../../gpu/device.ts';
import type { DeviceArray } from '../array.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from '../epilogue.ts';
import { reduceInSlices, sliceCapacity } from '../matmul/add-slices.ts';
import { FOLD, isLong, planRowSlices } from '../reduce/long-sums.ts';
import { runKernel } from '../run.ts';
import { type ConvGeometry, convFlops, geometryParams, inputGradGeometry } from './conv-geometry.ts';
import { packFilter } from './pack-filter.ts';

// The convolutions as implicit matrix products, for adapters with subgroups of eight lanes or more. The shaders explain the method.

/** Output channels of a lane, and of eight neighboring lanes. */
const CHANNELS = 4;
const CHANNELS_OF_EIGHT_LANES = 8 * CHANNELS;
/** Rows of the product in a tile. */
const ROWS = 32;
/** Rounds in which a tile is stored, four rows in each. */
const STORE_ROUNDS = 8;

const notEmpty = (g: ConvGeometry) => g.batch * g.inChannels * g.outChannels > 0;

export const supportsForward = (device: Device, g: ConvGeometry): boolean =>
  device.subgroupLanes !== null &&
  notEmpty(g) &&
  g.outChannels % CHANNELS === 0 &&
  steps(g) <= FOLD ** 2 && // the longest sum that two levels add up accurately
  tiles(g) <= device.limits.maxComputeWorkgroupsPerDimension;
export const supportsInputGrad = (device: Device, g: ConvGeometry): boolean =>
  supportsForward(device, inputGradGeometry(g));
export const supportsWeightGrad = (device: Device, g: ConvGeometry): boolean =>
  device.subgroupLanes !== null &&
  notEmpty(g) &&
  g.inChannels % 4 === 0 &&
  g.outChannels % CHANNELS === 0 &&
  gradBlocks(g, device.subgroupLanes) <= device.limits.maxComputeWorkgroupsPerDimension;

/** Input channels of a step along the inner axis. */
const widthOf = (g: ConvGeometry) => [4, 3, 2].find((n) => g.inChannels % n === 0) ?? 1;
/** Additions to each sum of the forward kernel. */
const steps = (g: ConvGeometry) => (g.kernel[0] * g.kernel[1] * g.inChannels) / widthOf(g);

/** Whether eight lanes compute two tiles of pixels: if four lanes hold all channels, half of eight would be idle. */
const split = (g: ConvGeometry) => g.outChannels <= CHANNELS_OF_EIGHT_LANES / 2;
const tiles = (g: ConvGeometry) => Math.ceil((g.batch * g.output[0] * g.output[1]) / (split(g) ? 2 * ROWS : ROWS));

export function forward(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
): void {
  correlate(x, filter, g, y, epilogue, null);
}

/** Runs the kernel. @param strides strides of pixels and taps that are views of larger arrays, in the order of `Params`; null for whole arrays */
function correlate(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
  strides: readonly number[] | null,
): void {
  const lanes = x.device.subgroupLanes!;
  const columns = CHANNELS * (split(g) ? lanes / 2 : lanes);
  const constants = {
    ...{ LANES: lanes, WIDTH: widthOf(g), SPLIT: split(g) ? 1 : 0, STRIDED_OUTPUT: strides ? 1 : 0 },
    LONG: isLong(steps(g)),
  };
  runKernel(
    x.device,
    withEpilogue({ name: 'conv2d_gemm', code: forwardCode, constants }, epilogue.activation),
    [...geometryParams(g), ...epilogueFlags(epilogue), STORE_ROUNDS, ...(strides ?? Array(12).fill(0))],
    [x, x, filter, epilogueArray(epilogue, filter), y],
    [tiles(g), Math.ceil(g.outChannels / columns), y.replicas],
    { flops: convFlops(g, y.replicas) },
  );
}

/**
 * dx is the full correlation of dy with the flipped filter, so the forward kernel computes it. With strides, the pixels of dx form
 * stride phases by the remainder of their index divided by the stride. The pixels of a phase meet the same taps, and are a correlation
 * without strides with these taps. So no product with the zeros between dy's pixels is computed.
 */
export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  const weights = packFilter(
    filter,
    g,
    true,
    { paddedChannels: g.outChannels, width: 4 },
    { paddedChannels: g.inChannels, width: 4 },
  );
  if (g.strides[0] === 1 && g.strides[1] === 1) {
    forward(dy, weights, inputGradGeometry(g), dx, {});
  } else {
    for (const rowPhase of stridePhases(g, 0)) {
      for (const columnPhase of stridePhases(g, 1))
        correlate(dy, weights, phaseGeometry(g, rowPhase, columnPhase), dx, {}, strideParams(g, rowPhase, columnPhase));
    }
  }
  weights.dispose();
}

/** The indices of one axis of dx with the same remainder: `first`, `first + stride`, ... */
interface StridePhase {
  first: number;
  count: number;
  /** Number of taps of the flipped filter that meet them: `tap`, `tap + tapStep`, ... */
  taps: number;
  tap: number;
  tapStep: number;
  /** Distance in dy between the pixels of neighboring taps. */
  dilation: number;
  /** Distance in dy from the pixel of the first tap to the index within the phase. */
  pad: number;
}

function stridePhases({ input, kernel, strides, pad, dilation }: ConvGeometry, axis: 0 | 1): StridePhase[] {
  const [size, length, stride, padding, spacing] = [input, kernel, strides, pad, dilation].map((pair) => pair[axis]);
  // Index i and tap k meet a pixel of dy if i + padding - k * spacing is a multiple of the stride. The next such k is k + tapStep.
  const common = gcd(spacing!, stride!);
  const tapStep = stride! / common;
  return Array.from({ length: Math.min(stride!, size!) }, (_, first) => {
    const meets = (k: number) => (first + padding! - k * spacing!) % stride! === 0;
    const met = Array.from({ length: length! }, (_, k) => k).filter(meets);
    const [nearest = 0, last = 0] = [met[0], met.at(-1)];
    return {
      ...{ first, count: Math.ceil((size! - first) / stride!), taps: met.length, tap: length! - 1 - last, tapStep },
      dilation: spacing! / common,
      pad:
        met.length === 0
          ? 0
          : ((met.length - 1) * spacing!) / common - (first + padding! - nearest * spacing!) / stride!,
    };
  });
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** The correlation that computes one stride phase of dx from dy. */
const phaseGeometry = (g: ConvGeometry, rowPhase: StridePhase, columnPhase: StridePhase): ConvGeometry => ({
  ...{ batch: g.batch, input: g.output, inChannels: g.outChannels },
  ...{
    output: [rowPhase.count, columnPhase.count],
    outChannels: g.inChannels,
    kernel: [rowPhase.taps, columnPhase.taps],
  },
  ...{ strides: [1, 1], pad: [rowPhase.pad, columnPhase.pad], dilation: [rowPhase.dilation, columnPhase.dilation] },
});

/** The parameters of the kernel from `y_h` on. */
const strideParams = (g: ConvGeometry, rowPhase: StridePhase, columnPhase: StridePhase): number[] => [
  ...[...g.input, rowPhase.first, columnPhase.first, ...g.strides],
  ...[g.kernel[0] * g.kernel[1], g.kernel[1], rowPhase.tap, columnPhase.tap, rowPhase.tapStep, columnPhase.tapStep],
];

/** Workgroups that occupy every core of a CPU. */
const ENOUGH_WORKGROUPS = 64;
/** Pixels that one addition to a sum of the weight gradient includes. */
const PIXELS_PER_ADDITION = 4;

/** Tiles of the weight gradient. */
const gradBlocks = ({ kernel: [kh, kw], inChannels, outChannels }: ConvGeometry, lanes: number) =>
  kh * kw * Math.ceil(inChannels / ROWS) * Math.ceil(outChannels / (CHANNELS * lanes));

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  const lanes = x.device.subgroupLanes!;
  const blocks = gradBlocks(g, lanes);
  const { slices, sliceLength, params, LONG } = planRowSlices(g, {
    ...{
      pixelsPerAddition: PIXELS_PER_ADDITION,
      align: PIXELS_PER_ADDITION,
      wanted: Math.ceil(ENOUGH_WORKGROUPS / blocks),
      maxSlices: sliceCapacity(x.device, dw.size),
    },
    preferShort: true, // a second level makes the compiler's spills 5% more, which slices do not cost
  });
  reduceInSlices(dw, slices, g, {}, (to, { first, count }, targetOffset) =>
    runKernel(
      x.device,
      { name: 'conv2d_weight_grad_gemm', code: weightGradCode, constants: { LANES: lanes, LONG } },
      [...geometryParams(g), sliceLength, slices, STORE_ROUNDS, first, targetOffset, ...params],
      [x, dy, to],
      [slices, blocks, count],
      { flops: convFlops(g, count) },
    ),
  );
}
