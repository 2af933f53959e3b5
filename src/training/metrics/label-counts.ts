import type { Tensor } from '../../autograd/tensor.ts';
import type { DeviceArray, Shape } from '../../kernels/array.ts';
import { countLabels, labelWords } from '../../kernels/metrics/metrics.ts';
import { type ClassScores, ConfusionMatrix } from './confusion-matrix.ts';

/**
 * Counts for independent labels: each output is a yes or no by a threshold, as in Keras's BinaryAccuracy and scikit-learn's multilabel
 * scores. A label is an entry of the output's last axis; with more axes, such as pixels, each position counts.
 */
export class LabelCounts {
  readonly labels: number;
  /** u32 words of the counts. */
  readonly countSize: number;

  constructor(outputShape: Shape) {
    this.labels = outputShape.at(-1)!;
    this.countSize = labelWords(this.labels);
  }

  /** Dispatches the counting of a batch; output and target f32 [N, ...outputShape]. */
  count(batch: { output: Tensor; target: Tensor; threshold: number }, counts: DeviceArray): void {
    countLabels(batch.output.array, batch.target.array, counts, { threshold: batch.threshold });
  }

  /** Number of correct outputs of all labels. */
  hits(counts: Uint32Array): number {
    return readPair(counts, 0);
  }

  /** [[neither, only predicted], [only actual, both]] of a label. */
  confusion(counts: Uint32Array, label: number): ConfusionMatrix {
    return ConfusionMatrix.of([0, 1, 2, 3].map((cell) => readPair(counts, 2 + 8 * label + 2 * cell)));
  }

  /** Scores of class 1 of each label, averaged over the labels. */
  scores(counts: Uint32Array): ClassScores {
    const perLabel = Array.from({ length: this.labels }, (_, label) => this.confusion(counts, label).perClass[1]!);
    const mean = (key: keyof ClassScores) => perLabel.reduce((sum, scores) => sum + scores[key], 0) / perLabel.length;
    return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
  }
}

const readPair = (counts: Uint32Array, i: number): number => counts[i]! + counts[i + 1]! * 2 ** 32;
