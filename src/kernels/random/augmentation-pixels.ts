import stateCode from '../../../shaders/optimizers/step_state.wgsl';
import contrastCode from '../../../shaders/random/contrast.wgsl';
import contrastClipCode from '../../../shaders/random/contrast_clip.wgsl';
import contrastMaskCode from '../../../shaders/random/contrast_mask.wgsl';
import eraseCode from '../../../shaders/random/erase.wgsl';
import eraseConstantCode from '../../../shaders/random/erase_constant.wgsl';
import eraseNoiseCode from '../../../shaders/random/erase_noise.wgsl';
import philoxCode from '../../../shaders/random/philox.wgsl';
import type { KernelSource } from '../../gpu/pipelines.ts';
import type { DeviceArray } from '../array.ts';
import { withFloatBits } from '../float-bits.ts';
import { stateOf } from '../optimizers/step-state.ts';
import { reduceMiddle } from '../reduce/reduce-variants.ts';
import { elementwiseWorkgroups, f32Bits, output, runKernel } from '../run.ts';
import { type AugmentDraw, checkImages, drawImages, keysOf, purposeOf, type Range, spanOf } from './augmentation.ts';

/** Smallest and largest value of a pixel. */
export type ValueRange = readonly [low: number, high: number];

/** Options of a random change of contrast. */
export interface Contrast {
  factor: Range;
  valueRange: ValueRange;
}

/** The values that the gradient of `randomContrast` needs: the draws, and the means [N, C] of the images. */
export interface ContrastSample {
  draws: DeviceArray;
  means: DeviceArray;
}

/** Means of x [N, pixels, C] over the pixels: [N, C]. */
function imageMeans(x: DeviceArray): DeviceArray {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const means = output(x.device, [batch, channels], x.replicas);
  const layout = { outer: batch * x.replicas, rows: height * width, channels };
  reduceMiddle('reduceSum', x, layout, means, { factor: 1 / (height * width) });
  return means;
}

function runContrast(
  x: DeviceArray,
  { draws, means }: ContrastSample,
  valueRange: ValueRange | null,
  options: { dy?: DeviceArray; into?: DeviceArray } = {},
): DeviceArray {
  const { dy, into } = options;
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const y = output(x.device, x.shape, x.replicas, into);
  const [low, high] = valueRange ?? [0, 0];
  const source = dy
    ? { name: 'contrast_mask', code: contrastCode + contrastMaskCode }
    : { name: 'contrast', code: contrastCode + contrastClipCode };
  runKernel(
    x.device,
    withFloatBits(source),
    [batch * x.replicas, height * width, channels, f32Bits(low), f32Bits(high), valueRange ? 1 : 0],
    [draws, x, means, y, ...(dy ? [dy] : [])],
    elementwiseWorkgroups(batch * x.replicas * height * width),
  );
  return y;
}

/**
 * Changes the contrast of images x [N, H, W, C], each by a separate random factor. Memory-bound.
 *
 *     y = (x - mean) factor + mean within the value range, mean over the pixels of a channel
 * @returns y with the values that `randomContrastGrad` needs; the caller owns them
 * @throws ArgumentError, ShapeError if x is not a batch of images
 */
export function randomContrast(
  operator: string,
  x: DeviceArray,
  { factor, valueRange }: Contrast,
  draw: AugmentDraw,
): { y: DeviceArray; sample: ContrastSample } {
  const [batch, height, width] = checkImages(operator, x);
  const y = spanOf(factor, 2 ** 22);
  const draws = drawImages(x.device, { batch, replicas: x.replicas }, { kind: 'contrast', y, height, width }, draw);
  const sample = { draws, means: imageMeans(x) };
  return { y: runContrast(x, sample, valueRange), sample };
}

/**
 * Gradient of `randomContrast`: with g = dy where the value was not clipped, else 0, dx = (g - mean of g) factor + mean of g, the same
 * change of contrast.
 */
export function randomContrastGrad(
  x: DeviceArray,
  dy: DeviceArray,
  sample: ContrastSample,
  valueRange: ValueRange,
  into?: DeviceArray,
): DeviceArray {
  const g = runContrast(x, sample, valueRange, { dy });
  const means = imageMeans(g);
  const dx = runContrast(g, { draws: sample.draws, means }, null, { into });
  for (const temporary of [g, means]) temporary.dispose();
  return dx;
}

/** Options of random erasing. */
export interface Erasing {
  /** Probability that a rectangle is erased in an image; drawn for each image. */
  factor: Range;
  /** Share of the image's area that the sides of a rectangle are the roots of. */
  scale: Range;
  /** A value for all channels or one for each, as 32-bit floats; null for noise. */
  fillValue: number | readonly number[] | null;
  valueRange: ValueRange;
}

/**
 * Erases a random rectangle of each image of x [N, H, W, C]. Memory-bound.
 * @returns y with the draws, which hold the rectangles for `eraseGrad`; the caller owns them
 * @throws ArgumentError, ShapeError if x is not a batch of images
 */
export function randomErasing(
  operator: string,
  x: DeviceArray,
  { factor, scale, fillValue, valueRange }: Erasing,
  draw: AugmentDraw,
): { y: DeviceArray; draws: DeviceArray } {
  const [batch, height, width, channels] = checkImages(operator, x);
  const side = spanOf(scale, 2 ** 30);
  const spans = { kind: 'erasing' as const, y: side, x: side, p: spanOf(factor, 2 ** 31), height, width };
  const draws = drawImages(x.device, { batch, replicas: x.replicas }, spans, draw);
  if (fillValue !== null) {
    const fills = Array.from({ length: channels }, (_, c) =>
      typeof fillValue === 'number' ? fillValue : fillValue[c]!,
    );
    const clipped = fills.map((value) => Math.min(Math.max(value, valueRange[0]), valueRange[1]));
    return { y: erase(x, draws, clipped), draws };
  }
  const y = output(x.device, x.shape, x.replicas);
  runErase(
    x,
    y,
    draws,
    { name: 'erase_noise', code: stateCode + philoxCode + eraseCode + eraseNoiseCode },
    {
      words: [draw.layer, purposeOf('erasing', draw), f32Bits(valueRange[0]), f32Bits(valueRange[1])],
      bindings: [stateOf(x.device, draw.step), keysOf(x.device, draw.seed, x.replicas)],
    },
  );
  return { y, draws };
}

/** Copies x, with `fills` (one value for each channel) in the rectangles of `draws`. */
function erase(x: DeviceArray, draws: DeviceArray, fills: readonly number[], into?: DeviceArray): DeviceArray {
  const y = output(x.device, x.shape, x.replicas, into);
  runErase(
    x,
    y,
    draws,
    { name: 'erase', code: eraseCode + eraseConstantCode },
    {
      words: [0, 0, 0, 0],
      bindings: [x.device.uniform(Uint32Array.from(fills, f32Bits))],
    },
  );
  return y;
}

function runErase(
  x: DeviceArray,
  y: DeviceArray,
  draws: DeviceArray,
  source: KernelSource,
  { words, bindings }: { words: readonly number[]; bindings: readonly (GPUBuffer | GPUBufferBinding)[] },
): void {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const sizes = [batch * x.replicas, batch, height, width, channels];
  const groups = elementwiseWorkgroups(batch * x.replicas * height * width);
  runKernel(x.device, source, [...sizes, ...words], [draws, x, y, ...bindings], groups);
}

/** Gradient of `randomErasing`: dy, but 0 in the erased rectangles. */
export const eraseGrad = (dy: DeviceArray, draws: DeviceArray, into?: DeviceArray): DeviceArray =>
  erase(dy, draws, Array(dy.shape[3]!).fill(0), into);
