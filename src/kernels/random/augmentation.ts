import stateCode from '../../../shaders/optimizers/step_state.wgsl';
import affineSampleCode from '../../../shaders/random/affine_sample.wgsl';
import affineSampleGradCode from '../../../shaders/random/affine_sample_grad.wgsl';
import affineSourceCode from '../../../shaders/random/affine_source.wgsl';
import drawsCode from '../../../shaders/random/augment_draws.wgsl';
import philoxCode from '../../../shaders/random/philox.wgsl';
import { ShapeError } from '../../base/errors.ts';
import { keyOf, PURPOSES, type Seeds, seedOf } from '../../base/random.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray, showShape } from '../array.ts';
import { type StepState, stateOf } from '../optimizers/step-state.ts';
import { checkDType, checkRank, chunkRanges, elementwiseWorkgroups, f32Bits, output, runKernel } from '../run.ts';

/** The values that determine the draws of a random image layer. */
export interface AugmentDraw {
  seed: Seeds;
  /** Index of the layer in its model, or its own seed if it has one. */
  layer: number;
  hasOwnSeed: boolean;
  /** A number, or the uniform that a recorded step reads its number from. */
  step: number | StepState;
}

/** A uniform range: `low` included, `high` excluded; `low` if they are equal. */
export interface Range {
  low: number;
  high: number;
}

/** A random map, by the numbers of the layers: see src/nn/layers/random-affine.ts. */
export type AffineDraw =
  | { kind: 'flip'; horizontal: boolean; vertical: boolean }
  /** Fractions of height (down) and width (to the right). */
  | { kind: 'shift'; rows: Range; columns: Range }
  /** A window of this size, anywhere in the image. */
  | { kind: 'crop'; height: number; width: number }
  /** Turns, counterclockwise. */
  | { kind: 'rotation'; turns: Range }
  /** Input pixels per output pixel; with `columns` null, the same as for rows. */
  | { kind: 'zoom'; rows: Range; columns: Range | null };

/** The kinds of shaders/random/augment_draws.wgsl, by their numbers there. */
const KINDS = ['flip', 'shift', 'crop', 'rotation', 'zoom', 'contrast', 'erasing'] as const;

/** The range from which a kernel draws integers: `low + floor(bits span / 2^32)`. */
interface Span {
  low: number;
  span: number;
}

/** A range in units of 1 / `unit`. */
export const spanOf = ({ low, high }: Range, unit: number): Span => {
  const first = Math.round(low * unit);
  return { low: first, span: Math.round(high * unit) - first };
};
const NONE: Span = { low: 0, span: 0 };
/** One of the integers 0 .. count - 1. */
const oneOf = (count: number): Span => ({ low: 0, span: count });

/** The ranges from which `drawImages` draws for each image. */
export interface Spans {
  kind: (typeof KINDS)[number];
  y: Span;
  x?: Span;
  /** Whether x is drawn with the bits of y. */
  linked?: boolean;
  /** Probability, for `erasing`. */
  p?: Span;
  height: number;
  width: number;
}

/** Largest side for which positions fit the integers of shaders/random/affine_source.wgsl. */
export const MAX_SIDE = 8192;

/** The random keys of the seeds of all replicas. */
export const keysOf = (device: Device, seed: Seeds, replicas: number) =>
  device.uniform(Uint32Array.from(Array.from({ length: replicas }, (_, r) => keyOf(seedOf(seed, r))).flat()));

/** Added to the purpose if a layer has its own seed, so that the seed never equals the index of another layer. */
const OWN_SEED = 256;
export const purposeOf = (purpose: keyof typeof PURPOSES, draw: AugmentDraw) =>
  PURPOSES[purpose] + (draw.hasOwnSeed ? OWN_SEED : 0);

/** Draws for each of `batch` images: [batch, 8] i32, see shaders/random/augment_draws.wgsl. */
export function drawImages(
  device: Device,
  { batch, replicas }: { batch: number; replicas: number },
  { kind, y, x = NONE, linked = false, p = NONE, height, width }: Spans,
  draw: AugmentDraw,
): DeviceArray {
  const draws = DeviceArray.empty(device, [batch, 8], { dtype: 'i32', replicas });
  const words = [
    ...[batch * replicas, batch, KINDS.indexOf(kind), draw.layer, purposeOf('augmentation', draw)],
    ...[height, width, y.low, y.span, x.low, x.span, linked ? 1 : 0, p.low, p.span],
  ];
  runKernel(
    device,
    { name: 'augment_draws', code: stateCode + philoxCode + drawsCode },
    words,
    [stateOf(device, draw.step), keysOf(device, draw.seed, replicas), draws],
    elementwiseWorkgroups(batch * replicas),
  );
  return draws;
}

const PIXEL = 2 ** 16;

/** The ranges of a random map, in the units of the kernel, for images of one size. */
function affineSpans(affine: AffineDraw, height: number, width: number): Spans {
  const size = { height, width };
  switch (affine.kind) {
    case 'flip':
      return { ...size, kind: 'flip', y: oneOf(affine.vertical ? 2 : 1), x: oneOf(affine.horizontal ? 2 : 1) };
    case 'shift': {
      const [y, x] = [spanOf(affine.rows, height * PIXEL), spanOf(affine.columns, width * PIXEL)];
      return { ...size, kind: 'shift', y, x };
    }
    case 'crop': {
      const [y, x] = [oneOf(height - affine.height + 1), oneOf(width - affine.width + 1)];
      return { kind: 'crop', y, x, height: affine.height, width: affine.width };
    }
    case 'rotation':
      return { ...size, kind: 'rotation', y: spanOf(affine.turns, 2 ** 30) };
    case 'zoom': {
      const [y, x] = [affine.rows, affine.columns ?? affine.rows].map((range) => spanOf(range, 2 ** 29));
      return { ...size, kind: 'zoom', y: y!, x: x!, linked: affine.columns === null };
    }
  }
}

/** The modes of shaders/random/affine_source.wgsl, by their numbers there. */
export const FILL_MODES = ['constant', 'nearest', 'reflect', 'wrap'] as const;
export type FillMode = (typeof FILL_MODES)[number];
export const INTERPOLATIONS = ['bilinear', 'nearest'] as const;
export type Interpolation = (typeof INTERPOLATIONS)[number];

/** How an image is sampled between its pixels and beyond them. */
export interface Sampling {
  interpolation: Interpolation;
  fillMode: FillMode;
  fillValue: number;
}

/** Shape of x [N, H, W, C]. @throws ArgumentError, ShapeError if x is not a batch of images, or if they are too large */
export function checkImages(operator: string, x: DeviceArray): [number, number, number, number] {
  checkDType(operator, 'the input', x, 'f32');
  checkRank(operator, 'the input', x, 4, 'batch, height, width, channels');
  const [, height, width] = x.shape as [number, number, number, number];
  if (Math.max(height, width) > MAX_SIDE || Math.min(height, width) === 0) {
    throw new ShapeError(
      `${operator}: takes images of 1 to ${MAX_SIDE} pixels a side, but is given ${showShape(x.shape)}; resize them first`,
    );
  }
  return x.shape as [number, number, number, number];
}

/** The values that the gradient of `randomAffine` needs. */
export interface AffineSample {
  maps: DeviceArray;
  sampling: Sampling;
  /** Size of an output image. */
  height: number;
  width: number;
}

const affineWords = (shape: readonly number[], replicas: number, { height, width, sampling }: AffineSample) => {
  const [batch, h, w, channels] = shape as [number, number, number, number];
  return [batch * replicas, h, w, channels, height, width, f32Bits(sampling.fillValue)];
};

const affineSource = (name: string, code: string, { fillMode, interpolation }: Sampling) => ({
  name,
  code: affineSourceCode + code,
  constants: { NEAREST: interpolation === 'nearest' ? 1 : 0, FILL: FILL_MODES.indexOf(fillMode) },
});

/**
 * Applies a separate random map to each image of x [N, H, W, C]. Memory-bound.
 * @returns y, of the same size or the size of a crop, with the values that `randomAffineGrad` needs; the caller owns `maps`
 * @throws ArgumentError, ShapeError if x is not a batch of images, or smaller than a crop
 */
export function randomAffine(
  operator: string,
  x: DeviceArray,
  affine: AffineDraw,
  sampling: Sampling,
  draw: AugmentDraw,
): { y: DeviceArray; sample: AffineSample } {
  const [batch, h, w, channels] = checkImages(operator, x);
  const { height, width } = affine.kind === 'crop' ? affine : { height: h, width: w };
  if (height > h || width > w) {
    throw new ShapeError(
      `${operator}: cannot take windows of ${showShape([height, width])} out of ${showShape(x.shape)}`,
    );
  }
  const y = output(x.device, [batch, height, width, channels], x.replicas);
  const maps = drawImages(x.device, { batch, replicas: x.replicas }, affineSpans(affine, h, w), draw);
  const sample = { maps, sampling, height, width };
  runKernel(
    x.device,
    affineSource('affine_sample', affineSampleCode, sampling),
    [...affineWords(x.shape, x.replicas, sample), 0, 0],
    [maps, x, y],
    elementwiseWorkgroups(batch * x.replicas * height * width),
  );
  return { y, sample };
}

/** Most output pixels that an invocation of the gradient processes, so that a dispatch ends long before a GPU's watchdog. */
const MAX_PIXELS_PER_DISPATCH = 2 ** 16;

/** Gradient of `randomAffine` for x of `shape`. */
export function randomAffineGrad(
  dy: DeviceArray,
  sample: AffineSample,
  shape: readonly number[],
  into?: DeviceArray,
): DeviceArray {
  const dx = output(dy.device, shape, dy.replicas, into);
  const [batch, , , channels] = shape as [number, number, number, number];
  const source = affineSource('affine_sample_grad', affineSampleGradCode, sample.sampling);
  for (const { first, count } of chunkRanges(sample.height * sample.width, MAX_PIXELS_PER_DISPATCH)) {
    const words = [...affineWords(shape, dy.replicas, sample), first, count];
    runKernel(dy.device, source, words, [sample.maps, dy, dx], elementwiseWorkgroups(batch * dy.replicas * channels));
  }
  return dx;
}
