import { readFile, stat } from 'node:fs/promises';
import { DataError, FileError } from '../errors.ts';
import { checkRegular } from '../regular-file.ts';
import { type Interpolation, KERNELS } from './picture-options.ts';
import type { Rgba } from './pixels.ts';

export interface DecodeOptions {
  /** Null keeps the size of the picture. */
  size: readonly [height: number, width: number] | null;
  cropToAspectRatio: boolean;
  interpolation: Interpolation;
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
 * The pixels of a picture, the first one of an animation: 8 bits a channel in sRGB, turned as its EXIF orientation says.
 * @param what begins messages, which name the file
 * @throws FileError for a file that cannot be read; DataError for one that is no picture, is damaged or has too many pixels
 */
export async function decodePicture(what: string, sharp: Sharp, path: string, options: DecodeOptions): Promise<Rgba> {
  const bytes = await readPicture(what, path);
  const broken = (why: string, cause?: unknown) => new DataError(`${what}: ${path} ${why}`, { cause });
  if (bytes.length === 0) throw broken('is empty; remove it, or put the picture in its place');
  if (!isPicture(bytes))
    throw broken('is no PNG, JPEG, WebP or GIF picture, whatever its name says; remove or convert it');
  const { size, maxPixels } = options;
  try {
    const picture = sharp(bytes, { limitInputPixels: false, failOn: 'error' });
    const { width, height } = await picture.metadata();
    if (width * height > maxPixels) {
      throw broken(
        `has ${width} x ${height} pixels, more than ${maxPixels}; scale it down, or give a larger maxPixels`,
      );
    }
    picture.autoOrient().toColourspace('srgb');
    if (size) {
      const fit = options.cropToAspectRatio ? 'cover' : 'fill';
      picture.resize({ height: size[0], width: size[1], fit, kernel: KERNELS[options.interpolation] });
    }
    const { data, info } = await picture.ensureAlpha().raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height };
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const reason = (cause as Error).message.split('\n', 1)[0];
    throw broken(`is damaged or cut short (${reason}); remove it, or put the whole picture in its place`, cause);
  }
}

async function readPicture(what: string, path: string): Promise<Buffer> {
  try {
    checkRegular('read', path);
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new DataError(
        `${what}: ${path} has ${size} bytes, more than the ${MAX_FILE_BYTES} of a picture; scale it down`,
      );
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof FileError || error instanceof DataError) throw error;
    throw new FileError(`${what}: cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
