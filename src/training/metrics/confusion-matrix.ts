import { checkNumbers, checkSurplus, formatValue, readList } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';

/** Precision, recall and their harmonic mean F1. Where nothing was counted that could be right they are 0, as in scikit-learn. */
export interface ClassScores {
  /** Share of the samples taken for the class that are of it. */
  precision: number;
  /** Share of the samples of the class that were taken for it. */
  recall: number;
  /** 2 precision recall / (precision + recall). */
  f1: number;
}

const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

/** How often samples of each class were taken for each class. */
export class ConfusionMatrix {
  /** @param counts rows: the true class; columns: the predicted one. @throws ArgumentError unless it is a square of counts */
  constructor(
    /** Rows: the true class; columns: the predicted one. */
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

  /** From the counts row after row, as a kernel leaves them. */
  static of(counts: ArrayLike<number>): ConfusionMatrix {
    return fromFlat(counts);
  }

  /** Samples counted. */
  get total(): number {
    return this.counts.flat().reduce((sum, n) => sum + n, 0);
  }

  /** Samples of each class. */
  get support(): number[] {
    return this.counts.map((row) => row.reduce((sum, n) => sum + n, 0));
  }

  /** Share of samples on the diagonal; 0 of none. */
  get accuracy(): number {
    return share(
      this.counts.reduce((sum, row, c) => sum + row[c]!, 0),
      this.total,
    );
  }

  /** For each class: how many of those predicted are right, how many of those there are were found, and F1. */
  get perClass(): ClassScores[] {
    const predicted = this.counts.map((_, c) => this.counts.reduce((sum, row) => sum + row[c]!, 0));
    const { support } = this;
    return this.counts.map((row, c) => {
      const right = row[c]!;
      const f1 = share(2 * right, predicted[c]! + support[c]!);
      return { precision: share(right, predicted[c]!), recall: share(right, support[c]!), f1 };
    });
  }

  /** Means over the classes, each counting the same. */
  get macro(): ClassScores {
    const { perClass } = this;
    const mean = (key: keyof ClassScores) =>
      share(
        perClass.reduce((sum, scores) => sum + scores[key], 0),
        perClass.length,
      );
    return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
  }

  /** Rows and columns exchanged: predicted classes as rows, as some draw it. */
  get transposed(): number[][] {
    return this.counts.map((_, c) => this.counts.map((row) => row[c]!));
  }
}

// Outside of the class: bundlers rename a class that names itself, and console.log shows its name.
function fromFlat(counts: ArrayLike<number>): ConfusionMatrix {
  const flat = checkNumbers('ConfusionMatrix', counts);
  const classes = Math.round(Math.sqrt(flat.length));
  const row = (r: number) => Array.from({ length: classes }, (_, column) => flat[r * classes + column]!);
  return new ConfusionMatrix(Array.from({ length: classes }, (_, r) => row(r)));
}
