import type { CurvePoint, Curves } from '../snapshot.ts';
import { thinned } from '../worker/curve-recorder.ts';
import type { Look, Score } from './look.ts';

/** Losses and accuracies of what was looked at. */
export class CurveHistory {
  curves: Curves = { train: [], test: [] };

  /** Adds a look. Those after its step, from before training began again, are forgotten. */
  add({ step, training, test }: Look): void {
    const added = (points: readonly CurvePoint[], score: Score | null) => {
      const before = points.filter((point) => point.step < step);
      return thinned(score ? [...before, { step, ...score }] : before);
    };
    const { train, test: tests } = this.curves;
    this.curves = { train: added(train, training), test: added(tests, test) };
  }
}
