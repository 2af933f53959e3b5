import { checkFlag, formatValue, type OptionNames, readList } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';

/** How pictures are converted to images of one shape. Names are those of Keras's `image_dataset_from_directory`. */
export interface PictureOptions {
  /**
   * [height, width] of the images, or one number for both. Other pictures are stretched to this size unless `cropToAspectRatio` is true.
   * Default: the size of the pictures, which must then have the same size.
   */
  size?: number | readonly [height: number, width: number];
  /** `'rgb'` (default), `'grayscale'` (one channel, luma of ITU-R 601) or `'rgba'`. */
  colorMode?: 'rgb' | 'grayscale' | 'rgba';
  /** Whether to take the largest centered part of a picture that has the images' aspect ratio. Default false. */
  cropToAspectRatio?: boolean;
  /**
   * How pictures are resized. `'bilinear'` (default) averages over all pixels, as Keras with `antialias` and Pillow do; `'nearest'` adds
   * no new colors.
   */
  interpolation?: 'bilinear' | 'nearest';
  /** [red, green, blue], 0 .. 255, behind transparent parts. Default white. Has no effect with `'rgba'`. */
  background?: readonly [red: number, green: number, blue: number];
}

export const PICTURE_OPTIONS: OptionNames<PictureOptions> = {
  size: true,
  colorMode: true,
  cropToAspectRatio: true,
  interpolation: true,
  background: true,
};

/** Replacements for other libraries' options of the same function. */
export const PICTURE_HINTS: Readonly<Record<string, string>> = {
  imageSize: 'size is [height, width]',
  image_size: 'size is [height, width]',
  channels: "colorMode is 'grayscale' for 1 channel, 'rgb' for 3, 'rgba' for 4",
  fit: 'cropToAspectRatio: true crops, and pictures are stretched otherwise',
  classes: 'classNames names the classes in the order of their labels',
  batchSize: 'give batchSize to fit, evaluate or predict',
  shuffle: 'fit shuffles by default; give shuffle: false to fit to keep the order',
  seed: 'trainTestSplit(images, { testSize, seed }) splits at random',
  validationSplit:
    'trainTestSplit(images, { testSize: 0.2, stratify: true }) splits images, and fit takes validationSplit',
};

const CHANNELS = { grayscale: 1, rgb: 3, rgba: 4 } as const;
const MAX_SIDE = 16_384;

/** Checked options, with defaults filled in. */
export interface PictureForm {
  /** Null for the size of the pictures. */
  size: readonly [height: number, width: number] | null;
  channels: 1 | 3 | 4;
  cropToAspectRatio: boolean;
  interpolation: 'bilinear' | 'nearest';
  background: readonly [number, number, number];
}

/** @throws ArgumentError for an option of the wrong type. The caller checks the names. */
export function checkPictureOptions(subject: string, options: PictureOptions): PictureForm {
  const { size, colorMode = 'rgb', cropToAspectRatio = false } = options;
  const { interpolation = 'bilinear', background = [255, 255, 255] } = options;
  const refuse = (name: string, rule: string, value: unknown): never => {
    throw new ArgumentError(`${subject}: ${name} must be ${rule}, but is ${formatValue(value)}`);
  };
  const sides = typeof size === 'number' ? [size, size] : size === undefined ? undefined : readList(subject, size);
  const isSide = (side: unknown) => Number.isInteger(side) && (side as number) >= 1 && (side as number) <= MAX_SIDE;
  if (sides === null || (sides && !(sides.length === 2 && sides.every(isSide)))) {
    refuse('size', `[height, width] or one number for both, integers from 1 to ${MAX_SIDE}`, size);
  }
  if (typeof colorMode !== 'string' || !Object.hasOwn(CHANNELS, colorMode)) {
    refuse('colorMode', "'rgb', 'grayscale' or 'rgba'", colorMode);
  }
  if (interpolation !== 'bilinear' && interpolation !== 'nearest') {
    refuse('interpolation', "'bilinear' or 'nearest'", interpolation);
  }
  const color = readList(subject, background);
  const isByte = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;
  if (color?.length !== 3 || !color.every(isByte)) {
    refuse('background', '[red, green, blue], integers from 0 to 255', background);
  }
  checkFlag(subject, 'cropToAspectRatio', cropToAspectRatio);
  if (cropToAspectRatio && !sides) {
    throw new ArgumentError(`${subject}: cropToAspectRatio needs the size to crop to; give size: [height, width]`);
  }
  return {
    size: (sides as [number, number] | undefined) ?? null,
    channels: CHANNELS[colorMode],
    cropToAspectRatio,
    interpolation,
    background: color as [number, number, number],
  };
}
