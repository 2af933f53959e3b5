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

// Random layers that change the values of pixels without moving them. Options, defaults and formulas are those of Keras 3
// (keras/src/layers/preprocessing/image_preprocessing).

/** Bounds of fractions. */
const SHARE_BOUNDS = [0, 1] as const;

/** @throws ArgumentError unless `valueRange` is [low, high] with low < high */
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
  /** Largest loss and gain of contrast, each from 0 to 1: factors of 1 - lower .. 1 + upper. A number f means [f, f]. */
  factor: Factor;
  /** Smallest and largest value of a pixel, to which results are clipped. Default [0, 255]; give [0, 1] or [-1, 1] for such images. */
  valueRange?: readonly [low: number, high: number];
}

/**
 * Changes the contrast of images at random in training: y = (x - mean) f + mean, with the mean of the image's channel and f drawn
 * uniformly.
 *
 * If `factor` is a number, f is drawn from 1 - factor .. 1 + factor, as Keras documents it. Keras 3.15 itself draws from 1 .. 1 + factor.
 */
export class RandomContrast extends RandomImageLayer {
  readonly kind = 'RandomContrast';
  override readonly deterministic: boolean;
  private readonly contrast: Contrast;

  /** @throws ArgumentError for factors outside 0..1, and an impossible range */
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
   * Range from 0 to 1 from which the probability of erasing is drawn for each image. As in Keras, a number p means [0, p]: the default 1
   * erases in half of the images, [1, 1] in all.
   */
  factor?: Factor;
  /**
   * Range of area fractions, from 0 to 1. Two are drawn; their square roots are the height and width of the rectangle relative to the
   * image. Default [0.02, 0.33].
   */
  scale?: Factor;
  /** Value of erased pixels, within `valueRange`: a number, or one for each channel. Null (the default) means normal noise. */
  fillValue?: number | readonly number[] | null;
  /** Smallest and largest value of a pixel; the second is the deviation of the noise. Default [0, 255]; give [0, 1] for such images. */
  valueRange?: readonly [low: number, high: number];
}

/**
 * Erases a random rectangle of images in training, also known as cutout (Zhong, Zheng, Kang, Li and Yang, "Random erasing data
 * augmentation", 2017; DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017).
 *
 * The erased pixels are the same on every adapter. Noise may differ by about 1e-4 of its deviation, because WGSL's cosine does.
 */
export class RandomErasing extends RandomImageLayer {
  readonly kind = 'RandomErasing';
  override readonly deterministic: boolean;
  private readonly erasing: Erasing;

  /** @throws ArgumentError for fractions outside 0..1, values that are not numbers, and an impossible range */
  constructor(options: RandomErasingOptions = {}, ...surplus: never[]) {
    const names = { ...randomImageOptionNames, factor: true, scale: true, fillValue: true, valueRange: true };
    super('RandomErasing', checkLayerOptions('RandomErasing', options, names, surplus));
    const { factor = 1, scale = [0.02, 0.33], fillValue = null, valueRange = [0, 255] } = options;
    const values = readList('RandomErasing', fillValue) as number[] | null;
    const isLegal = values ? values.length > 0 && values.every(Number.isFinite) : Number.isFinite(fillValue ?? 0);
    if (!isLegal) {
      throw new ArgumentError(
        `RandomErasing: fillValue must be a number, a list with one for each channel, or null for noise, but is ${formatValue(fillValue)}`,
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
   * @throws ShapeError as the other random layers, and if `fillValue` is a list without a value for each channel
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
