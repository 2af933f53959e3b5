import { checkFlag, formatValue, type OptionNames, readList } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';

/** How pictures become images of one shape; the names are those of Keras's `image_dataset_from_directory`. */
export interface PictureOptions {
  /**
   * [height, width] of the images, or one number for both. Pictures of other sizes are stretched to it unless `cropToAspectRatio` is
   * given. Default: that of the pictures, which must then be of one size.
   */
  size?: number | readonly [height: number, width: number];
  /** `'rgb'` (default), `'grayscale'` (one channel, luma of ITU-R 601) or `'rgba'`. */
  colorMode?: 'rgb' | 'grayscale' | 'rgba';
  /** Whether the middle of a picture, as large as its height and width allow, is taken in the images' aspect ratio. Default false. */
  cropToAspectRatio?: boolean;
  /**
   * How pictures are resized. `'bilinear'` (default) takes every pixel into account, as Keras with `antialias` and Pillow do;
   * `'nearest'` makes no colors that were not there.
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

/** What other libraries call things, or have as options of the same function. */
export const PICTURE_HINTS: Readonly<Record<string, string>> = {
  imageSize: 'size is [height, width]',
  image_size: 'size is [height, width]',
  channels: "colorMode is 'grayscale' for 1 channel, 'rgb' for 3, 'rgba' for 4",
  fit: 'cropToAspectRatio: true crops, and pictures are stretched otherwise',
  classes: 'classNames names the classes in the order of their labels',
  batchSize: 'give batchSize to fit, evaluate or predict',
  shuffle: 'fit shuffles, unless told not to',
  seed: 'trainTestSplit(images, { testSize, seed }) splits at random',
  validationSplit:
    'trainTestSplit(images, { testSize: 0.2, stratify: true }) splits images, and fit takes validationSplit',
};

const CHANNELS = { grayscale: 1, rgb: 3, rgba: 4 } as const;
const MAX_SIDE = 16_384;

/** Options that were checked, with their defaults. */
export interface PictureForm {
  /** Null where that of the pictures is taken. */
  size: readonly [height: number, width: number] | null;
  channels: 1 | 3 | 4;
  cropToAspectRatio: boolean;
  interpolation: 'bilinear' | 'nearest';
  background: readonly [number, number, number];
}

/** @throws ArgumentError for an option of the wrong kind; their names are checked by the caller */
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
