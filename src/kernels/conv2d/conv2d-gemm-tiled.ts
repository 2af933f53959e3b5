import code from '../../../shaders/conv2d/conv2d_gemm_tiled.wgsl';
import type { Device } from '../../gpu/device.ts';
import type { DeviceArray } from '../array.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from '../epilogue.ts';
import { reduceInSlices } from '../matmul/add-slices.ts';
import { FOLD, isLong } from '../reduce/long-sums.ts';
import { arrayCapacity, runKernel } from '../run.ts';
import { type ConvGeometry, convFlops, geometryParams } from './conv-geometry.ts';

// The convolutions as matrix products tiled in workgroup memory, for GPUs. The shader explains the method.

const [FORWARD, INPUT_GRAD, WEIGHT_GRAD] = [0, 1, 2] as const;

/** Sizes of the matrix product: rows, columns, inner axis. */
function sizes(operation: number, g: ConvGeometry): [m: number, n: number, k: number] {
  const taps = g.kernel[0] * g.kernel[1];
  const [inputs, outputs] = [g.input, g.output].map(([h, w]) => g.batch * h * w) as [number, number];
  if (operation === FORWARD) return [outputs, g.outChannels, taps * g.inChannels];
  if (operation === INPUT_GRAD) return [inputs, g.inChannels, taps * g.outChannels];
  return [taps * g.inChannels, g.outChannels, outputs];
}

/** A tile for 256 invocations of 4 x 4; narrow if a square tile would be mostly empty. Both fit into 16 KiB of workgroup memory. */
const tileFor = (n: number) => (n <= 16 ? { ROWS: 256, COLUMNS: 16, DEPTH: 8 } : { ROWS: 64, COLUMNS: 64, DEPTH: 16 });

function supports(operation: number) {
  return (device: Device, g: ConvGeometry): boolean => {
    const [m, n, k] = sizes(operation, g);
    return m * n * k > 0 && Math.ceil(m / tileFor(n).ROWS) <= device.limits.maxComputeWorkgroupsPerDimension;
  };
}
export const supportsForward = supports(FORWARD);
export const supportsInputGrad = supports(INPUT_GRAD);
export const supportsWeightGrad = supports(WEIGHT_GRAD);

/** Workgroups that fill a large GPU. */
const ENOUGH_WORKGROUPS = 512;
/** Fewest terms of a sum that are worth a separate workgroup. */
const MIN_SLICE_LENGTH = 256;

function run(
  operation: number,
  g: ConvGeometry,
  left: DeviceArray,
  right: DeviceArray,
  c: DeviceArray,
  epilogue: Epilogue = {},
): void {
  const [m, n, k] = sizes(operation, g);
  const tile = tileFor(n);
  const tiles = [Math.ceil(m / tile.ROWS), Math.ceil(n / tile.COLUMNS)] as const;
  // Only the weight gradient has a long sum. The slices do not depend on the number of replicas, so the bits do not either.
  const useful = Math.min(Math.ceil(ENOUGH_WORKGROUPS / (tiles[0] * tiles[1])), Math.ceil(k / MIN_SLICE_LENGTH));
  const wanted = Math.min(useful, arrayCapacity(c.device, c.size));
  const sliceLength = operation === WEIGHT_GRAD ? Math.ceil(k / wanted / tile.DEPTH) * tile.DEPTH : k;
  const slices = Math.ceil(k / sliceLength);
  const constants = {
    OPERATION: operation,
    ...tile,
    LONG: isLong(sliceLength),
    LONGER: sliceLength > FOLD ** 2 ? 1 : 0,
  };
  const source = withEpilogue({ name: 'conv2d_gemm_tiled', code, constants }, epilogue.activation);
  reduceInSlices(c, slices, g, {}, (to, { first, count }, targetOffset) =>
    runKernel(
      c.device,
      source,
      [
        ...geometryParams(g),
        m,
        n,
        k,
        sliceLength,
        slices,
        tile.DEPTH / 4,
        ...epilogueFlags(epilogue),
        first,
        targetOffset,
      ],
      [left, right, epilogueArray(epilogue, right), to],
      [...tiles, count * slices],
      { flops: convFlops(g, count) },
    ),
  );
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
