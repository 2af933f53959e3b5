import type { CurvePoint, Curves } from '../snapshot.ts';
import type { Look, Score } from './look.ts';

/** Points that a curve has at most; then every second one is left out. */
const MAX_POINTS = 401;

/** Losses and accuracies of what was looked at. */
export class CurveHistory {
  curves: Curves = { train: [], test: [] };

  /** Adds a look. Points of its step and later ones, from before training began again, are forgotten. */
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
