import { ArgumentError, type CallbackState, type Metrics } from '../../../src/index.ts';
import type { CurvePoint, Curves } from '../snapshot.ts';

/** Points a curve has at most: beyond, neighbors are averaged. */
const MAX_POINTS = 400;

/** Loss and accuracy of each replica over the steps of a training. */
export class CurveRecorder {
  private train: CurvePoint[] = [];
  private test: CurvePoint[] = [];
  /** Samples and sums of the epoch under way at its last reading. */
  private read: { samples: number; replicas: readonly Metrics[] } = { samples: 0, replicas: [] };

  get curves(): Curves {
    return { train: this.train, test: this.test };
  }

  /**
   * Adds the means over the samples since the last reading.
   * @param step since the beginning
   * @param samples of this epoch so far, and `replicas` the means over them
   */
  addTraining(step: number, samples: number, replicas: readonly Metrics[]): void {
    const before = this.read.samples < samples ? this.read : { samples: 0, replicas: [] };
    const meanSince = (name: 'loss' | 'accuracy') =>
      replicas.map((now, r) => {
        const sum = before.samples * (before.replicas[r]?.[name] ?? 0);
        return (samples * now[name]! - sum) / (samples - before.samples);
      });
    this.train = thinOut([...this.train, { step, loss: meanSince('loss'), accuracy: meanSince('accuracy') }]);
    this.read = { samples, replicas };
  }

  addTest(point: CurvePoint): void {
    this.test = thinOut([...this.test, point]);
    this.read = { samples: 0, replicas: [] };
  }

  /** To be kept with a checkpoint. */
  state(): CallbackState {
    return structuredClone({ train: this.train, test: this.test, read: this.read }) as unknown as CallbackState;
  }

  /** @param replicas of the training. @throws ArgumentError for what `state` did not give */
  restore(state: CallbackState | undefined, replicas: number): void {
    const { train, test, read } = (state ?? {}) as Partial<{
      train: unknown;
      test: unknown;
      read: CurveRecorder['read'];
    }>;
    const areRead = typeof read?.samples === 'number' && Array.isArray(read.replicas);
    if (!arePoints(train, replicas) || !arePoints(test, replicas) || !areRead) {
      throw new ArgumentError('the checkpoint is damaged: its curves have another form; begin anew without it');
    }
    Object.assign(this, structuredClone({ train, test, read }));
  }
}

const arePoints = (points: unknown, replicas: number): points is CurvePoint[] =>
  Array.isArray(points) &&
  points.every(
    (point) =>
      Number.isInteger(point?.step) &&
      [point.loss, point.accuracy].every(
        (values) => values?.length === replicas && values.every((value: unknown) => typeof value === 'number'),
      ),
  );

/** The points as they are, or, of one too many, the two that cover the fewest steps as one; the last stays as it is. */
function thinOut(points: CurvePoint[]): CurvePoint[] {
  if (points.length <= MAX_POINTS) return points;
  const startOf = (i: number) => points[i - 1]?.step ?? 0;
  let first = 0;
  for (let i = 1; i < points.length - 2; i++) {
    if (points[i + 1]!.step - startOf(i) < points[first + 1]!.step - startOf(first)) first = i;
  }
  const [a, b] = [points[first]!, points[first + 1]!];
  const share = (a.step - startOf(first)) / (b.step - startOf(first));
  const mean = (name: 'loss' | 'accuracy') => a[name].map((value, r) => share * value + (1 - share) * b[name][r]!);
  return points.toSpliced(first, 2, { step: b.step, loss: mean('loss'), accuracy: mean('accuracy') });
}
