import { readFile, stat } from 'node:fs/promises';
import { DataError, FileError } from '../base/errors.ts';
import { checkRegular } from '../base/regular-file.ts';
import type { PictureForm } from './picture-options.ts';
import { fitPicture, type Rgba } from './pixels.ts';

export interface DecodeOptions {
  form: PictureForm;
  maxPixels: number;
}

/** Limit of a picture's file: a larger one would fill the memory before its number of pixels is known. */
const MAX_FILE_BYTES = 2 ** 29;

export type Sharp = typeof import('sharp').default;

/** Whether bytes begin as a PNG, JPEG, WebP or GIF file. Only those are decoded, although libvips has many decoders. */
function isPicture(bytes: Buffer): boolean {
  const text = bytes.toString('latin1', 0, 12);
  return (
    text.startsWith('\x89PNG\r\n\x1a\n') ||
    text.startsWith('\xff\xd8\xff') ||
    text.startsWith('GIF87a') ||
    text.startsWith('GIF89a') ||
    (text.startsWith('RIFF') && text.endsWith('WEBP'))
  );
}

/**
 * Pixels of a picture (of the first one of an animation) in the size of `form`: 8 bits a channel in sRGB, rotated according to the EXIF
 * orientation.
 * @param subject begins messages, which name the file
 * @throws FileError for a file that cannot be read; DataError for one that is not a picture, is damaged or has too many pixels
 */
export async function decodePicture(
  subject: string,
  sharp: Sharp,
  path: string,
  { form, maxPixels }: DecodeOptions,
): Promise<Rgba> {
  const bytes = await readPicture(subject, path);
  const pictureError = (why: string, cause?: unknown) => new DataError(`${subject}: ${path} ${why}`, { cause });
  if (bytes.length === 0) throw pictureError('is empty; remove it, or replace it by the picture');
  if (!isPicture(bytes))
    throw pictureError('is not a PNG, JPEG, WebP or GIF picture, whatever its name is; remove or convert it');
  try {
    const picture = sharp(bytes, { limitInputPixels: false, failOn: 'error' });
    const { width, height, autoOrient } = await picture.metadata();
    if (width * height > maxPixels) {
      throw pictureError(
        `has ${width} x ${height} pixels, more than ${maxPixels}; scale it down, or give a larger maxPixels`,
      );
    }
    picture.autoOrient().toColourspace('srgb');
    const reduced = reducedSize(autoOrient, form);
    if (reduced) picture.resize({ ...reduced, fit: form.cropToAspectRatio ? 'cover' : 'fill' });
    const { data, info } = await picture.ensureAlpha().raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return fitPicture({ data, width: info.width, height: info.height }, form);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const reason = (cause as Error).message.split('\n', 1)[0];
    throw pictureError(`is damaged or cut short (${reason}); remove it, or replace it by the whole picture`, cause);
  }
}

/**
 * Twice the wanted size, for pictures of at least four times that size; null for others. sharp reduces large pictures while it decodes
 * them, so memory never holds all pixels of a photograph. `fitPicture` does the rest, because sharp's enlarging shifts pixels by up to
 * half a pixel.
 */
function reducedSize(
  { width, height }: { width: number; height: number },
  { size, interpolation }: PictureForm,
): { width: number; height: number } | null {
  if (!size || interpolation === 'nearest' || height < 4 * size[0] || width < 4 * size[1]) return null;
  return { height: 2 * size[0], width: 2 * size[1] };
}

async function readPicture(subject: string, path: string): Promise<Buffer> {
  try {
    checkRegular('read', path);
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new DataError(
        `${subject}: ${path} has ${size} bytes, more than the limit of ${MAX_FILE_BYTES}; scale it down`,
      );
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof FileError || error instanceof DataError) throw error;
    throw new FileError(`${subject}: cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
