import type { CallbackState, Metrics } from '../../../src/index.ts';
import type { CurvePoint, Curves } from '../snapshot.ts';

/** Points a curve has at most: from then on, neighbors are averaged. */
const MOST_POINTS = 400;

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
    this.train = thinned([...this.train, { step, loss: meanSince('loss'), accuracy: meanSince('accuracy') }]);
    this.read = { samples, replicas };
  }

  addTest(point: CurvePoint): void {
    this.test = thinned([...this.test, point]);
    this.read = { samples: 0, replicas: [] };
  }

  /** To be kept with a checkpoint. */
  state(): CallbackState {
    return structuredClone({ train: this.train, test: this.test, read: this.read }) as unknown as CallbackState;
  }

  restore(state: CallbackState): void {
    Object.assign(this, structuredClone(state));
  }
}

/** The points as they are, or, of too many, the means of two at a time, the last one as it is. */
export function thinned(points: CurvePoint[]): CurvePoint[] {
  if (points.length <= MOST_POINTS) return points;
  const thin: CurvePoint[] = [];
  for (let i = 0; i + 1 < points.length; i += 2) {
    const [a, b] = [points[i]!, points[i + 1]!];
    const mean = (name: 'loss' | 'accuracy') => a[name].map((value, r) => (value + b[name][r]!) / 2);
    thin.push({ step: b.step, loss: mean('loss'), accuracy: mean('accuracy') });
  }
  if (points.length % 2 === 1) thin.push(points.at(-1)!);
  return thin;
}
