import type { Device } from '../gpu/device.ts';
import { addSlices } from './add-slices.ts';
import { DeviceArray } from './array.ts';
import { type ConvGeometry, convFlops, turned } from './conv-geometry.ts';
import { forwardCode, type StreamSizes, storesARound, weightGradCode, weightsARound } from './conv2d-stream-code.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from './epilogue.ts';
import { packFilter } from './pack-filter.ts';
import { runKernel } from './run.ts';

// The convolutions of few channels, for adapters with subgroups of eight lanes or more. See the shaders for why.

/** Multiply-adds of a loop, all written out: more are faster, but a driver takes a second to compile a thousand. */
const WRITTEN_OUT = 1100;
/** Columns, beyond which the lanes' loads and stores would take the driver longer than the rest. */
const LONGEST_TILE = 16;
/** Weights an invocation may hold. */
const HELD = 400;
/** Workgroups worth having, so that every core gets some. */
const WORKGROUPS = 64;

/** The texts made so far: writing one takes longer than all else in a call. */
const texts = new Map<string, string>();
function textFor(name: string, write: (sizes: StreamSizes) => string, sizes: StreamSizes): string {
  const key = `${name} ${JSON.stringify(sizes)}`;
  const text = texts.get(key) ?? write(sizes);
  texts.set(key, text);
  return text;
}

/** How the kernels cut their work; null where they do not serve. */
function sizesFor(g: ConvGeometry): StreamSizes | null {
  const plain = [...g.strides, ...g.dilation].every((n) => n === 1);
  const taps = g.kernel[0] * g.kernel[1] * g.inChannels;
  if (!plain || g.batch * g.outChannels * taps === 0 || taps > HELD) return null;
  const { inChannels, kernel } = g;
  const [width, inWidth, padLeft] = [g.output[1], g.input[1], g.pad[1]];
  const padRight = Math.max(0, width - 1 + kernel[1] - padLeft - inWidth);
  if ((inWidth * inChannels) % 4 !== 0) return null;
  const multiple = padLeft + padRight === 0 ? 2 : 4; // of values that tiles start at: see the text
  for (let tile = Math.min(LONGEST_TILE, width, Math.floor(WRITTEN_OUT / taps)); tile > 0; tile--) {
    if (width % tile === 0 && (tile * inChannels) % multiple === 0)
      return { inChannels, kernel, tile, padLeft, padRight };
  }
  return null;
}

/** Whether enough is written out for the multiply-adds to outweigh what surrounds them. */
export function pays(g: ConvGeometry): boolean {
  const sizes = sizesFor(g);
  return sizes !== null && sizes.tile * sizes.kernel[0] * sizes.kernel[1] * sizes.inChannels >= 200;
}

const serves = (device: Device, g: ConvGeometry) => device.subgroupLanes !== null && sizesFor(g) !== null;
export const servesForward = serves;
export const servesInputGrad = (device: Device, g: ConvGeometry): boolean =>
  g.strides[0] === 1 && g.strides[1] === 1 && serves(device, turned(g));
export const servesWeightGrad = serves;

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
  epilogue: Epilogue,
): void {
  const lanes = x.device.subgroupLanes!;
  const sizes = sizesFor(g)!;
  const { slice, slices, blocks } = cut(g, sizes.tile, lanes);
  const taps = g.kernel[0] * g.kernel[1] * g.inChannels;
  runKernel(
    x.device,
    withEpilogue(
      { name: 'conv2d_stream', code: textFor('forward', forwardCode, sizes), constants: { LANES: lanes } },
      epilogue.activation,
    ),
    [
      ...[g.batch, ...g.input, ...g.output, g.outChannels, g.pad[0], slice],
      ...[taps / weightsARound(sizes), sizes.tile / storesARound(sizes), ...epilogueFlags(epilogue)],
    ],
    [x, filter, epilogueArray(epilogue, filter), y],
    [slices, blocks, y.models],
    { flops: convFlops(g, y.models) },
  );
}

/** dx is the full correlation of dy with the turned filter: the forward kernel on other arrays. */
export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  const [row, column] = [g.outChannels, g.inChannels].map((places) => ({ places, width: 4 }));
  const weights = packFilter(filter, g, true, row!, column!);
  forward(dy, weights, turned(g), dx, {});
  weights.dispose();
}

export function weightGrad(
  x: DeviceArray,
  dy: DeviceArray,
  g: ConvGeometry,
  dw: DeviceArray,
  columnSums?: DeviceArray,
): void {
  const lanes = x.device.subgroupLanes!;
  const sizes = sizesFor(g)!;
  const { slice, slices, blocks } = cut(g, sizes.tile, lanes);
  const sliceSize = dw.size + (columnSums ? columnSums.size : 0);
  const partial = DeviceArray.empty(x.device, [slices, sliceSize], { models: x.models });
  runKernel(
    x.device,
    {
      name: 'conv2d_weight_grad_stream',
      code: textFor('weight gradient', weightGradCode, sizes),
      constants: { LANES: lanes },
    },
    [
      ...[g.batch, ...g.input, ...g.output, g.outChannels, g.pad[0]],
      ...[slice, slices, g.kernel[1] * g.inChannels, sliceSize, columnSums ? 1 : 0],
    ],
    [x, dy, partial],
    [slices, blocks, x.models],
    { flops: convFlops(g, x.models) },
  );
  addSlices(partial, dw, slices, g, { columnSums });
  partial.dispose();
}
