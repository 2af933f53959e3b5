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

/** Named as in Keras's `image_dataset_from_directory`, where it has the same option. */
export interface ImageFolderOptions extends PictureOptions {
  /** The class folders to take, in the order of their labels. Default: all, sorted by name. */
  classNames?: readonly string[];
  /** `'inferred'` (default): one folder a class. Null: no labels, and pictures anywhere below the folder. */
  labels?: 'inferred' | null;
  /** Whether symbolic links are followed; without, one to a picture or a folder is an error. Default false. */
  followLinks?: boolean;
  /** The largest picture that is decoded, in pixels: a small file may hold billions. Default 2^27, 134 megapixels. */
  maxPixels?: number;
  /** The largest set, in bytes of its images, all of which are held in memory. Default 2^31, 2 GiB. */
  maxBytes?: number;
  /** Stops the loading between two pictures. */
  signal?: AbortSignal;
  /** Called after each picture that was decoded. */
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
  /** Files that were passed over, since their names do not end as those of pictures do. Hidden files are not among them. */
  skipped: string[];
}

/** Pictures decoded at once: as many as Node has threads for it, so that memory holds no more. */
const CONCURRENCY = Math.min(4, availableParallelism());
/** Broken pictures after which the others are not looked at. */
const MAX_BROKEN = 10;

/**
 * Loads pictures, PNG, JPEG, WebP or GIF, from a folder that has a folder for each class. Their order is that of the names, on every
 * system. Needs the npm package sharp, which decodes them.
 *
 *     const images = await imageFolder('flowers', { size: [64, 64] });
 *     const { train, test } = trainTestSplit(images, { testSize: 0.2, stratify: true });
 *     await model.fit(new ImageLoader(device, train), { epochs: 10 });
 *
 * @throws FileError for a folder or file that cannot be read; DataError for a folder without pictures, one that is damaged or none, and
 *   pictures of different sizes if no size is given; ArgumentError for options that do not fit; MissingPackageError without
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
    throw new ArgumentError(`${subject}: classNames chooses classes, but labels is null; leave one of them out`);
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

/** Room for all images. @throws ArgumentError where they are more than may be held */
function emptyImages(subject: string, size: number, shape: readonly number[], maxBytes: number): Uint8Array {
  const bytes = shape.reduce((product, n) => product * n, size);
  const refused = (why: string, cause?: unknown) =>
    new ArgumentError(`${subject}: ${size} images of ${shape.join(' x ')} take ${bytes} bytes, ${why}`, { cause });
  if (bytes > maxBytes)
    throw refused(`more than ${maxBytes}; give a smaller size, or a larger maxBytes if there is memory`);
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw refused('for which there is no memory; give a smaller size', cause);
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
 * Calls `fill` with the number of each file, a few at a time.
 * @throws what is wrong with the first broken picture, and which others are: the same every time
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
  throw new DataError(`${first!.error.message}. Others cannot be taken either: ${others}`, { cause: first!.error });
}
