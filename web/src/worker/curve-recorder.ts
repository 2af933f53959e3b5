import { ArgumentError, type CallbackState, type Metrics } from '../../../src/index.ts';
import type { CurvePoint, Curves } from '../snapshot.ts';

/** Most points of a curve; above, neighbors are averaged. */
const MAX_POINTS = 400;

/** Loss and accuracy of each replica over the steps of a training. */
export class CurveRecorder {
  private train: CurvePoint[] = [];
  private test: CurvePoint[] = [];
  /** Samples and means of the current epoch at the last reading. */
  private read: { samples: number; replicas: readonly Metrics[] } = { samples: 0, replicas: [] };

  get curves(): Curves {
    return { train: this.train, test: this.test };
  }

  /**
   * Adds the means over the samples since the last reading.
   * @param step steps since the beginning
   * @param samples samples of this epoch so far
   * @param replicas means over these samples, for each replica
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

  /** State for a checkpoint. */
  state(): CallbackState {
    return structuredClone({ train: this.train, test: this.test, read: this.read }) as unknown as CallbackState;
  }

  /** @param replicas number of replicas. @throws ArgumentError unless `state` is from `state()` */
  restore(state: CallbackState | undefined, replicas: number): void {
    const { train, test, read } = (state ?? {}) as Partial<{
      train: unknown;
      test: unknown;
      read: CurveRecorder['read'];
    }>;
    const areRead = typeof read?.samples === 'number' && Array.isArray(read.replicas);
    if (!arePoints(train, replicas) || !arePoints(test, replicas) || !areRead) {
      throw new ArgumentError('the checkpoint is damaged: its curves have another form; start over without it');
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

/** Merges the two points that cover the fewest steps if there is one point too many; never changes the last point. */
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
