import type { Tensor } from '../../autograd/tensor.ts';
import type { DeviceArray, Shape } from '../../kernels/array.ts';
import { countLabels, labelWords } from '../../kernels/metrics/metrics.ts';
import { type ClassScores, ConfusionMatrix } from './confusion-matrix.ts';

/**
 * Counts of independent labels: outputs of which each is a yes or no of its own, by a threshold, as Keras's BinaryAccuracy and
 * scikit-learn's multilabel scores have them. A label is an entry of the output's last axis; pixels and the like count one by one.
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

  /** How many outputs are right, of all labels together. */
  hits(counts: Uint32Array): number {
    return pairOf(counts, 0);
  }

  /** [[neither, only predicted], [only actual, both]] of a label. */
  confusion(counts: Uint32Array, label: number): ConfusionMatrix {
    return ConfusionMatrix.of([0, 1, 2, 3].map((cell) => pairOf(counts, 2 + 8 * label + 2 * cell)));
  }

  /** Means over the labels of the scores that each has where it is 1. */
  scores(counts: Uint32Array): ClassScores {
    const each = Array.from({ length: this.labels }, (_, label) => this.confusion(counts, label).perClass[1]!);
    const mean = (key: keyof ClassScores) => each.reduce((sum, scores) => sum + scores[key], 0) / each.length;
    return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
  }
}

const pairOf = (counts: Uint32Array, at: number): number => counts[at]! + counts[at + 1]! * 2 ** 32;
