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

/** Points along an axis: how much rounding grows by is that of one direction, squared. As many as the kernel has room for. */
const MOST_POINTS = 6;
/** What moving a value to its point costs in multiply-adds of a product, on lavapipe; and what one costs here of one in the others. */
const [MOVED, PRODUCT] = [30, 0.8];

/** Rows or columns of a tile: those for which the fewest products are to be computed. None for some lengths of the filter. */
function tileFor(size: number, taps: number): number | undefined {
  const products = (tile: number) => Math.ceil(size / tile) * (tile + taps - 1);
  const possible = [4, 3, 2].filter((tile) => tile + taps - 1 <= MOST_POINTS && (tile + taps) % 2 === 1);
  return possible.sort((a, b) => products(a) - products(b))[0];
}

/** How the work of a model is cut. */
interface Plan {
  /** The algorithm down the image and across. */
  along: readonly [Winograd, Winograd];
  tiles: Pair;
  /** Of all images. */
  allTiles: number;
  points: number;
  /** Values at all points: of x, of dy and of the filter. */
  moved: readonly [number, number, number];
}

/** Null where it does not serve. */
function planFor(g: ConvGeometry): Plan | null {
  const [high, wide] = [tileFor(g.output[0], g.kernel[0]), tileFor(g.output[1], g.kernel[1])];
  const plain = [...g.strides, ...g.dilation].every((n) => n === 1);
  if (!high || !wide || !plain || Math.min(...g.kernel) < 2 || g.batch * g.inChannels * g.outChannels === 0)
    return null;
  const along = [winograd(high, g.kernel[0]), winograd(wide, g.kernel[1])] as const;
  const tiles = [Math.ceil(g.output[0] / high), Math.ceil(g.output[1] / wide)] as const;
  const allTiles = g.batch * tiles[0] * tiles[1];
  const points = along[0].points * along[1].points;
  const values = (n: number) => points * n;
  const moved = [
    values(allTiles * g.inChannels),
    values(allTiles * g.outChannels),
    values(g.inChannels * g.outChannels),
  ];
  return { along, tiles, allTiles, points, moved: moved as [number, number, number] };
}

export function servesWeightGrad(device: Device, g: ConvGeometry): boolean {
  const plan = planFor(g);
  return plan !== null && 4 * Math.max(...plan.moved) <= device.largestArray;
}

/** Whether it is faster than computing all products, as measured on lavapipe. */
export function weightGradPays(g: ConvGeometry): boolean {
  const plan = planFor(g);
  if (!plan) return false;
  const { inChannels, outChannels, kernel, output, batch } = g;
  const direct = batch * output[0] * output[1] * kernel[0] * kernel[1] * inChannels * outChannels;
  const moved = plan.moved.reduce((sum, values) => sum + values);
  return PRODUCT * plan.points * plan.allTiles * inChannels * outChannels + MOVED * moved < direct;
}

/** Images, and how they are cut into windows. */
interface Windows {
  batch: number;
  size: Pair;
  channels: number;
  tiles: Pair;
  /** From one window to the next. */
  step: Pair;
  pad: Pair;
  models: number;
  /** Of those in x, and in y, the first. */
  firstModels: Pair;
}

const transposed = (m: Matrix): Matrix => m[0]!.map((_, column) => m.map((row) => row[column]!));

/** A matrix's columns, as the kernel has them: each filled up. */
const columnsOf = (m: Matrix) =>
  Array.from({ length: MOST_POINTS }, (_, a) => Array.from({ length: 8 }, (_, i) => f32(m[i]?.[a] ?? 0))).flat();

/** y = rows x columns' for every window of x. */
function transform(x: DeviceArray, y: DeviceArray, [rows, columns]: readonly Matrix[], windows: Windows): void {
  const { batch, size, tiles, step, pad, models, firstModels } = windows;
  const lanes = lanesOf(windows.channels);
  const channels = windows.channels / lanes;
  runKernel(
    x.device,
    laned('winograd_tiles', tilesCode, lanes),
    [
      ...[batch, ...size, channels, ...tiles, ...step, ...pad],
      ...[rows![0]!.length, columns![0]!.length, rows!.length, columns!.length, ...firstModels],
      ...[...columnsOf(rows!), ...columnsOf(columns!)],
    ],
    [x, y],
    elementwise(batch * tiles[0] * tiles[1] * channels, models),
  );
}

export function weightGrad(x: DeviceArray, dy: DeviceArray, g: ConvGeometry, dw: DeviceArray): void {
  const { along, tiles, allTiles, points, moved } = planFor(g)!;
  const { inChannels, outChannels } = g;
  // Of several models as many at once as arrays hold; no model's bits depend on that.
  const together = Math.floor(x.device.largestArray / (4 * Math.max(...moved)));
  for (const { first, count: models } of parts(x.models, together)) {
    const atPoints = (rows: number, columns: number) =>
      DeviceArray.empty(x.device, [points, rows, columns], { models });
    const [windows, grads] = [atPoints(allTiles, inChannels), atPoints(allTiles, outChannels)];
    const sums = atPoints(inChannels, outChannels);
    const step = [along[0].outputs, along[1].outputs] as const;
    const images = { batch: g.batch, tiles, step, models, firstModels: [first, 0] as const };
    const into = along.map(({ input }) => input);
    const back = along.map(({ output }) => transposed(output));
    transform(x, windows, into, { ...images, size: g.input, channels: inChannels, pad: g.pad });
    transform(dy, grads, back, { ...images, size: g.output, channels: outChannels, pad: [0, 0] });
    matmul(windows, grads, { transposeA: true, into: sums });
    // The points of a filter are an image of their own, all of it one window.
    const filter = along.map((axis) => transposed(axis.filter));
    transform(sums, dw, filter, {
      ...{ batch: 1, size: [along[0].points, along[1].points], channels: inChannels * outChannels },
      ...{ tiles: [1, 1], step: [1, 1], pad: [0, 0], models, firstModels: [0, first] },
    });
    for (const scratch of [windows, grads, sums]) scratch.dispose();
  }
}
