/** Colors of positive and negative weights; opacity is proportional to size. Visible on light and dark backgrounds. */
export const POSITIVE = [232, 89, 12] as const;
export const NEGATIVE = [34, 139, 230] as const;
/** Lines between tiles. */
const LINE = [128, 128, 128, 60] as const;

/** A canvas that shows its pixels as squares. */
export function createPixels(label: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.className = 'pixels';
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', label);
  return canvas;
}

/** Shows an image in the canvas at its own resolution. An image pixel has `scale` CSS pixels if there is room. */
function show(canvas: HTMLCanvasElement, image: ImageData, scale: number): void {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.style.width = `${scale * image.width}px`;
  }
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}

/** Shows bytes [height, width, channels], of one channel (gray) or three. */
export function showImage(
  canvas: HTMLCanvasElement,
  pixels: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
  scale = 2,
): void {
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[channels * i + (c % channels)]!;
    image.data[4 * i + 3] = 255;
  }
  show(canvas, image, scale);
}

/**
 * Shows weights as tiles in `columns` columns, with the channels of a filter one below another.
 * @param values [filters, channels, height, width]
 * @param limit absolute value that is shown as opaque
 */
export function showSigned(
  canvas: HTMLCanvasElement,
  values: Float32Array,
  { height, width, channels, limit }: { height: number; width: number; channels: number; limit: number },
  { columns, scale }: { columns: number; scale: number },
): void {
  const tiles = values.length / (height * width);
  const rows = channels * Math.ceil(tiles / channels / columns);
  const image = new ImageData(columns * (width + 1) + 1, rows * (height + 1) + 1);
  for (let i = 0; i < image.data.length / 4; i++) {
    const [x, y] = [i % image.width, Math.floor(i / image.width)];
    // The right and bottom lines belong to the last tiles.
    const column = Math.min(columns - 1, Math.floor(x / (width + 1)));
    const row = Math.min(rows - 1, Math.floor(y / (height + 1)));
    const filter = column + columns * Math.floor(row / channels);
    const [atX, atY] = [x % (width + 1), y % (height + 1)];
    const tile = filter * channels + (row % channels);
    if (tile >= tiles) continue;
    if (atX === 0 || atY === 0) {
      image.data.set(LINE, 4 * i);
      continue;
    }
    const value = values[(tile * height + atY - 1) * width + atX - 1]!;
    image.data.set(value > 0 ? POSITIVE : NEGATIVE, 4 * i);
    image.data[4 * i + 3] = (255 * Math.abs(value)) / limit;
  }
  show(canvas, image, scale);
}
