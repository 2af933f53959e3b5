import { ArgumentError } from '../../base/errors.ts';
import { escapeText, wrap } from '../escape.ts';
import { tones } from '../theme.ts';
import { type Canvas, canvasWidth } from './canvas.ts';
import { encodePng } from './png.ts';
import type { FigureOf } from './schema.ts';
import { svgDocument, svgTitle } from './svg.ts';

type Images = FigureOf<'images'>;
type Picture = Images['images'][number];

export interface PictureShape {
  width: number;
  height: number;
  channels: number;
  caption?: string;
}

/** An image of bytes 0..255: [height, width, channels], 1 channel (gray) or 3 (color). @throws ArgumentError */
export function imageFromBytes(pixels: Uint8Array, { width, height, channels, caption = '' }: PictureShape): Picture {
  if (channels !== 1 && channels !== 3) {
    throw new ArgumentError(`an image has 1 or 3 channels, but ${channels} were given; show each channel by itself`);
  }
  if (pixels.length !== width * height * channels) {
    throw new ArgumentError(
      `an image of [${height}, ${width}, ${channels}] has ${width * height * channels} values, but ${pixels.length} were given`,
    );
  }
  return { width, height, channels, caption, pixels: Buffer.from(pixels).toString('base64') };
}

/**
 * An image of numbers: [height, width, channels].
 * @param range the values of black and white; default 0 and 1. Values beyond them are clamped; NaN is black.
 * @throws ArgumentError
 */
export function imageFromFloats(
  values: ArrayLike<number>,
  shape: PictureShape,
  range: [number, number] = [0, 1],
): Picture {
  const [low, high] = range;
  const bytes = Uint8Array.from(values, (value) => clamp(Math.round(((value - low) / (high - low)) * 255)));
  return imageFromBytes(bytes, shape);
}

/** The largest absolute value: the `limit` that makes several images of weights comparable. 1 if all are 0. */
export function weightLimit(values: Iterable<number>): number {
  let limit = 0;
  for (const value of values) if (Number.isFinite(value)) limit = Math.max(limit, Math.abs(value));
  return limit || 1;
}

const RED = [178, 34, 24];
const BLUE = [24, 82, 178];

/** White at 0, red towards `limit`, blue towards `-limit`: the three bytes of a weight. NaN is gray. */
function divergingColor(value: number, limit: number): number[] {
  if (Number.isNaN(value)) return [128, 128, 128];
  const strength = Math.min(1, Math.abs(value) / limit);
  return (value >= 0 ? RED : BLUE).map((end) => Math.round(255 + (end - 255) * strength));
}

/** An image of weights [height, width], one channel: blue below 0, white at 0, red above. @throws ArgumentError */
export function imageFromWeights(
  weights: ArrayLike<number>,
  shape: Omit<PictureShape, 'channels'>,
  limit: number,
): Picture {
  const bytes = Uint8Array.from(Array.from(weights).flatMap((value) => divergingColor(value, limit)));
  return imageFromBytes(bytes, { ...shape, channels: 3 });
}

const clamp = (byte: number) => Math.min(255, Math.max(0, byte || 0));

/** Enlarges each pixel to a square of `factor` x `factor`, because viewers smooth images that they enlarge. */
function enlarge({ width, height, channels, pixels }: Picture, factor: number): Buffer {
  const bytes = Buffer.from(pixels, 'base64');
  const enlarged = new Uint8Array(width * factor * height * factor * channels);
  for (let y = 0, index = 0; y < height * factor; y++) {
    for (let x = 0; x < width * factor; x++) {
      const from = (Math.floor(y / factor) * width + Math.floor(x / factor)) * channels;
      for (let c = 0; c < channels; c++) enlarged[index++] = bytes[from + c]!;
    }
  }
  return encodePng(width * factor, height * factor, channels, enlarged);
}

/** Draws a grid of images with their captions, and a scale if there is a `limit`. */
export function imagesSvg(figure: Images, canvas: Canvas): string {
  const padding = canvas === 'wide' ? 14 : 8;
  const availableWidth = canvasWidth[canvas] - 2 * padding;
  const gap = 8;
  const widest = Math.max(...figure.images.map(({ width }) => width));
  const tallest = Math.max(...figure.images.map(({ height }) => height));
  // Cells are as large as the requested columns allow, within limits; a phone has fewer columns.
  const minCell = canvas === 'wide' ? 44 : 52;
  const requestedColumns =
    figure.columns ?? Math.min(figure.images.length, Math.max(5, Math.floor(availableWidth / 72)));
  const maxColumns = Math.max(
    1,
    Math.min(requestedColumns, figure.images.length, Math.floor((availableWidth + gap) / (minCell + gap))),
  );
  // Ten images are two rows of five, not one of nine and one of one.
  const columns = figure.columns
    ? maxColumns
    : Math.ceil(figure.images.length / Math.ceil(figure.images.length / maxColumns));
  const cell = Math.min(112, Math.floor((availableWidth + gap) / columns) - gap);
  const scale = cell / widest;
  const cellHeight = Math.round(tallest * scale);
  const lineLength = Math.max(4, Math.floor(cell / 5.6));
  const captions = figure.images.map(({ caption }) => captionLines(caption, lineLength));
  const captionHeight = Math.max(...captions.map((lines) => lines.length)) * 13;
  const heading = svgTitle(figure, canvas, padding);
  const rowHeight = cellHeight + captionHeight + gap + 4;
  const parts = [heading.svg];
  for (const [i, image] of figure.images.entries()) {
    const x = padding + (i % columns) * (cell + gap);
    const y = heading.height + Math.floor(i / columns) * rowHeight;
    const [width, height] = [image.width * scale, image.height * scale];
    const href = `data:image/png;base64,${enlarge(image, Math.max(1, Math.ceil((2 * cell) / widest))).toString('base64')}`;
    parts.push(
      `<image x="${x}" y="${y}" width="${width}" height="${height}" preserveAspectRatio="none" href="${href}"/>`,
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="none" stroke="${tones.grid.light}"/>`,
      ...captions[i]!.map(
        (line, n) =>
          `<text x="${x + cell / 2}" y="${y + cellHeight + 13 + n * 13}" text-anchor="middle" font-size="10.5" fill="${tones.ink.light}">${escapeText(line)}</text>`,
      ),
    );
  }
  let bottom = heading.height + Math.ceil(figure.images.length / columns) * rowHeight;
  if (figure.limit !== undefined) {
    parts.push(scaleSvg(figure.limit, padding, bottom + 4));
    bottom += 36;
  }
  return svgDocument(canvasWidth[canvas], bottom + padding - gap, parts.join('\n'));
}

/** Wraps a caption to at most two lines; the rest is cut. */
function captionLines(caption: string, length: number): string[] {
  if (caption === '') return [];
  const lines = wrap(caption, length);
  return lines.slice(0, 2).map((line) => (line.length > length ? `${line.slice(0, length - 1)}…` : line));
}

function scaleSvg(limit: number, x: number, y: number): string {
  const steps = 41;
  const step = 5;
  const rects = Array.from({ length: steps }, (_, i) => {
    const color = `rgb(${divergingColor((i / (steps - 1)) * 2 - 1, 1).join(',')})`;
    return `<rect x="${x + i * step}" y="${y}" width="${step + 0.5}" height="10" fill="${color}"/>`;
  });
  const end = String(Number(limit.toPrecision(3)));
  const label = (labelX: number, text: string, anchor: string) =>
    `<text x="${labelX}" y="${y + 24}" text-anchor="${anchor}" font-size="10.5" fill="${tones.ink.light}">${text}</text>`;
  return [
    ...rects,
    label(x, `-${end}`, 'start'),
    label(x + (steps * step) / 2, '0', 'middle'),
    label(x + steps * step, end, 'end'),
  ].join('');
}

export function imagesAlt({ title, images, limit }: Images): string {
  const captions = images.map(({ caption }) => caption).filter((caption) => caption !== '');
  const shownCaptions = captions.slice(0, 12).join(', ') + (captions.length > 12 ? ', ...' : '');
  const scale =
    limit === undefined ? '' : ` Blue is negative, white 0, red positive, up to ${Number(limit.toPrecision(3))}.`;
  return `${title}. ${images.length} image${images.length === 1 ? '' : 's'}${shownCaptions ? `: ${shownCaptions}` : ''}.${scale}`;
}
