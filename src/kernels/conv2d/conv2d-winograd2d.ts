import outputCode from '../../../shaders/conv2d/winograd2d_output.wgsl';
import tilesCode from '../../../shaders/conv2d/winograd2d_tiles.wgsl';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray } from '../array.ts';
import { type Epilogue, epilogueArray, epilogueFlags, withEpilogue } from '../epilogue.ts';
import { matmul } from '../matmul/matmul.ts';
import { chunkRanges, elementwiseWorkgroups, f32Bits, runKernel, vectorized, vectorWidthFor } from '../run.ts';
import { type ConvGeometry, inputGradGeometry } from './conv-geometry.ts';
import { type Winograd, winograd } from './winograd.ts';

// Convolutions by Winograd's algorithm in both directions. With its three matrices, for a tile of the output and the window of x under it
//   y = O ((F w F') * (I x I')) O'
// and the gradient for w, where dy is the gradient of the tile,
//   dw = F' (sum over tiles of (O' dy O) * (I x I')) F
// Each factor is transformed once for all channels of the other. What remains is a matrix product at each point.

type Pair = readonly [number, number];
type Matrix = readonly (readonly number[])[];

/**
 * Most points along an axis, as in the kernels. For 3x3 filters over 32 random images of 32x32x32 and of 8x8x128, the relative error of the
 * gradient was 2.3e-6 and 8.5e-7 (root mean square, lavapipe); that of conv2d_weight_grad_gemm was 5.1e-7 and 3.8e-7.
 */
const MAX_POINTS = 6;
/** Bytes of scratch at once, unless one image needs more. Otherwise a batch of a large network would take several times its activations. */
const MAX_SCRATCH_BYTES = 2 ** 25;

/** Rows or columns of a tile, chosen for the fewest products; undefined for filter lengths without a possible tile. */
function tileFor(size: number, taps: number): number | undefined {
  const products = (tile: number) => Math.ceil(size / tile) * (tile + taps - 1);
  const possible = [4, 3, 2].filter((tile) => tile + taps - 1 <= MAX_POINTS && (tile + taps) % 2 === 1);
  return possible.sort((a, b) => products(a) - products(b))[0];
}

interface Plan {
  /** The algorithms along rows and columns. */
  along: readonly [Winograd, Winograd];
  /** Tiles of an image, down and across. */
  tiles: Pair;
  points: number;
  /** Transformed elements: of x and y (or their gradients) for one image, and of the filter. */
  values: { x: number; y: number; filter: number };
}

/** The tiles and points; null if the variant does not support the shape. */
function planFor(g: ConvGeometry): Plan | null {
  const [high, wide] = [tileFor(g.output[0], g.kernel[0]), tileFor(g.output[1], g.kernel[1])];
  const plain = [...g.strides, ...g.dilation].every((n) => n === 1);
  const empty = g.batch * g.inChannels * g.outChannels === 0;
  if (!high || !wide || !plain || empty || Math.min(...g.kernel) < 2) return null;
  const along = [winograd(high, g.kernel[0]), winograd(wide, g.kernel[1])] as const;
  const tiles = [Math.ceil(g.output[0] / high), Math.ceil(g.output[1] / wide)] as const;
  const points = along[0].points * along[1].points;
  const image = points * tiles[0] * tiles[1];
  const values = {
    x: image * g.inChannels,
    y: image * g.outChannels,
    filter: points * g.inChannels * g.outChannels,
  };
  return { along, tiles, points, values };
}

const fits = (device: Device, plan: Plan | null) =>
  plan !== null && 4 * Math.max(...Object.values(plan.values)) <= device.largestArray;
export const supportsForward = (device: Device, g: ConvGeometry): boolean =>
  g.outChannels % 4 === 0 && fits(device, planFor(g));
export const supportsInputGrad = (device: Device, g: ConvGeometry): boolean =>
  supportsForward(device, inputGradGeometry(g));
export const supportsWeightGrad = (device: Device, g: ConvGeometry): boolean => fits(device, planFor(g));

/** Multiply-adds of the direct convolution of one replica, including those on padding. */
const direct = ({ batch, output, kernel, inChannels, outChannels }: ConvGeometry) =>
  batch * output[0] * output[1] * kernel[0] * kernel[1] * inChannels * outChannels;

/**
 * Whether this variant is faster than another kernel, by a model of the costs on lavapipe: products, transforms of x and the filter, and
 * the transform of the sums.
 * @param relativeCost time per multiply-add of the other kernel, relative to the one-dimensional Winograd kernel
 */
export function isForwardProfitable(g: ConvGeometry, relativeCost: number): boolean {
  const plan = planFor(g);
  if (!plan) return false;
  const [x, sums] = [g.batch * plan.values.x, g.batch * plan.values.y];
  return 1.4 * x * g.outChannels + 65 * (x + plan.values.filter) + 100 * sums < relativeCost * direct(g);
}

/** Whether the weight gradient of this variant is faster than conv2d_weight_grad_gemm. */
export function isWeightGradProfitable(g: ConvGeometry): boolean {
  const plan = planFor(g);
  if (!plan) return false;
  const [x, dy] = [g.batch * plan.values.x, g.batch * plan.values.y];
  return 0.8 * x * g.outChannels + 30 * (x + dy + plan.values.filter) < direct(g);
}

/** Images and the windows to transform. */
interface Windows {
  /** Images of a replica. */
  images: number;
  /** The images to transform. */
  part: { first: number; count: number };
  size: Pair;
  channels: number;
  tiles: Pair;
  /** Pixels from one window to the next. */
  step: Pair;
  pad: Pair;
  replicas: number;
  /** The first replica in x and the first in y. */
  firstReplicas: Pair;
  /** Whether to add to y instead of overwriting it. */
  adds?: boolean;
}

const transposed = (m: Matrix): Matrix => m[0]!.map((_, column) => m.map((row) => row[column]!));

/** The columns of a matrix as the kernels expect them, each padded to `length`. */
const columnsOf = (m: Matrix, length: 4 | 8) =>
  Array.from({ length: MAX_POINTS }, (_, a) => Array.from({ length }, (_, i) => f32Bits(m[i]?.[a] ?? 0))).flat();

/** y = rows x columns' for every window of x. */
function transform(x: DeviceArray, y: DeviceArray, [rows, columns]: readonly Matrix[], windows: Windows): void {
  const { images, part, size, tiles, step, pad, replicas, firstReplicas, adds = false } = windows;
  const vectorWidth = vectorWidthFor(windows.channels);
  const channels = windows.channels / vectorWidth;
  runKernel(
    x.device,
    vectorized('winograd2d_tiles', tilesCode, vectorWidth),
    [
      ...[part.count, ...size, channels, ...tiles, ...step, ...pad],
      ...[rows![0]!.length, columns![0]!.length, rows!.length, columns!.length],
      ...[images, part.first, ...firstReplicas, adds ? 1 : 0, 0],
      ...[...columnsOf(rows!, 8), ...columnsOf(columns!, 8)],
    ],
    [x, y],
    elementwiseWorkgroups(part.count * tiles[0] * tiles[1] * channels, replicas),
  );
}

/** Ranges of images and of replicas that fit into scratch. The images depend on one replica alone, so the bits do not depend on the number of replicas. */
function chunkImages(device: Device, batch: number, replicas: number, values: { image: number; replica: number }) {
  const capacity = Math.min(MAX_SCRATCH_BYTES, device.largestArray) / 4;
  const images = chunkRanges(batch, Math.max(1, Math.floor(capacity / values.image)));
  const perReplica = images[0]!.count * values.image + values.replica;
  return { images, groups: chunkRanges(replicas, Math.max(1, Math.floor(capacity / perReplica))) };
}

/** The whole image as one window, as filters are transformed. */
const whole = (size: Pair) =>
  ({ images: 1, part: { first: 0, count: 1 }, size, tiles: [1, 1], step: [1, 1], pad: [0, 0] }) as const;

/** A convolution; if `flip`, with its filter rotated by 180 degrees and its channels exchanged. */
function correlate(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
  flip: boolean,
): void {
  const { along, tiles, points, values } = planFor(g)!;
  const { batch, inChannels, outChannels } = g;
  const step = [along[0].outputs, along[1].outputs] as const;
  const toWindows = along.map(({ input }) => input);
  const toWeights = along.map((axis) => axis.filter.map((row) => (flip ? [...row].reverse() : row)));
  const toPixels = along.map(({ output }) => output);
  const { images, groups } = chunkImages(x.device, batch, x.replicas, {
    image: values.x + values.y,
    replica: values.filter,
  });
  for (const { first, count: replicas } of groups) {
    const atPoints = (...shape: [number, number]) => DeviceArray.empty(x.device, [points, ...shape], { replicas });
    const weights = flip ? atPoints(outChannels, inChannels) : atPoints(inChannels, outChannels);
    const channels = inChannels * outChannels;
    transform(filter, weights, toWeights, { ...whole(g.kernel), channels, replicas, firstReplicas: [first, 0] });
    for (const part of images) {
      const count = part.count * tiles[0] * tiles[1];
      const [windows, sums] = [atPoints(count, inChannels), atPoints(count, outChannels)];
      const common = { images: batch, part, tiles, step, replicas, firstReplicas: [first, 0] as const };
      transform(x, windows, toWindows, { ...common, size: g.input, channels: inChannels, pad: g.pad });
      matmul(windows, weights, { transposeB: flip, into: sums });
      storeOutput(sums, y, toPixels, { ...common, size: g.output, channels: outChannels, first, epilogue });
      for (const scratch of [windows, sums]) scratch.dispose();
    }
    weights.dispose();
  }
}

/** y = act(rows sums columns' + bias) for every tile of y. */
function storeOutput(
  sums: DeviceArray,
  y: DeviceArray,
  [rows, columns]: readonly Matrix[],
  to: Pick<Windows, 'images' | 'part' | 'size' | 'tiles' | 'step' | 'channels' | 'replicas'> & {
    first: number;
    epilogue: Epilogue;
  },
): void {
  const { images, part, size, tiles, step, replicas, first, epilogue } = to;
  const channels = to.channels / 4;
  runKernel(
    y.device,
    withEpilogue({ name: 'winograd2d_output', code: outputCode }, epilogue.activation),
    [
      ...[part.count, ...size, channels, ...tiles, ...step, rows![0]!.length, columns![0]!.length],
      ...[images, part.first, first, ...epilogueFlags(epilogue), 0],
      ...[...columnsOf(rows!, 4), ...columnsOf(columns!, 4)],
    ],
    [sums, epilogueArray(epilogue, sums), y],
    elementwiseWorkgroups(part.count * tiles[0] * tiles[1] * channels, replicas),
  );
}

export function forward(
  x: DeviceArray,
  filter: DeviceArray,
  g: ConvGeometry,
  y: DeviceArray,
  epilogue: Epilogue,
): void {
  correlate(x, filter, g, y, epilogue, false);
}

/** dx is the full correlation of dy with the flipped filter, so the forward pass computes it. */
export function inputGrad(dy: DeviceArray, filter: DeviceArray, g: ConvGeometry, dx: DeviceArray): void {
  correlate(dy, filter, inputGradGeometry(g), dx, {}, true);
}

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  const { along, tiles, points, values } = planFor(g)!;
  const { batch, inChannels, outChannels } = g;
  const step = [along[0].outputs, along[1].outputs] as const;
  const toWindows = along.map(({ input }) => input);
  const toGrads = along.map(({ output }) => transposed(output));
  const toFilter = along.map(({ filter }) => transposed(filter));
  const { images, groups } = chunkImages(x.device, batch, x.replicas, {
    image: values.x + values.y,
    replica: values.filter,
  });
  for (const { first, count: replicas } of groups) {
    for (const part of images) {
      const count = part.count * tiles[0] * tiles[1];
      const atPoints = (...shape: [number, number]) => DeviceArray.empty(x.device, [points, ...shape], { replicas });
      const [windows, grads] = [atPoints(count, inChannels), atPoints(count, outChannels)];
      const sums = atPoints(inChannels, outChannels);
      const common = { images: batch, part, tiles, step, replicas, firstReplicas: [first, 0] as const };
      transform(x, windows, toWindows, { ...common, size: g.input, channels: inChannels, pad: g.pad });
      transform(dy, grads, toGrads, { ...common, size: g.output, channels: outChannels, pad: [0, 0] });
      matmul(windows, grads, { transposeA: true, into: sums });
      transform(sums, dw, toFilter, {
        ...whole([along[0].points, along[1].points]),
        ...{ channels: inChannels * outChannels, replicas, firstReplicas: [0, first], adds: part.first > 0 },
      });
      for (const scratch of [windows, grads, sums]) scratch.dispose();
    }
  }
}
