import { randomAffine } from '../../autograd/random/augmentation.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { formatValue } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { AffineDraw, AugmentDraw, Range, Sampling } from '../../kernels/random/augmentation.ts';
import { checkLayerOptions } from './options.ts';
import {
  type Factor,
  RandomImageLayer,
  type RandomImageOptions,
  randomImageOptionNames,
  readFactor,
  readSampling,
  type SamplingOptions,
  samplingOptionNames,
} from './random-image.ts';

// Random layers that move the pixels of images. Options, defaults and formulas are those of Keras 3
// (keras/src/layers/preprocessing/image_preprocessing); pixels beyond the border are found as `map_coordinates` of SciPy finds them, which
// Keras calls with its JAX backend.

/** The symmetric bounds of factors. */
const SIGNED_BOUNDS = [-1, 1] as const;
/** Maps that meet pixels: nothing is blended, and nothing lies beyond the border. */
const EXACT_SAMPLING: Sampling = { interpolation: 'nearest', fillMode: 'constant', fillValue: 0 };

const isZero = (...ranges: (Range | null)[]) =>
  ranges.every((range) => !range || (range.low === 0 && range.high === 0));

const FLIP_MODES = ['horizontal', 'vertical', 'horizontalAndVertical'] as const;
/**
 * Directions in which `RandomFlip` mirrors images.
 * @useDeclaredType
 */
export type FlipMode = (typeof FLIP_MODES)[number];

/** Options of `RandomFlip`. */
export interface RandomFlipOptions extends RandomImageOptions {
  /** Default `horizontalAndVertical`: half of the images are mirrored left to right, and half, drawn for themselves, upside down. */
  mode?: FlipMode;
}

/**
 * Mirrors images at random in training, with probability 1/2 for each direction of `mode`. Keras 3 draws once for both directions, so
 * that it mirrors along both or along none; here they are drawn apart, as its documentation has it.
 */
export class RandomFlip extends RandomImageLayer {
  readonly kind = 'RandomFlip';
  /** In which directions it mirrors. */
  readonly mode: FlipMode;

  /** @throws ArgumentError for a mode that there is not */
  constructor(options: RandomFlipOptions = {}, ...surplus: never[]) {
    super('RandomFlip', checkLayerOptions('RandomFlip', options, { ...randomImageOptionNames, mode: true }, surplus));
    this.mode = options.mode ?? 'horizontalAndVertical';
    if (!FLIP_MODES.includes(this.mode)) {
      throw new ArgumentError(
        `RandomFlip: mode must be one of ${FLIP_MODES.join(', ')}, but is ${formatValue(options.mode)}`,
      );
    }
  }

  protected augment(x: Tensor, draw: AugmentDraw): Tensor {
    const { mode } = this;
    const affine: AffineDraw = { kind: 'flip', horizontal: mode !== 'vertical', vertical: mode !== 'horizontal' };
    return randomAffine(this.kind, x, affine, EXACT_SAMPLING, draw);
  }
}

/** Options of `RandomTranslation`. */
export interface RandomTranslationOptions extends SamplingOptions {
  /** Share of the height, from -1 to 1; positive moves down. A number f is [-f, f]. */
  heightFactor: Factor;
  /** Share of the width, from -1 to 1; positive moves to the right. A number f is [-f, f]. */
  widthFactor: Factor;
}

/** Moves images at random in training: y at (row, column) is x at (row - a height, column - b width), a and b drawn uniformly. */
export class RandomTranslation extends RandomImageLayer {
  readonly kind = 'RandomTranslation';
  override readonly deterministic: boolean;
  private readonly affine: AffineDraw;
  private readonly sampling: Sampling;

  /** @throws ArgumentError for factors that are not within -1 and 1, and modes that there are not */
  constructor(options: RandomTranslationOptions, ...surplus: never[]) {
    super(
      'RandomTranslation',
      checkLayerOptions(
        'RandomTranslation',
        options,
        { ...samplingOptionNames, heightFactor: true, widthFactor: true },
        surplus,
      ),
    );
    const rows = readFactor('RandomTranslation: heightFactor', options.heightFactor, SIGNED_BOUNDS);
    const columns = readFactor('RandomTranslation: widthFactor', options.widthFactor, SIGNED_BOUNDS);
    this.affine = { kind: 'shift', rows, columns };
    this.sampling = readSampling('RandomTranslation', options);
    this.deterministic = isZero(rows, columns);
  }

  protected augment(x: Tensor, draw: AugmentDraw): Tensor {
    return randomAffine(this.kind, x, this.affine, this.sampling, draw);
  }
}

/** Options of `RandomRotation`. */
export interface RandomRotationOptions extends SamplingOptions {
  /** Share of a full turn, from -1 to 1; positive turns counterclockwise. A number f is [-f, f]. */
  factor: Factor;
}

/** Turns images around their center at random in training, by an angle drawn uniformly from 2 pi `factor`. */
export class RandomRotation extends RandomImageLayer {
  readonly kind = 'RandomRotation';
  override readonly deterministic: boolean;
  private readonly turns: Range;
  private readonly sampling: Sampling;

  /** @throws ArgumentError for a factor that is not within -1 and 1, and modes that there are not */
  constructor(options: RandomRotationOptions, ...surplus: never[]) {
    super(
      'RandomRotation',
      checkLayerOptions('RandomRotation', options, { ...samplingOptionNames, factor: true }, surplus),
    );
    this.turns = readFactor('RandomRotation: factor', options.factor, SIGNED_BOUNDS);
    this.sampling = readSampling('RandomRotation', options);
    this.deterministic = isZero(this.turns);
  }

  protected augment(x: Tensor, draw: AugmentDraw): Tensor {
    return randomAffine(this.kind, x, { kind: 'rotation', turns: this.turns }, this.sampling, draw);
  }
}

/** Options of `RandomZoom`. */
export interface RandomZoomOptions extends SamplingOptions {
  /** From -1 to 1; positive zooms out, so that 0.5 shows one and a half heights. A number f is [-f, f]. */
  heightFactor: Factor;
  /** The same of the width; null (the default) takes what was drawn for the height, which keeps the aspect ratio. */
  widthFactor?: Factor | null;
}

/** Zooms images at random in training: an output pixel is 1 + factor input pixels away from the next, around the center. */
export class RandomZoom extends RandomImageLayer {
  readonly kind = 'RandomZoom';
  override readonly deterministic: boolean;
  private readonly affine: AffineDraw;
  private readonly sampling: Sampling;

  /** @throws ArgumentError for factors that are not within -1 and 1, and modes that there are not */
  constructor(options: RandomZoomOptions, ...surplus: never[]) {
    super(
      'RandomZoom',
      checkLayerOptions(
        'RandomZoom',
        options,
        { ...samplingOptionNames, heightFactor: true, widthFactor: true },
        surplus,
      ),
    );
    const { heightFactor, widthFactor = null } = options;
    const rows = readFactor('RandomZoom: heightFactor', heightFactor, SIGNED_BOUNDS);
    const columns = widthFactor === null ? null : readFactor('RandomZoom: widthFactor', widthFactor, SIGNED_BOUNDS);
    const plusOne = ({ low, high }: Range) => ({ low: 1 + low, high: 1 + high });
    this.affine = { kind: 'zoom', rows: plusOne(rows), columns: columns && plusOne(columns) };
    this.sampling = readSampling('RandomZoom', options);
    this.deterministic = isZero(rows, columns);
  }

  protected augment(x: Tensor, draw: AugmentDraw): Tensor {
    return randomAffine(this.kind, x, this.affine, this.sampling, draw);
  }
}
