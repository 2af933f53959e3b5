import type { CurvePoint, Curves } from '../snapshot.ts';
import type { Look, Score } from './look.ts';

/** Most points of a curve; above, every second one is dropped. */
const MAX_POINTS = 401;

/** History of losses and accuracies. */
export class CurveHistory {
  curves: Curves = { train: [], test: [] };

  /** Adds the scores of a look. Drops points at its step and later, which are from before a restart. */
  add({ step, training, test }: Look): void {
    const append = (points: readonly CurvePoint[], score: Score | null) => {
      const before = points.filter((point) => point.step < step);
      const all = score ? [...before, { step, ...score }] : before;
      return all.length > MAX_POINTS ? all.filter((_, i) => i % 2 === 0 || i === all.length - 1) : all;
    };
    const { train, test: tests } = this.curves;
    this.curves = { train: append(train, training), test: append(tests, test) };
  }
}
