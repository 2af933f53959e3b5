import type { BatchSource, ImageSet, Model } from '../../../src/index.ts';

/** Batch size, over all replicas together. The test images of one network are one batch, so all are classified by the same weights. */
const BATCH = 1000;
/** Most images shown for a cell. */
const MAX_IMAGES = 20;

/** Predictions of a model for the images of a set. */
export interface TestResult {
  /** [true class][predicted class]; images whose outputs are NaN are in no cell. */
  counts: number[][];
  /** Predicted class of each image; 255 if its outputs contain NaN. */
  predicted: Uint8Array;
  /** [images, classes]. */
  probabilities: Float32Array;
}

export interface ClassifiedImage {
  /** Index in the set. */
  index: number;
  /** Bytes [height, width, channels]. */
  pixels: Uint8Array;
  /** Probability of the predicted class. */
  probability: number;
  /** Probability of the true class. */
  probabilityOfTrue: number;
}

/**
 * Predicts the class of each image of a set with one replica, and counts them in a confusion matrix. Waits for the GPU.
 * @param source images on the GPU
 * @param labels the true class of each image
 * @param replica number of the replica, from 0; default 0
 */
export async function testModel(
  model: Model,
  source: BatchSource,
  labels: ArrayLike<number>,
  replica = 0,
): Promise<TestResult> {
  const outputs = await model.predict(source, {
    batchSize: Math.min(source.size, Math.ceil(BATCH / model.replicas)),
  });
  const classes = model.outputShape[0]!;
  const size = source.size * classes;
  const probabilities = outputs.slice(replica * size, (replica + 1) * size);
  const counts = Array.from({ length: classes }, () => Array<number>(classes).fill(0));
  const predicted = Uint8Array.from({ length: source.size }, (_, i) => {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    const best = row.some(Number.isNaN) ? 255 : row.indexOf(Math.max(...row));
    if (best < classes) counts[labels[i]!]![best]!++;
    return best;
  });
  return { counts, predicted, probabilities };
}

/**
 * Images of one cell of the confusion matrix, by descending probability: the worst mistakes first if the classes differ.
 * @param truth the true class
 * @param predicted the predicted class
 */
export function imagesOfCell(set: ImageSet, result: TestResult, truth: number, predicted: number): ClassifiedImage[] {
  const pixels = set.images.length / set.size;
  const classes = set.classes.length;
  const images: ClassifiedImage[] = [];
  for (let index = 0; index < set.size; index++) {
    if (set.labels[index] !== truth || result.predicted[index] !== predicted) continue;
    images.push({
      index,
      pixels: set.images.slice(index * pixels, (index + 1) * pixels),
      probability: result.probabilities[index * classes + predicted]!,
      probabilityOfTrue: result.probabilities[index * classes + truth]!,
    });
  }
  return images.sort((a, b) => b.probability - a.probability || a.index - b.index).slice(0, MAX_IMAGES);
}

/** An image of a set by its index, with its label and the size of the set; `pixels` is null if there is no such image. */
export function testImage({ images, labels, size }: ImageSet, index: number) {
  const pixels = images.length / size;
  const isThere = Number.isInteger(index) && index >= 0 && index < size;
  return {
    pixels: isThere ? images.slice(index * pixels, (index + 1) * pixels) : null,
    label: labels[index] ?? 0,
    size,
  };
}
