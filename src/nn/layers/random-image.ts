import type { Tensor } from '../../autograd/tensor.ts';
import { checkF32, formatValue, type OptionNames, readList } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import {
  type AugmentDraw,
  FILL_MODES,
  type FillMode,
  INTERPOLATIONS,
  type Interpolation,
  MAX_SIDE,
  type Range,
  type Sampling,
} from '../../kernels/random/augmentation.ts';
import { imageShape } from './images.ts';
import { type CallContext, Layer } from './layer.ts';
import { type LayerOptions, layerOptionNames } from './options.ts';

/** Options of all random layers of images. */
export interface RandomImageOptions extends LayerOptions {
  /**
   * An integer from 0 to 2^32 - 1 that replaces the layer's index in the model: layers with the same seed draw the same numbers, wherever
   * they are. The seed given to `fit` has an effect too. Default null, the layer's index.
   */
  seed?: number | null;
}
export const randomImageOptionNames: OptionNames<RandomImageOptions> = { ...layerOptionNames, seed: true };

/** Options of layers that sample images between pixels and beyond the border. */
export interface SamplingOptions extends RandomImageOptions {
  /**
   * Pixels beyond the border of `a b c d`: `reflect` (the default) `d c b a | a b c d | d c b a`, `constant`
   * `k k k k | a b c d | k k k k` with k = `fillValue`, `nearest` `a a a a | a b c d | d d d d`, `wrap` `a b c d | a b c d | a b c d`.
   */
  fillMode?: FillMode;
  /** `bilinear` (the default) interpolates between the four surrounding pixels, `nearest` takes the nearest one. */
  interpolation?: Interpolation;
  /** Value for `fillMode: 'constant'`. Default 0. */
  fillValue?: number;
}
export const samplingOptionNames: OptionNames<SamplingOptions> = {
  ...randomImageOptionNames,
  fillMode: true,
  interpolation: true,
  fillValue: true,
};

/** A bound for both directions, or [lower, upper]. */
export type Factor = number | readonly [lower: number, upper: number];

/**
 * The range of a factor as in Keras: a number f means -|f| .. |f|, within the bounds; two numbers are sorted.
 * @param subject layer and option
 * @throws ArgumentError unless `factor` is one or two numbers within the bounds
 */
export function readFactor(subject: string, factor: Factor, [lower, upper]: readonly [number, number]): Range {
  const given = readList(subject, factor) ?? [factor];
  const isLegal = (n: unknown) => typeof n === 'number' && n >= lower && n <= upper;
  const isPair = Array.isArray(factor);
  // A number is a size: its sign does not matter if both directions are allowed.
  if (given.length !== (isPair ? 2 : 1) || !given.every(isLegal)) {
    throw new ArgumentError(
      `${subject} must be a number from ${lower} to ${upper}, or two as [lower, upper], but is ${formatValue(factor)}`,
    );
  }
  const numbers = given as number[];
  for (const n of numbers) checkF32(subject, n);
  if (!isPair) return { low: Math.max(-Math.abs(numbers[0]!), lower), high: Math.abs(numbers[0]!) };
  return { low: Math.min(...numbers), high: Math.max(...numbers) };
}

/** @throws ArgumentError for an unknown mode, or a fill value that is not a number */
export function readSampling(kind: string, options: SamplingOptions): Sampling {
  const { fillMode = 'reflect', interpolation = 'bilinear', fillValue = 0 } = options;
  const checkOneOf = <T extends string>(name: string, value: T, all: readonly T[]) => {
    if (all.includes(value)) return;
    throw new ArgumentError(`${kind}: ${name} must be one of ${all.join(', ')}, but is ${formatValue(value)}`);
  };
  checkOneOf('fillMode', fillMode, FILL_MODES);
  checkOneOf('interpolation', interpolation, INTERPOLATIONS);
  if (typeof fillValue !== 'number' || !Number.isFinite(fillValue)) {
    throw new ArgumentError(`${kind}: fillValue must be a number, but is ${formatValue(fillValue)}`);
  }
  return { fillMode, interpolation, fillValue: checkF32(`${kind}: fillValue`, fillValue) };
}

/**
 * A layer that changes each image [H,W,C] of a batch at random in training, and otherwise returns its input.
 *
 * The numbers drawn depend on the seed given to `fit`, the layer's index (or its `seed`), the step, and the image's index in the batch.
 */
export abstract class RandomImageLayer extends Layer {
  /** See `RandomImageOptions`. */
  readonly seed: number | null;

  /** @throws ArgumentError unless `seed` is null or an integer from 0 to 2^32 - 1 */
  constructor(kind: string, options: RandomImageOptions) {
    super(options);
    const { seed = null } = options;
    if (seed !== null && !(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
      throw new ArgumentError(
        `${kind}: seed must be an integer from 0 to 2^32 - 1, or null for the layer's index in the model, but is ${formatValue(seed)}`,
      );
    }
    this.seed = seed;
  }

  /**
   * @throws ShapeError for samples that are not images, or larger than the kernels support
   * @internal
   */
  plan(inputShape: Shape): { outputShape: Shape; weights: [] } {
    const [height, width] = imageShape(this.kind, inputShape);
    if (Math.max(height, width) > MAX_SIDE) {
      throw new ShapeError(
        `${this.kind}: takes images of at most ${MAX_SIDE} pixels a side, but gets ${showShape(inputShape)}; resize them first`,
      );
    }
    return { outputShape: inputShape, weights: [] };
  }

  call(x: Tensor, { training, random }: CallContext): Tensor {
    if (!training || this.deterministic) return x;
    const { seed, step, layer } = random;
    return this.augment(x, { seed, step, layer: this.seed ?? layer, hasOwnSeed: this.seed !== null });
  }

  /** x [N,H,W,C] as training sees it. */
  protected abstract augment(x: Tensor, draw: AugmentDraw): Tensor;
}
