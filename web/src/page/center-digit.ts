/** Side of an MNIST image in pixels. */
export const SIDE = 28;
/** Longer side of the digit within it. */
const BOX = 20;
/** Row and column of the center of mass: 13.5 to 14.5 in all images of the bundled sample. */
const CENTER = 14;

/**
 * Converts a drawing like MNIST's images: scales it so that the longer side of its bounding box has 20 pixels, averages the
 * drawing's pixels under each, and moves it by whole pixels so that its center of mass is at the center of 28 x 28 (Y. LeCun,
 * C. Cortes, C. Burges, "The MNIST database of handwritten digits", http://yann.lecun.com/exdb/mnist/). Images of MNIST stay unchanged.
 * @param ink darkness of each pixel of the drawing, 0 to 255, row by row
 * @param width width of the drawing in pixels
 * @returns 28 x 28 bytes, row by row, or null if there is no ink
 */
export function centerDigit(ink: ArrayLike<number>, width: number): Uint8Array | null {
  let [left, top, right, bottom] = [width, Infinity, -1, -1];
  for (let i = 0; i < ink.length; i++) {
    if (!ink[i]) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  if (right < 0) return null;
  /** Side of an image pixel, in pixels of the drawing. */
  const step = Math.max(right - left + 1, bottom - top + 1) / BOX;
  const columns = coverage(right - left + 1, step);
  const rows = coverage(bottom - top + 1, step);
  const gray = rows.map((inRow) =>
    columns.map((inColumn) => {
      let sum = 0;
      for (const [y, high] of inRow) {
        for (const [x, wide] of inColumn) sum += high * wide * ink[(top + y) * width + left + x]!;
      }
      return Math.round(sum / step ** 2);
    }),
  );
  let [mass, atX, atY] = [0, 0, 0];
  for (const [y, row] of gray.entries()) {
    for (const [x, value] of row.entries()) {
      mass += value;
      atX += value * x;
      atY += value * y;
    }
  }
  if (mass === 0) return null; // too faint for a single gray
  // Within the image, so that a long thin tail does not push the rest over its edge.
  const shift = (center: number, size: number) => Math.max(0, Math.min(SIDE - size, CENTER - Math.round(center)));
  const [x, y] = [shift(atX / mass, columns.length), shift(atY / mass, rows.length)];
  const image = new Uint8Array(SIDE * SIDE);
  for (const [r, row] of gray.entries()) image.set(row, (y + r) * SIDE + x);
  return image;
}

/** For each pixel of the image: the pixels of the drawing (of `size`) that overlap it, with the length of the overlap. */
function coverage(size: number, step: number): (readonly [at: number, length: number])[][] {
  return Array.from({ length: Math.ceil(size / step - 1e-9) }, (_, i) => {
    const [begin, end] = [i * step, Math.min(size, (i + 1) * step)];
    const pixels: [number, number][] = [];
    for (let at = Math.floor(begin); at < end; at++) {
      pixels.push([at, Math.min(end, at + 1) - Math.max(begin, at)]);
    }
    return pixels;
  });
}
