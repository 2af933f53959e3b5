import { checkNumbers, checkSurplus, formatValue, readList } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';

/** Precision, recall and their harmonic mean F1. A score whose denominator is 0 is 0, as in scikit-learn. */
export interface ClassScores {
  /** Share of the samples predicted as the class that belong to it. */
  precision: number;
  /** Share of the samples of the class that were predicted as it. */
  recall: number;
  /** 2 precision recall / (precision + recall). */
  f1: number;
}

const ratio = (numerator: number, denominator: number) => (denominator === 0 ? 0 : numerator / denominator);

/** Counts of samples by true and predicted class. */
export class ConfusionMatrix {
  /** @param counts rows: true classes; columns: predicted classes. @throws ArgumentError unless it is a square of counts */
  constructor(
    /** Rows: true classes; columns: predicted classes. */
    readonly counts: readonly (readonly number[])[],
    ...surplus: never[]
  ) {
    checkSurplus('ConfusionMatrix', surplus);
    const rows = readList('ConfusionMatrix', counts)?.map((row) => readList('ConfusionMatrix', row));
    const isCount = (n: unknown) => Number.isInteger(n) && (n as number) >= 0;
    if (!rows?.every((row) => row?.length === rows.length && row.every(isCount))) {
      throw new ArgumentError(
        `ConfusionMatrix: takes a square of counts, row by row, but was given ${formatValue(counts)}`,
      );
    }
  }

  /** A matrix from its counts in row-major order. */
  static of(counts: ArrayLike<number>): ConfusionMatrix {
    return fromFlat(counts);
  }

  /** Number of samples. */
  get total(): number {
    return this.counts.flat().reduce((sum, n) => sum + n, 0);
  }

  /** Number of samples of each class. */
  get support(): number[] {
    return this.counts.map((row) => row.reduce((sum, n) => sum + n, 0));
  }

  /** Share of samples on the diagonal; 0 of none. */
  get accuracy(): number {
    return ratio(
      this.counts.reduce((sum, row, c) => sum + row[c]!, 0),
      this.total,
    );
  }

  /** Precision, recall and F1 of each class. */
  get perClass(): ClassScores[] {
    const predicted = this.counts.map((_, c) => this.counts.reduce((sum, row) => sum + row[c]!, 0));
    const { support } = this;
    return this.counts.map((row, c) => {
      const right = row[c]!;
      const f1 = ratio(2 * right, predicted[c]! + support[c]!);
      return { precision: ratio(right, predicted[c]!), recall: ratio(right, support[c]!), f1 };
    });
  }

  /** Unweighted means over the classes. */
  get macro(): ClassScores {
    const { perClass } = this;
    const mean = (key: keyof ClassScores) =>
      ratio(
        perClass.reduce((sum, scores) => sum + scores[key], 0),
        perClass.length,
      );
    return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
  }

  /** The transposed counts, with predicted classes as rows. */
  get transposed(): number[][] {
    return this.counts.map((_, c) => this.counts.map((row) => row[c]!));
  }
}

// Outside the class: bundlers rename a class that refers to itself, and console.log shows its name.
function fromFlat(counts: ArrayLike<number>): ConfusionMatrix {
  const flat = checkNumbers('ConfusionMatrix', counts);
  const classes = Math.round(Math.sqrt(flat.length));
  const row = (r: number) => Array.from({ length: classes }, (_, column) => flat[r * classes + column]!);
  return new ConfusionMatrix(Array.from({ length: classes }, (_, r) => row(r)));
}
