import forwardCode from '../../shaders/conv2d_gemm.wgsl';
import weightGradCode from '../../shaders/conv2d_weight_grad_gemm.wgsl';
import type { Device } from '../gpu/device.ts';
import { addSlices } from './add-slices.ts';
import { DeviceArray } from './array.ts';
import { type ConvGeometry, convFlops, geometryParams, turned } from './conv-geometry.ts';
import { packFilter } from './pack-filter.ts';
import { runKernel } from './run.ts';

// The convolutions as implicit matrix products, for adapters with subgroups of eight lanes or more. See the shaders for why.

/** Output channels of a lane, and of eight lanes side by side. */
const CHANNELS = 4;
const EIGHT = 8 * CHANNELS;
/** A tile: 32 rows of the product, stored four a round. */
const ROWS = 32;
const STORE_ROUNDS = 8;

const notEmpty = (g: ConvGeometry) => g.batch * g.inChannels * g.outChannels > 0;

export const servesForward = (device: Device, g: ConvGeometry): boolean =>
  device.subgroupLanes !== null &&
  notEmpty(g) &&
  g.outChannels % CHANNELS === 0 &&
  tiles(g) <= device.limits.maxComputeWorkgroupsPerDimension;
export const servesInputGrad = (device: Device, g: ConvGeometry): boolean =>
  g.strides[0] === 1 && g.strides[1] === 1 && servesForward(device, turned(g));
export const servesWeightGrad = (device: Device, g: ConvGeometry): boolean =>
  device.subgroupLanes !== null && notEmpty(g) && g.inChannels % 4 === 0 && g.outChannels % CHANNELS === 0;

/** Where four lanes hold all channels, eight would leave half idle: they take two tiles of pixels instead. */
const split = (g: ConvGeometry) => g.outChannels <= EIGHT / 2;
const tiles = (g: ConvGeometry) => Math.ceil((g.batch * g.output[0] * g.output[1]) / (split(g) ? 2 * ROWS : ROWS));

export function forward(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  { bias, relu = false }: { bias?: DeviceArray | null; relu?: boolean },
): void {
  const lanes = x.device.subgroupLanes!;
  const width = [4, 3, 2].find((n) => g.inChannels % n === 0) ?? 1;
  const columns = CHANNELS * (split(g) ? lanes / 2 : lanes);
  runKernel(
    x.device,
    { name: 'conv2d_gemm', code: forwardCode, constants: { LANES: lanes, WIDTH: width, SPLIT: split(g) ? 1 : 0 } },
    [...geometryParams(g), bias ? 1 : 0, relu ? 1 : 0, STORE_ROUNDS],
    [x, x, filter, bias ?? filter, y],
    [tiles(g), Math.ceil(g.outChannels / columns), y.models],
    { flops: convFlops(g, y.models) },
  );
}

/** dx is the full correlation of dy with the turned filter: the forward kernel on other arrays. */
export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  const weights = packFilter(filter, g, true, { places: g.outChannels, width: 4 }, { places: g.inChannels, width: 4 });
  forward(dy, weights, turned(g), dx, {});
  weights.dispose();
}

/** Workgroups worth having, so that every core gets some; and rows a sum may take before it is cut, for precision. */
const WORKGROUPS = 64;
const LONGEST = 4096;

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  const lanes = x.device.subgroupLanes!;
  const [kh, kw] = g.kernel;
  const blocks = kh * kw * Math.ceil(g.inChannels / ROWS) * Math.ceil(g.outChannels / (CHANNELS * lanes));
  const rows = g.batch * g.output[0];
  const wanted = Math.max(Math.ceil(WORKGROUPS / blocks), Math.ceil((rows * g.output[1]) / LONGEST));
  const slice = Math.ceil(rows / wanted);
  const slices = Math.ceil(rows / slice);
  const sums = slices === 1 ? dw : DeviceArray.empty(x.device, [slices, ...dw.shape], { models: x.models });
  runKernel(
    x.device,
    { name: 'conv2d_weight_grad_gemm', code: weightGradCode, constants: { LANES: lanes } },
    [...geometryParams(g), slice, slices, STORE_ROUNDS],
    [x, dy, sums],
    [slices, blocks, x.models],
    { flops: convFlops(g, x.models) },
  );
  if (sums === dw) return;
  addSlices(sums, dw, slices, g);
  sums.dispose();
}
