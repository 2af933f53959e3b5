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
// (keras/src/layers/preprocessing/image_preprocessing). Pixels beyond the border follow SciPy's `map_coordinates`, which Keras calls with
// its JAX backend.

/** Bounds of factors that may be negative. */
const SIGNED_BOUNDS = [-1, 1] as const;
/** For maps from pixels to pixels: nothing is interpolated, and no pixel is beyond the border. */
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
  /** Default `horizontalAndVertical`: each image is mirrored left to right with probability 1/2 and, independently, upside down. */
  mode?: FlipMode;
}

/**
 * Mirrors images at random in training, with probability 1/2 for each direction of `mode`. The directions are drawn independently, as
 * Keras documents it. Keras 3 itself draws once for both, so that it mirrors along both or neither.
 */
export class RandomFlip extends RandomImageLayer {
  readonly kind = 'RandomFlip';
  /** Directions in which it mirrors. */
  readonly mode: FlipMode;

  /** @throws ArgumentError for an unknown mode */
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
  /** Fraction of the height, from -1 to 1; positive moves down. A number f means [-f, f]. */
  heightFactor: Factor;
  /** Fraction of the width, from -1 to 1; positive moves to the right. A number f means [-f, f]. */
  widthFactor: Factor;
}

/** Moves images at random in training: y at (row, column) is x at (row - a height, column - b width), a and b drawn uniformly. */
export class RandomTranslation extends RandomImageLayer {
  readonly kind = 'RandomTranslation';
  override readonly deterministic: boolean;
  private readonly affine: AffineDraw;
  private readonly sampling: Sampling;

  /** @throws ArgumentError for factors outside -1..1, and unknown modes */
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
  /** Fraction of a full turn, from -1 to 1; positive turns counterclockwise. A number f means [-f, f]. */
  factor: Factor;
}

/** Rotates images around their center at random in training, by an angle drawn uniformly from 2 pi `factor`. */
export class RandomRotation extends RandomImageLayer {
  readonly kind = 'RandomRotation';
  override readonly deterministic: boolean;
  private readonly turns: Range;
  private readonly sampling: Sampling;

  /** @throws ArgumentError for a factor outside -1..1, and unknown modes */
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
  /** From -1 to 1; positive zooms out: 0.5 shows 1.5 times the height. A number f means [-f, f]. */
  heightFactor: Factor;
  /** The same for the width. Null (the default) uses the factor drawn for the height, which keeps the aspect ratio. */
  widthFactor?: Factor | null;
}

/** Zooms images around their center at random in training: adjacent output pixels are 1 + factor input pixels apart. */
export class RandomZoom extends RandomImageLayer {
  readonly kind = 'RandomZoom';
  override readonly deterministic: boolean;
  private readonly affine: AffineDraw;
  private readonly sampling: Sampling;

  /** @throws ArgumentError for factors outside -1..1, and unknown modes */
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
