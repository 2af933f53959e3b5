import type { ImageSet } from '../src/index.ts';

/** Returns the weights of each unit or filter of a kernel [inputs, units]. */
export function unitsOf(kernel: readonly number[], inputs: number): number[][] {
  const units = kernel.length / inputs;
  return Array.from({ length: units }, (_, unit) =>
    Array.from({ length: inputs }, (_, i) => kernel[i * units + unit]!),
  );
}

/** Returns the mean image of each class (pixels in 0..1) minus the mean over the classes. */
export function classMeans({ images, labels, classes, shape }: ImageSet): number[][] {
  const pixels = shape[0] * shape[1] * shape[2];
  const sums = classes.map(() => new Array<number>(pixels).fill(0));
  const counts = classes.map(() => 0);
  for (const [i, label] of labels.entries()) {
    counts[label]!++;
    for (let p = 0; p < pixels; p++) sums[label]![p]! += images[i * pixels + p]! / 255;
  }
  const means = sums.map((sum, label) => sum.map((value) => value / counts[label]!));
  const overall = Array.from({ length: pixels }, (_, p) =>
    means.reduce((sum, mean) => sum + mean[p]! / means.length, 0),
  );
  return means.map((mean) => mean.map((value, p) => value - overall[p]!));
}

/**
 * Returns the class whose picture, or negative, is most similar to a unit's weights, and the correlation of the two, both blurred.
 */
export function mostSimilarClass(
  weights: readonly number[],
  classPictures: readonly (readonly number[])[],
  width: number,
) {
  const blurred = blur(weights, width);
  const correlations = classPictures.map((picture) => correlation(blurred, blur(picture, width)));
  const sizes = correlations.map(Math.abs);
  const label = sizes.indexOf(Math.max(...sizes));
  return { label, similarity: correlations[label]! };
}

/** Returns Pearson's correlation; 0 if `a` or `b` is constant. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const [i, value] of a.entries()) {
    const [x, y] = [value - meanA, b[i]! - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}

/** Returns a picture in which each pixel is the mean of the 5 x 5 pixels around it, without those beyond the edge. */
export function blur(picture: readonly number[], width: number): number[] {
  const height = picture.length / width;
  const offsets = [-2, -1, 0, 1, 2];
  return picture.map((_, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    const rows = offsets.map((d) => y + d).filter((row) => row >= 0 && row < height);
    const columns = offsets.map((d) => x + d).filter((column) => column >= 0 && column < width);
    const neighbors = rows.flatMap((row) => columns.map((column) => picture[row * width + column]!));
    return neighbors.reduce((sum, value) => sum + value, 0) / neighbors.length;
  });
}
