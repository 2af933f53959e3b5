import { availableParallelism } from 'node:os';
import {
  checkFlag,
  checkFunction,
  checkOptions,
  checkSignal,
  checkText,
  formatValue,
  listNames,
  readList,
} from '../base/check.ts';
import { AbortedError, ArgumentError, DataError, TilegradError } from '../base/errors.ts';
import { importPackage } from '../base/import-package.ts';
import { emptyLabels } from './check-images.ts';
import { type DecodeOptions, decodePicture } from './decode-picture.ts';
import { listPictures, type PictureFiles } from './list-pictures.ts';
import {
  checkPictureOptions,
  PICTURE_HINTS,
  PICTURE_OPTIONS,
  type PictureForm,
  type PictureOptions,
} from './picture-options.ts';
import { writeChannels } from './pixels.ts';
import type { ImageSet } from './types.ts';

/** Options of `imageFolder`, named as in Keras's `image_dataset_from_directory` where that has the same option. */
export interface ImageFolderOptions extends PictureOptions {
  /** The class folders to load, in the order of their labels. Default: all, sorted by name. */
  classNames?: readonly string[];
  /** `'inferred'` (default): one folder for each class. Null: no labels, and pictures anywhere below the folder. */
  labels?: 'inferred' | null;
  /** Whether symbolic links are followed. If false (the default), a link to a picture or a folder is an error. */
  followLinks?: boolean;
  /** Limit of a picture's pixels: a small file may hold billions. Default 2^27, 134 megapixels. */
  maxPixels?: number;
  /** Limit of the bytes of all images, which are held in memory. Default 2^31, 2 GiB. */
  maxBytes?: number;
  /** Stops loading between two pictures. */
  signal?: AbortSignal;
  /** Called after each decoded picture. */
  onProgress?: (progress: {
    /** Pictures decoded. */
    done: number;
    /** Pictures in all. */
    total: number;
  }) => void;
}

/** Images of a folder. */
export interface FolderImages extends ImageSet {
  /** The file of each image. */
  files: string[];
  /** Files that were skipped because their names do not end as those of pictures. Hidden files are not listed. */
  skipped: string[];
}

/** Pictures decoded at the same time: as many as Node has threads for it, so memory holds no more. */
const CONCURRENCY = Math.min(4, availableParallelism());
/** Number of broken pictures after which decoding stops. */
const MAX_BROKEN = 10;

/**
 * Loads pictures (PNG, JPEG, WebP, GIF) from a folder that has a folder for each class. They are sorted by name, in the same order on
 * every system. Needs the npm package sharp, which decodes them.
 *
 *     const images = await imageFolder('flowers', { size: [64, 64] });
 *     const { train, test } = trainTestSplit(images, { testSize: 0.2, stratify: true });
 *     await model.fit(new ImageLoader(device, train), { epochs: 10 });
 *
 * @throws FileError for a folder or file that cannot be read; DataError for a folder without pictures, a file that is damaged or not a
 *   picture, and pictures of different sizes if `size` is not given; ArgumentError for impossible options; MissingPackageError without
 *   sharp
 */
export async function imageFolder(dir: string, options: ImageFolderOptions = {}): Promise<FolderImages> {
  const subject = 'imageFolder';
  const { form, decoding, listing, maxBytes, signal, onProgress } = checkImageFolderOptions(subject, dir, options);
  const { default: sharp } = await importPackage('sharp', subject, () => import('sharp'));
  const { classes, files, skipped } = await listPictures(dir, { subject, ...listing });
  const load = async ({ path }: { path: string }) => decodePicture(subject, sharp, path, decoding);
  const first = form.size ? null : await load(files[0]!);
  const [height, width] = form.size ?? [first!.height, first!.width];
  const length = height * width * form.channels;
  const images = emptyImages(subject, files.length, [height, width, form.channels], maxBytes);
  const fill = async (i: number) => {
    const { data, ...picture } = (i === 0 ? first : null) ?? (await load(files[i]!));
    checkSameSize(subject, files, i, picture, { height, width });
    writeChannels(data, form, images, i * length);
  };
  await decodeAll(subject, files, fill, signal, onProgress);
  const labels = emptyLabels(classes.length, classes.length === 0 ? 0 : files.length);
  if (classes.length > 0) for (const [i, { label }] of files.entries()) labels[i] = label;
  const shape: ImageSet['shape'] = [height, width, form.channels];
  return { images, labels, size: files.length, shape, classes, files: files.map(({ path }) => path), skipped };
}

/** @throws ArgumentError */
function checkImageFolderOptions(subject: string, dir: string, options: ImageFolderOptions) {
  checkText(`${subject}: dir`, dir);
  checkOptions(
    subject,
    options,
    {
      ...PICTURE_OPTIONS,
      classNames: true,
      labels: true,
      followLinks: true,
      maxPixels: true,
      maxBytes: true,
      signal: true,
      onProgress: true,
    },
    [],
    PICTURE_HINTS,
  );
  const form: PictureForm = checkPictureOptions(subject, options);
  const { classNames, labels = 'inferred', followLinks = false } = options;
  const { maxPixels = 2 ** 27, maxBytes = 2 ** 31, signal, onProgress } = options;
  const refuse = (name: string, rule: string, value: unknown): never => {
    throw new ArgumentError(`${subject}: ${name} must be ${rule}, but is ${formatValue(value)}`);
  };
  if (labels !== 'inferred' && labels !== null) {
    refuse('labels', "'inferred', from the folders, or null for images without labels", labels);
  }
  const names = classNames === undefined ? null : (readList(subject, classNames) as string[] | null);
  if (classNames !== undefined && (!names?.length || names.some((name) => typeof name !== 'string' || name === ''))) {
    refuse('classNames', 'a list of folder names', classNames);
  }
  if (names && labels === null) {
    throw new ArgumentError(`${subject}: classNames selects classes, but labels is null; leave one of them out`);
  }
  for (const [name, value] of Object.entries({ maxPixels, maxBytes })) {
    if (!Number.isSafeInteger(value) || value < 1) refuse(name, 'a positive integer', value);
  }
  checkFlag(subject, 'followLinks', followLinks);
  checkSignal(subject, signal);
  if (onProgress !== undefined) checkFunction(`${subject}: onProgress`, onProgress);
  const decoding: DecodeOptions = { form, maxPixels };
  return {
    form,
    decoding,
    listing: { labeled: labels !== null, classNames: names, followLinks },
    ...{ maxBytes, signal, onProgress },
  };
}

/** A new array for all images. @throws ArgumentError if it exceeds `maxBytes` or the memory */
function emptyImages(subject: string, size: number, shape: readonly number[], maxBytes: number): Uint8Array {
  const bytes = shape.reduce((product, n) => product * n, size);
  const refused = (why: string, cause?: unknown) =>
    new ArgumentError(`${subject}: ${size} images of ${shape.join(' x ')} take ${bytes} bytes, ${why}`, { cause });
  if (bytes > maxBytes)
    throw refused(
      `more than maxBytes, ${maxBytes}; give a smaller size, or a larger maxBytes if there is enough memory`,
    );
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw refused('more than the memory allows; give a smaller size', cause);
  }
}

type Size = { width: number; height: number };

/** @throws DataError */
function checkSameSize(
  subject: string,
  files: PictureFiles['files'],
  i: number,
  { width, height }: Size,
  first: Size,
): void {
  if (width === first.width && height === first.height) return;
  throw new DataError(
    `${subject}: ${files[i]!.path} is ${height} x ${width} (height x width), but ${files[0]!.path} is ${first.height} x ${first.width}; ` +
      'give size: [height, width] to resize all',
  );
}

/**
 * Calls `fill` with the index of each file, several at a time.
 * @throws the error of the first broken picture (in file order), with the paths of the others: the same in every run
 */
async function decodeAll(
  subject: string,
  files: PictureFiles['files'],
  fill: (i: number) => Promise<void>,
  signal: AbortSignal | undefined,
  onProgress: ImageFolderOptions['onProgress'],
): Promise<void> {
  const broken: { i: number; error: TilegradError }[] = [];
  let [next, done] = [0, 0];
  let failure: { error: unknown } | null = null;
  const work = async () => {
    while (next < files.length && broken.length < MAX_BROKEN && !failure && !signal?.aborted) {
      const i = next++;
      try {
        await fill(i);
        onProgress?.({ done: ++done, total: files.length });
      } catch (error) {
        if (error instanceof TilegradError) broken.push({ i, error });
        else failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  if (failure) throw (failure as { error: unknown }).error;
  if (signal?.aborted) throw new AbortedError(`${subject}: stopped on request`);
  if (broken.length === 0) return;
  broken.sort((a, b) => a.i - b.i);
  const [first, ...more] = broken.slice(0, MAX_BROKEN);
  if (more.length === 0) throw first!.error;
  const others = listNames(more.map(({ i }) => files[i]!.path));
  throw new DataError(`${first!.error.message}. Others cannot be loaded either: ${others}`, { cause: first!.error });
}
