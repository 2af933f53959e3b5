import type { Device } from '../gpu/device.ts';
import { addSlices } from './add-slices.ts';
import { DeviceArray } from './array.ts';
import { type ConvGeometry, turned } from './conv-geometry.ts';
import { forwardCode, type StreamSizes, storesARound, weightGradCode, weightsARound } from './conv2d-stream-code.ts';
import { packFilter } from './pack-filter.ts';
import { runKernel } from './run.ts';

// The convolutions of few channels, for adapters with subgroups of eight lanes or more. See the shaders for why.

/** Multiply-adds of a loop, all written out: more are faster, but a driver takes a second to compile a thousand. */
const WRITTEN_OUT = 1100;
/** Weights an invocation may hold. */
const HELD = 400;
/** Workgroups worth having, so that every core gets some. */
const WORKGROUPS = 64;

/** The texts made so far: writing one takes longer than all else in a call. */
const texts = new Map<string, string>();
function textFor(name: string, write: (sizes: StreamSizes) => string, sizes: StreamSizes): string {
  const key = `${name} ${sizes.inChannels} ${sizes.kernel} ${sizes.tile}`;
  const text = texts.get(key) ?? write(sizes);
  texts.set(key, text);
  return text;
}

/** How the kernels cut their work; null where they do not serve. */
function sizesFor(g: ConvGeometry): StreamSizes | null {
  const plain = [...g.strides, ...g.dilation].every((n) => n === 1);
  const taps = g.kernel[0] * g.kernel[1] * g.inChannels;
  const [width, inWidth] = [g.output[1], g.input[1]];
  // Rows of x are read as vec4, and where a pixel is not whole ones, no window may begin outside the row.
  const whole = g.inChannels % 4 === 0;
  const within = g.pad[1] === 0 && width + g.kernel[1] - 1 <= inWidth && (inWidth * g.inChannels) % 4 === 0;
  if (!plain || g.batch * g.outChannels * taps === 0 || taps > HELD || !(whole || within)) return null;
  for (let tile = Math.min(16, width, Math.floor(WRITTEN_OUT / taps)); tile > 0; tile--) {
    if (width % tile === 0 && (tile * g.inChannels) % 2 === 0)
      return { inChannels: g.inChannels, kernel: g.kernel, tile };
  }
  return null;
}

/** Whether enough is written out for the multiply-adds to outweigh what surrounds them. */
export function pays(g: ConvGeometry): boolean {
  const sizes = sizesFor(g);
  return sizes !== null && sizes.tile * sizes.kernel[0] * sizes.kernel[1] * sizes.inChannels >= 200;
}

/** True when every window lies inside the image. */
const unpadded = (g: ConvGeometry) =>
  [0, 1].every((i) => g.pad[i] === 0 && g.output[i]! + g.kernel[i]! - 1 <= g.input[i]!);

const serves = (device: Device, g: ConvGeometry) => device.subgroupLanes !== null && sizesFor(g) !== null;
export const servesForward = serves;
export const servesInputGrad = (device: Device, g: ConvGeometry): boolean =>
  g.strides[0] === 1 && g.strides[1] === 1 && serves(device, turned(g));
export const servesWeightGrad = (device: Device, g: ConvGeometry): boolean => unpadded(g) && serves(device, g);

/** Slices of the images, and workgroups along x and y. */
function cut(g: ConvGeometry, tile: number, lanes: number) {
  const tiles = g.output[1] / tile;
  const blocks = Math.ceil(g.outChannels / lanes);
  const slice = Math.ceil(g.batch / Math.ceil(WORKGROUPS / (tiles * blocks)));
  return { slice, slices: Math.ceil(g.batch / slice) * tiles, blocks };
}

export function forward(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  { bias, relu = false }: { bias?: DeviceArray | null; relu?: boolean },
): void {
  const lanes = x.device.subgroupLanes!;
  const sizes = sizesFor(g)!;
  const { slice, slices, blocks } = cut(g, sizes.tile, lanes);
  const taps = g.kernel[0] * g.kernel[1] * g.inChannels;
  runKernel(
    x.device,
    { name: 'conv2d_stream', code: textFor('forward', forwardCode, sizes), constants: { LANES: lanes } },
    [
      ...[g.batch, ...g.input, ...g.output, g.outChannels, ...g.pad, slice],
      ...[taps / weightsARound(sizes), sizes.tile / storesARound(sizes), bias ? 1 : 0, relu ? 1 : 0],
    ],
    [x, filter, bias ?? filter, y],
    [slices, blocks, y.models],
  );
}

/** dx is the full correlation of dy with the turned filter: the forward kernel on other arrays. */
export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  const [row, column] = [g.outChannels, g.inChannels].map((places) => ({ places, width: 4 }));
  const weights = packFilter(filter, g, true, row!, column!);
  forward(dy, weights, turned(g), dx, {});
  weights.dispose();
}

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  const lanes = x.device.subgroupLanes!;
  const sizes = sizesFor(g)!;
  const { slice, slices, blocks } = cut(g, sizes.tile, lanes);
  const partial = DeviceArray.empty(x.device, [slices, ...dw.shape], { models: x.models });
  runKernel(
    x.device,
    {
      name: 'conv2d_weight_grad_stream',
      code: textFor('weight gradient', weightGradCode, sizes),
      constants: { LANES: lanes },
    },
    [g.batch, ...g.input, ...g.output, g.outChannels, slice, slices, g.kernel[1] * g.inChannels],
    [x, dy, partial],
    [slices, blocks, x.models],
  );
  addSlices(partial, dw, slices, g);
  partial.dispose();
}
