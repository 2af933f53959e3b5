import { meanAndSd } from '../src/report/statistics.ts';

// Computations on the curves of coursework E.

/** Returns the learning rate of an epoch, counted from 0. After the last phase, its rate stays. */
export function rateOfEpoch(phases: readonly { rate: number; epochs: number }[], epoch: number): number {
  let end = 0;
  const phase = phases.find(({ epochs }) => {
    end += epochs;
    return epoch < end;
  });
  return (phase ?? phases.at(-1)!).rate;
}

/** Returns the first epoch, counted from 1, whose value is above `level`; null if there is none. */
export function firstEpochAbove(curve: readonly number[], level: number): number | null {
  const index = curve.findIndex((value) => value > level);
  return index < 0 ? null : index + 1;
}

/** Returns the mean absolute change from one point to the next in the second half of a curve; NaN for too few points. */
export function meanAbsoluteChange(curve: readonly number[]): number {
  const half = curve.slice(Math.floor(curve.length / 2));
  const changes = half.slice(1).map((value, i) => Math.abs(value - half[i]!));
  return meanAndSd(changes).mean ?? Number.NaN;
}
