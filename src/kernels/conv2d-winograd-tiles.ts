import tilesCode from '../../shaders/winograd_tiles.wgsl';
import type { Device } from '../gpu/device.ts';
import { DeviceArray } from './array.ts';
import type { ConvGeometry } from './conv-geometry.ts';
import { matmul } from './matmul.ts';
import { elementwise, f32, laned, lanesOf, parts, runKernel } from './run.ts';
import { type Winograd, winograd } from './winograd.ts';

// The weight gradient by Winograd's algorithm in both directions. Where the forward pass is y = O ((F w F') * (I x I')) O' for a tile of
// the output and the window of x under it, with the algorithm's three matrices and their transposes, its gradient for w is
//   dw = F' (sum over tiles of (O' dy O) * (I x I')) F
// Both factors of the sum are taken to the points, once for all channels of the other; the sum is a matrix product at each point.

type Pair = readonly [number, number];
type Matrix = readonly (readonly number[])[];

/**
 * Points along an axis, as many as the kernel has room for. For 3x3 filters over 32 images of 32x32x32 and of 8x8x128, drawn at random, the
 * gradient was off by 2.3e-6 and 8.5e-7 of itself (root mean squares, lavapipe), where conv2d_weight_grad_gemm was by 5.1e-7 and 3.8e-7.
 */
const MOST_POINTS = 6;
/** Bytes of scratch at once, unless an image needs more: a batch of a large network would else take several times its activations. */
const SCRATCH = 2 ** 25;
/** What moving a value to its point costs in multiply-adds of a product, on lavapipe; and what one costs here of one in the others. */
const [MOVED, PRODUCT] = [30, 0.8];

/** Rows or columns of a tile: those for which the fewest products are to be computed. None for some lengths of the filter. */
function tileFor(size: number, taps: number): number | undefined {
  const products = (tile: number) => Math.ceil(size / tile) * (tile + taps - 1);
  const possible = [4, 3, 2].filter((tile) => tile + taps - 1 <= MOST_POINTS && (tile + taps) % 2 === 1);
  return possible.sort((a, b) => products(a) - products(b))[0];
}

interface Plan {
  /** The algorithm down the image and across. */
  along: readonly [Winograd, Winograd];
  /** Of an image. */
  tiles: Pair;
  points: number;
  /** Values at all points: of x and dy for an image, and of the filter. */
  values: { x: number; dy: number; filter: number };
}

/** Null where it does not serve. */
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
    dy: image * g.outChannels,
    filter: points * g.inChannels * g.outChannels,
  };
  return { along, tiles, points, values };
}

export function servesWeightGrad(device: Device, g: ConvGeometry): boolean {
  const plan = planFor(g);
  return plan !== null && 4 * Math.max(...Object.values(plan.values)) <= device.largestArray;
}

/** Whether it is faster than computing all products, as measured on lavapipe. */
export function weightGradPays(g: ConvGeometry): boolean {
  const plan = planFor(g);
  if (!plan) return false;
  const { batch, output, kernel, inChannels, outChannels } = g;
  const { x, dy, filter } = plan.values;
  const direct = batch * output[0] * output[1] * kernel[0] * kernel[1] * inChannels * outChannels;
  return PRODUCT * batch * x * outChannels + MOVED * (batch * (x + dy) + filter) < direct;
}

/** Images, and how they are cut into windows. */
interface Windows {
  /** How many images of a model there are, and which are taken. */
  images: number;
  part: { first: number; count: number };
  size: Pair;
  channels: number;
  tiles: Pair;
  /** From one window to the next. */
  step: Pair;
  pad: Pair;
  models: number;
  /** Of those in x, and in y, the first. */
  firstModels: Pair;
  /** Whether to add to what is in y. */
  adds?: boolean;
}

const transposed = (m: Matrix): Matrix => m[0]!.map((_, column) => m.map((row) => row[column]!));

/** A matrix's columns, as the kernel has them: each filled up. */
const columnsOf = (m: Matrix) =>
  Array.from({ length: MOST_POINTS }, (_, a) => Array.from({ length: 8 }, (_, i) => f32(m[i]?.[a] ?? 0))).flat();

/** y = rows x columns' for every window of x. */
function transform(x: DeviceArray, y: DeviceArray, [rows, columns]: readonly Matrix[], windows: Windows): void {
  const { images, part, size, tiles, step, pad, models, firstModels, adds = false } = windows;
  const lanes = lanesOf(windows.channels);
  const channels = windows.channels / lanes;
  runKernel(
    x.device,
    laned('winograd_tiles', tilesCode, lanes),
    [
      ...[part.count, ...size, channels, ...tiles, ...step, ...pad],
      ...[rows![0]!.length, columns![0]!.length, rows!.length, columns!.length],
      ...[images, part.first, ...firstModels, adds ? 1 : 0, 0],
      ...[...columnsOf(rows!), ...columnsOf(columns!)],
    ],
    [x, y],
    elementwise(part.count * tiles[0] * tiles[1] * channels, models),
  );
}

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  const { along, tiles, points, values } = planFor(g)!;
  const { batch, inChannels, outChannels } = g;
  const step = [along[0].outputs, along[1].outputs] as const;
  const toWindows = along.map(({ input }) => input);
  const toGrads = along.map(({ output }) => transposed(output));
  const toFilter = along.map(({ filter }) => transposed(filter));
  // As many images as scratch holds of one model; then as many models as it holds of that: no model's bits depend on their number.
  const room = Math.min(SCRATCH, x.device.largestArray) / 4;
  const images = parts(batch, Math.max(1, Math.floor(room / (values.x + values.dy))));
  const ofModel = images[0]!.count * (values.x + values.dy) + values.filter;
  for (const { first, count: models } of parts(x.models, Math.max(1, Math.floor(room / ofModel)))) {
    for (const part of images) {
      const count = part.count * tiles[0] * tiles[1];
      const atPoints = (...shape: [number, number]) => DeviceArray.empty(x.device, [points, ...shape], { models });
      const [windows, grads] = [atPoints(count, inChannels), atPoints(count, outChannels)];
      const sums = atPoints(inChannels, outChannels);
      const cut = { images: batch, part, tiles, step, models, firstModels: [first, 0] as const };
      transform(x, windows, toWindows, { ...cut, size: g.input, channels: inChannels, pad: g.pad });
      transform(dy, grads, toGrads, { ...cut, size: g.output, channels: outChannels, pad: [0, 0] });
      matmul(windows, grads, { transposeA: true, into: sums });
      // The points of a filter are an image of their own, all of it one window.
      transform(sums, dw, toFilter, {
        ...{ images: 1, part: { first: 0, count: 1 }, size: [along[0].points, along[1].points] },
        ...{ channels: inChannels * outChannels, tiles: [1, 1], step: [1, 1], pad: [0, 0] },
        ...{ models, firstModels: [0, first], adds: part.first > 0 },
      });
      for (const scratch of [windows, grads, sums]) scratch.dispose();
    }
  }
}
