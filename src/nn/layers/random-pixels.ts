import { randomContrast, randomErasing } from '../../autograd/random/augmentation.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { checkF32, formatValue, readList } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { type Shape, showShape } from '../../kernels/array.ts';
import type { AugmentDraw, Range } from '../../kernels/random/augmentation.ts';
import type { Contrast, Erasing, ValueRange } from '../../kernels/random/augmentation-pixels.ts';
import { checkLayerOptions } from './options.ts';
import {
  type Factor,
  RandomImageLayer,
  type RandomImageOptions,
  randomImageOptionNames,
  readFactor,
} from './random-image.ts';

// Random layers that change the values of pixels where they are. Options, defaults and formulas are those of Keras 3
// (keras/src/layers/preprocessing/image_preprocessing).

/** The bounds of shares. */
const SHARE_BOUNDS = [0, 1] as const;

/** @throws ArgumentError unless it is [low, high], the second above the first */
function readValueRange(kind: string, valueRange: ValueRange): ValueRange {
  const given = readList(kind, valueRange) as number[] | null;
  const [low, high] = given ?? [];
  if (given?.length !== 2 || !given.every(Number.isFinite) || low! >= high!) {
    throw new ArgumentError(
      `${kind}: valueRange must be [low, high], the smallest and the largest value of a pixel, but is ${formatValue(valueRange)}`,
    );
  }
  for (const value of given) checkF32(`${kind}: valueRange`, value);
  return [low!, high!];
}

/** Options of `RandomContrast`. */
export interface RandomContrastOptions extends RandomImageOptions {
  /** How much contrast is lost and gained at most, each from 0 to 1: factors of 1 - lower .. 1 + upper. A number f is [f, f]. */
  factor: Factor;
  /** Smallest and largest value of a pixel: results are clipped to them. Default [0, 255]; give [0, 1] or [-1, 1] for such images. */
  valueRange?: readonly [low: number, high: number];
}

/**
 * Changes the contrast of images at random in training: y = (x - mean) f + mean, the mean that of the image's channel, f drawn uniformly.
 * With a number as `factor`, Keras 3.15 draws f from 1 .. 1 + factor; here it is 1 - factor .. 1 + factor, as its documentation has it.
 */
export class RandomContrast extends RandomImageLayer {
  readonly kind = 'RandomContrast';
  override readonly deterministic: boolean;
  private readonly contrast: Contrast;

  /** @throws ArgumentError for factors that are not within 0 and 1, and an impossible range */
  constructor(options: RandomContrastOptions, ...surplus: never[]) {
    super(
      'RandomContrast',
      checkLayerOptions(
        'RandomContrast',
        options,
        { ...randomImageOptionNames, factor: true, valueRange: true },
        surplus,
      ),
    );
    const { factor, valueRange = [0, 255] } = options;
    const { low, high } = readFactor('RandomContrast: factor', factor, SHARE_BOUNDS);
    const lower = typeof factor === 'number' ? high : low;
    const drawn: Range = { low: 1 - lower, high: 1 + high };
    this.contrast = { factor: drawn, valueRange: readValueRange('RandomContrast', valueRange) };
    this.deterministic = lower === 0 && high === 0;
  }

  protected augment(x: Tensor, draw: AugmentDraw): Tensor {
    return randomContrast(this.kind, x, this.contrast, draw);
  }
}

/** Options of `RandomErasing`. */
export interface RandomErasingOptions extends RandomImageOptions {
  /**
   * Probability that a rectangle is erased, from 0 to 1. As in Keras, a number p is [0, p], from which the probability of each image is
   * drawn: the default 1 erases in half of the images, [1, 1] in all.
   */
  factor?: Factor;
  /** Share of the image, from 0 to 1: height and width of the rectangle are the roots of two shares drawn from it. Default [0.02, 0.33]. */
  scale?: Factor;
  /** What is put there, within `valueRange`: a number, or one for each channel. Null (the default) puts normal noise there. */
  fillValue?: number | readonly number[] | null;
  /** Smallest and largest value of a pixel: noise has the second as its deviation. Default [0, 255]; give [0, 1] for such images. */
  valueRange?: readonly [low: number, high: number];
}

/**
 * Erases a rectangle of images at random in training, also known as cutout (Zhong, Zheng, Kang, Li and Yang, "Random erasing data
 * augmentation", 2017; DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017). Which pixels are
 * erased is the same on every adapter; noise may differ by some 1e-4 of its deviation, as the cosine of
 * WGSL does.
 */
export class RandomErasing extends RandomImageLayer {
  readonly kind = 'RandomErasing';
  override readonly deterministic: boolean;
  private readonly erasing: Erasing;

  /** @throws ArgumentError for shares that are not within 0 and 1, values that are no numbers, and an impossible range */
  constructor(options: RandomErasingOptions = {}, ...surplus: never[]) {
    const names = { ...randomImageOptionNames, factor: true, scale: true, fillValue: true, valueRange: true };
    super('RandomErasing', checkLayerOptions('RandomErasing', options, names, surplus));
    const { factor = 1, scale = [0.02, 0.33], fillValue = null, valueRange = [0, 255] } = options;
    const values = readList('RandomErasing', fillValue) as number[] | null;
    const isLegal = values ? values.length > 0 && values.every(Number.isFinite) : Number.isFinite(fillValue ?? 0);
    if (!isLegal) {
      throw new ArgumentError(
        `RandomErasing: fillValue must be a number, a list of one for each channel, or null for noise, but is ${formatValue(fillValue)}`,
      );
    }
    for (const value of values ?? [fillValue as number | null]) checkF32('RandomErasing: fillValue', value ?? 0);
    this.erasing = {
      factor: readFactor('RandomErasing: factor', factor, SHARE_BOUNDS),
      scale: readFactor('RandomErasing: scale', scale, SHARE_BOUNDS),
      fillValue: values ?? fillValue,
      valueRange: readValueRange('RandomErasing', valueRange),
    };
    this.deterministic = this.erasing.factor.high === 0;
  }

  /**
   * @throws ShapeError also where there is not a value for each channel
   * @internal
   */
  override plan(inputShape: Shape): { outputShape: Shape; weights: [] } {
    const planned = super.plan(inputShape);
    const { fillValue } = this.erasing;
    if (typeof fillValue === 'object' && fillValue !== null && fillValue.length !== inputShape[2]) {
      throw new ShapeError(
        `RandomErasing: fillValue has values for ${fillValue.length} channels, but samples are ${showShape(inputShape)}`,
      );
    }
    return planned;
  }

  protected augment(x: Tensor, draw: AugmentDraw): Tensor {
    return randomErasing(this.kind, x, this.erasing, draw);
  }
}
