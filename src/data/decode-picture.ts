import { readFile, stat } from 'node:fs/promises';
import { DataError, FileError } from '../base/errors.ts';
import { checkRegular } from '../base/regular-file.ts';
import type { PictureForm } from './picture-options.ts';
import { fitPicture, type Rgba } from './pixels.ts';

export interface DecodeOptions {
  form: PictureForm;
  maxPixels: number;
}

/** A file of more bytes is no picture of `maxPixels`, and would fill memory before it is looked at. */
const MAX_FILE_BYTES = 2 ** 29;

export type Sharp = typeof import('sharp').default;

/** Whether bytes begin as a PNG, JPEG, WebP or GIF file: nothing else reaches the decoders, of which libvips has many. */
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
 * The pixels of a picture, the first one of an animation, in the size of `form`: 8 bits a channel in sRGB, turned as its EXIF
 * orientation says.
 * @param subject begins messages, which name the file
 * @throws FileError for a file that cannot be read; DataError for one that is no picture, is damaged or has too many pixels
 */
export async function decodePicture(
  subject: string,
  sharp: Sharp,
  path: string,
  { form, maxPixels }: DecodeOptions,
): Promise<Rgba> {
  const bytes = await readPicture(subject, path);
  const pictureError = (why: string, cause?: unknown) => new DataError(`${subject}: ${path} ${why}`, { cause });
  if (bytes.length === 0) throw pictureError('is empty; remove it, or put the picture in its place');
  if (!isPicture(bytes))
    throw pictureError('is no PNG, JPEG, WebP or GIF picture, whatever its name says; remove or convert it');
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
    throw pictureError(`is damaged or cut short (${reason}); remove it, or put the whole picture in its place`, cause);
  }
}

/**
 * Twice the wanted size, for pictures of at least twice that again: sharp reduces them while it decodes, so that memory never holds all
 * pixels of a large photograph. The last step, and all of it for other pictures, is `fitPicture`'s, which keeps pixels where they
 * are: sharp's enlarging moves them by up to half of one.
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
        `${subject}: ${path} has ${size} bytes, more than the ${MAX_FILE_BYTES} of a picture; scale it down`,
      );
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof FileError || error instanceof DataError) throw error;
    throw new FileError(`${subject}: cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
